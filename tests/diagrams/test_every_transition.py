"""What is drawn is the table: every state and every transition of it, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from tests.diagrams import parsing
from tests.diagrams.parsing import Drawn, Transition
from tests.extending.test_paused import WITH_HOLD

from relive.core.schema import Step, Table
from relive.core.table import TABLE
from relive.diagrams import Diagram, Format, Options, draw, of_table

PICTURES: dict[Format, Callable[[str], Drawn]] = {
    "mermaid": parsing.mermaid,
    "dot": parsing.dot,
    "svg": parsing.svg,
}
TABLES: dict[str, Table[Any, Any, Any]] = {"ours": TABLE, "with a state of an embedder's": WITH_HOLD}


def called(step: Step) -> str:
    return step.trigger.replace("DeadlineReached(", "at(")


def steps(table: Table[Any, Any, Any], *, orders: bool, stays: bool = False) -> Counter[Transition]:
    """What the table says, straight from its steps."""
    return Counter(
        (step.source, called(step), step.when, step.dest, step.do if orders else ())
        for step in table.steps()
        if step.internal == stays
    )


@pytest.mark.parametrize("form", PICTURES)
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("orders", [False, True])
def test_the_whole_machine_has_every_state_and_every_transition_and_none_else(
    form: Format, name: str, orders: bool
) -> None:
    table = TABLES[name]
    drawn = PICTURES[form](draw(of_table(table), form, Options(orders=orders)))
    assert Counter(drawn.states) == Counter(table.states)
    assert Counter(drawn.transitions()) == steps(table, orders=orders)


@pytest.mark.parametrize("form", PICTURES)
@pytest.mark.parametrize("state", TABLE.states)
def test_the_view_of_a_state_has_exactly_its_rows(form: Format, state: str) -> None:
    drawn = PICTURES[form](draw(of_table(TABLE).view(state), form, Options(orders=True)))
    leaving = Counter({said: n for said, n in steps(TABLE, orders=True).items() if said[0] == state})
    staying = Counter({said: n for said, n in steps(TABLE, orders=True, stays=True).items() if said[0] == state})
    assert Counter(drawn.transitions()) == leaving
    assert Counter(drawn.unchanging()) == staying
    assert set(drawn.states) == {state} | {dest for _, _, _, dest, _ in leaving}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("orders", [False, True])
def test_the_matrix_has_every_row_in_the_order_in_which_guards_are_asked(name: str, orders: bool) -> None:
    table = TABLES[name]
    said = list(parsing.matrix(draw(of_table(table), "matrix", Options(orders=orders))))
    for state in table.states:
        for event in {called(step) for step in table.steps()}:
            rows = [
                (step.when, None if step.internal else step.dest, step.do if orders else ())
                for step in table.steps()
                if (step.source, called(step)) == (state, event)
            ]
            assert [row[2:] for row in said if row[:2] == (state, event)] == rows, (state, event)


def test_the_matrix_marks_what_cannot_happen() -> None:
    (line,) = [line for line in draw(of_table(TABLE), "matrix").splitlines() if line.startswith("| GoAwayReceived ")]
    cells = [cell.strip() for cell in line.split("|")[3:-1]]
    assert dict(zip(TABLE.states, cells, strict=True)) == {
        **dict.fromkeys(TABLE.states, "✗"),
        **dict.fromkeys(("CONNECTING", "DRAINING", "RESUMING", "HANDLE_EXPIRED"), "stays"),
        "ACTIVE": "DRAINING",
    }


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("orders", [False, True])
def test_the_titles_of_a_picture_tell_everything_orders_and_all(name: str, orders: bool) -> None:
    diagram = of_table(TABLES[name])
    told = parsing.titles(draw(diagram, "svg", Options(orders=orders)))
    moving = {str(edge) for edge in diagram.edges if edge.dest is not None}
    assert set(told) == moving


@pytest.mark.parametrize("form", PICTURES)
def test_a_machine_begins_where_its_table_says(form: Format) -> None:
    drawn = PICTURES[form](draw(of_table(TABLE), form))
    if form != "svg":
        assert drawn.begins == ["IDLE"]
    assert {drawn.names[node] for node in drawn.final} == {"CLOSED", "FAILED"}


@pytest.mark.parametrize("form", PICTURES)
def test_what_every_open_state_does_is_drawn_once(form: Format) -> None:
    drawn = PICTURES[form](draw(of_table(TABLE), form))
    (anywhere,) = drawn.anywhere
    assert drawn.names[anywhere] == "any open state"
    assert [(dest, said) for _, dest, said in drawn.arrows if said == ["CloseRequested"]] == [
        (next(node for node, name in drawn.names.items() if name == "CLOSED"), ["CloseRequested"])
    ]


@pytest.mark.parametrize("form", PICTURES)
def test_guards_can_be_hidden(form: Format) -> None:
    diagram = of_table(TABLE)
    assert "within_budget]" in draw(diagram, form)
    hidden = PICTURES[form](draw(diagram, form, Options(guards=False)))
    assert {guard for _, _, guard, _, _ in hidden.transitions()} == {""}
    assert {said[:2] + said[3:4] for said in hidden.transitions()} == {
        said[:2] + said[3:4] for said in steps(TABLE, orders=False)
    }


def test_a_diagram_is_told_apart_from_one_with_a_row_more() -> None:
    whole = of_table(TABLE)
    fewer = Diagram(whole.states, whole.rules[1:], whole.initial, whole.final, whole.origins)
    for form, parse in PICTURES.items():
        assert Counter(parse(draw(fewer, form)).transitions()) != steps(TABLE, orders=False), form
