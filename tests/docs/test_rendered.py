"""The reference is all of it: every row, setting, count, cause, error, command and name is there."""

from __future__ import annotations

import re

import attrs
import pytest
from tests.docs.pages import DOCS, FROM_SOURCES

import relive
from relive import errors
from relive.core import closes, table as table_module
from relive.core.actions import ACTIONS
from relive.core.closes import CAUSES
from relive.core.guards import GUARDS
from relive.core.policy import Policy
from relive.core.table import TABLE
from relive.ports import Stats
from relive_docs import api, commands, endings, machine, reading, settings

pytestmark = FROM_SOURCES

ROW = "| --- "


def rows(markdown: str) -> list[list[str]]:
    """The cells of every row in a piece of Markdown, heads left out."""
    lines = markdown.splitlines()
    heads = {number - 1 for number, line in enumerate(lines) if line.startswith(ROW)}
    cells = [line for number, line in enumerate(lines) if line.startswith("| ") and number not in heads]
    return [line[2:-2].split(" | ") for line in cells if not line.startswith(ROW)]


def test_every_row_of_the_table_is_there_in_order() -> None:
    shown = rows(machine.rows())
    assert len(shown) == len(TABLE)
    for cells, row in zip(shown, TABLE, strict=True):
        source, on, dest, when, do = cells
        assert len(row.sources) > 1 or set(row.sources) <= {source.strip("`")}
        names = {name.replace("DeadlineReached", "at") for name in row.triggers}
        assert len(names) > 1 or names <= {on.strip("`")}
        assert dest == "stays" if row.dest == "=" else dest == f"`{row.dest}`"
        assert str(row.when) in when
        assert all(name in do for name in row.do)


def test_rows_stand_in_the_groups_of_the_source() -> None:
    titles = [group.title for group in reading.grouped_rows(table_module, "ROWS")]
    assert titles[0] == "A session begins"
    assert len(titles) == len(set(titles)) > 5
    assert all(f"### {title}\n" in machine.rows() for title in titles)


def test_a_name_for_several_states_tells_which() -> None:
    assert 'title="ACTIVE, DRAINING">LIVE</code>' in machine.rows()
    names = {cells[0]: cells[1] for cells in rows(machine.names())}
    assert names["`LIVE`"] == "`ACTIVE`, `DRAINING`"
    assert names["`LOST`"] == "`ConnectionDropped`, `at(silence)`, `at(answer)`"


def test_the_matrix_is_the_committed_one() -> None:
    assert (DOCS / "../diagrams/matrix.md").read_text("utf-8").endswith(f"\n\n{machine.matrix()}")


@pytest.mark.parametrize("state", TABLE.states)
def test_a_state_has_its_meaning_and_its_picture(state: str) -> None:
    (told,) = [cells for cells in rows(machine.states()) if f"`{state}`" in cells[0]]
    assert len(told[1]) > len("now.")
    assert f"## {state}\n" in machine.views()
    for suffix in ("", "-dark"):
        assert f"/../diagrams/states/{state}{suffix}.svg\n" in machine.views()
        assert (DOCS / f"../diagrams/states/{state}{suffix}.svg").is_file()


def test_every_guard_and_every_action_says_what_it_does() -> None:
    for known, shown in ((GUARDS, machine.guards()), (ACTIONS, machine.actions())):
        assert [cells[0].partition("`]")[0][2:] for cells in rows(shown)] == list(known)
        assert all(cells[1] for cells in rows(shown))


def test_every_setting_is_there_with_unit_default_and_bounds() -> None:
    shown = {cells[0].strip("`"): cells[1:] for cells in rows(settings.policy())}
    assert list(shown) == [field.name for field in attrs.fields(Policy)]
    assert all(len(cells) == 3 and all(cells) for cells in shown.values())
    assert shown["drain_margin"][:2] == ["`1` s", "finite and at least 0"]
    assert shown["rotate_after"][:2] == ["`None` (s)", "finite and at least 0.001, or None"]
    assert shown["bind_to"][:2] == ["`''`", "a text"]
    assert shown["send_limit"][0] == "`4 * 1024 * 1024` bytes (4 MiB)"
    assert shown["handle_ttl"][0] == "`7200` s"
    assert shown["retry_total"][0] == "`10000`"


def test_what_a_default_is_said_to_be_it_is() -> None:
    for name, (default, *_) in ((cells[0].strip("`"), cells[1:]) for cells in rows(settings.policy())):
        said = default.partition("`")[2].partition("`")[0]
        assert eval(said) == attrs.fields_dict(Policy)[name].default  # noqa: S307 - our own text


def test_every_count_is_there() -> None:
    shown = {cells[0].strip("`"): cells[1] for cells in rows(settings.stats())}
    assert list(shown) == [field.name for field in attrs.fields(Stats)]
    assert all(shown.values())


def test_every_cause_is_there_in_order() -> None:
    shown = rows(endings.causes().replace("\\|", "¦"))
    assert len(shown) == len(CAUSES)
    for cells, cause in zip(shown, CAUSES, strict=True):
        assert cells[0].lower().startswith(cause.happened.lower())
        assert all(f"`{code}`" in cells[1] or code is None for code in cause.codes)
        assert all(reason in cells[2] for reason in cause.reasons)
        assert cells[4] == f"`{cause.judgement}`"


def test_every_judgement_is_explained() -> None:
    assert {cells[0].strip("`") for cells in rows(endings.judgements())} == set(closes.Judgement.__args__)
    assert all(cells[1] for cells in rows(endings.judgements()))


def test_every_error_is_in_the_tree_and_documented() -> None:
    kinds = endings.errors()
    assert set(kinds) == {
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ReliveError)
    }
    for kind in kinds:
        assert endings.error_tree().count(f"- [`{kind.__name__}`](") == 1
        assert f".. autoexception:: {endings.public_name(kind)}\n" in endings.error_classes()


def test_the_tree_in_the_docstring_is_that_of_the_classes() -> None:
    told = endings.BRANCH.findall(errors.__doc__ or "")
    assert [name for name, _ in told] == [kind.__name__ for kind in endings.in_order()][1:]


def test_every_command_is_there() -> None:
    shown = commands.commands()
    for name in ("demo", "serve", "simulate", "explore", "diagram", "handles ls", "handles show", "handles forget"):
        assert f" relive {name}\n" in shown
    assert "| `--connection-limit float` |" in shown
    assert "| for ever |" in shown
    assert "if `--check` finds" in shown


def test_every_public_name_has_its_entry() -> None:
    text = "".join(page.read_text("utf-8") for page in (DOCS / "reference").rglob("*.md"))
    named = {
        word for line in text.splitlines() if line.startswith("```{rendered} members relive ") for word in line.split()
    }
    kinds = {kind.__name__ for kind in endings.errors()}
    elsewhere = {"HandleStore", "Clock", "Observer", "Transport", "MemoryStore", "__version__"}
    assert set(relive.__all__) - named - kinds <= elsewhere
    for name in elsewhere - {"__version__"}:
        assert f" {name}" in text


def test_where_a_name_in_a_docstring_leads() -> None:
    known = [
        ("relive.Policy", "class"),
        ("relive.Policy.lease_wait", "attribute"),
        ("relive.connect", "function"),
        ("relive.ports.Entry.key", "attribute"),
        ("relive.testing.simulation.plan.Client", "class"),
        ("relive.other.Client", "class"),
    ]
    assert api.found("Policy", known, []) == "relive.Policy"
    assert api.found("Policy.lease_wait", known, []) == "relive.Policy.lease_wait"
    assert api.found("connect", known, []) == "relive.connect"
    assert api.found("key", known, []) is None
    assert api.found("key", known, ["relive.ports.Entry"]) == "relive.ports.Entry.key"
    assert api.found("Client", known, ["relive.testing.simulation.plan"]) == "relive.testing.simulation.plan.Client"
    assert api.found("Client", known, []) == "relive.other.Client"
    assert api.found("nobody", known, []) is None


def test_comments_that_group_are_told_from_notes() -> None:
    shown = endings.causes()
    assert "### Handles\n" in shown
    assert "### What we sent\n" in shown
    assert "Not a word about the handle" not in shown


def test_the_prose_gives_the_defaults_as_they_are() -> None:
    """Where a page says ``audio_age` (30 s)``."""
    units = {"s": 1.0, "MiB": 1024.0 * 1024.0}
    found = [
        (name, float(number) * units[unit])
        for page in sorted(DOCS.rglob("*.md"))
        for name, number, unit in re.findall(r"`(\w+)` \((\d+(?:\.\d+)?) (s|MiB)\)", page.read_text("utf-8"))
    ]
    assert len(found) >= 5
    assert [(name, value) for name, value in found if attrs.fields_dict(Policy)[name].default != value] == []


def test_signatures_are_shown_as_they_are_written() -> None:
    assert api.tidy("class", Policy, "(*, drain_margin=1.0)", None) == ("", "")
    assert api.tidy("class", relive.Transport, "(*args)", None) == ("", "")
    said = "(kind: str, reason: str = attr_dict['reason'].default)"
    assert api.tidy("class", relive.Verdict, said, None) == ("(kind: str, reason: str = '')", None)
    given = "(seed: TypeAliasForwardRef('relive.Seed') | None = None)"
    assert api.tidy("function", relive.connect, given, "State") == ("(seed: relive.Seed | None = None)", "State")
