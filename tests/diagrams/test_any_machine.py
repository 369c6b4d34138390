"""Any machine, with any names, becomes a picture: never broken output, and nothing of a name is markup."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import attrs
import pytest
from hypothesis import given, settings
from tests.diagrams import parsing
from tests.diagrams.machines import HOSTILE, PLAIN, diagrams
from tests.diagrams.parsing import Drawn

from relive.diagrams import Diagram, Format, Options, Rule, draw

PICTURES: dict[Format, Callable[[str], Drawn]] = {"mermaid": parsing.mermaid, "dot": parsing.dot, "svg": parsing.svg}
FEW = settings(max_examples=40)


def distinct(diagram: Diagram) -> Diagram:
    """The same without edges that say the same, or that differ only where a picture need not: in the order."""
    seen = set[object]()
    rules = list[Rule]()
    for rule in diagram.rules:
        for edge in rule.edges:
            if edge not in seen:
                seen.add(edge)
                rules.append(Rule((edge.source,), (edge.event,), edge.dest, edge.guard, edge.actions))
    return attrs.evolve(diagram, rules=tuple(rules))


@FEW
@given(diagrams(PLAIN))
@pytest.mark.parametrize("form", PICTURES)
def test_every_state_and_every_transition_is_there_and_none_else(form: Format, diagram: Diagram) -> None:
    diagram = distinct(diagram)
    drawn = PICTURES[form](draw(diagram, form, Options(orders=True)))
    assert Counter(drawn.states) == Counter(diagram.states)
    assert Counter(drawn.transitions()) == Counter(
        (edge.source, edge.event, edge.guard, edge.dest, edge.actions)
        for edge in diagram.edges
        if edge.dest is not None
    )


@FEW
@given(diagrams())
@pytest.mark.parametrize("form", PICTURES)
@pytest.mark.parametrize("orders", [False, True])
def test_no_name_breaks_a_picture(form: Format, orders: bool, diagram: Diagram) -> None:
    drawn = PICTURES[form](draw(diagram, form, Options(orders=orders)))  # the parser accepts nothing that is not ours
    assert len(drawn.states) == len(diagram.states)


@FEW
@given(diagrams())
def test_no_name_breaks_the_matrix(diagram: Diagram) -> None:
    rows = draw(diagram, "matrix", Options(orders=True)).split("\n")
    assert len(rows) == 2 + len(diagram.events) + 1
    assert not [row for row in rows if "<" in row.replace("<br>", "")]


@FEW
@given(diagrams())
@pytest.mark.parametrize("form", PICTURES)
def test_no_name_breaks_the_view_of_a_state(form: Format, diagram: Diagram) -> None:
    for state in diagram.states:
        drawn = PICTURES[form](draw(diagram.view(state), form, Options(orders=True)))
        assert len(drawn.states) == len(diagram.view(state).states)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("form", [*PICTURES, "matrix"])
def test_what_hides_or_reorders_is_written_out(form: Format, name: str) -> None:
    text = draw(Diagram((name, "B"), (Rule((name,), (name or "e",), "B", name, (name,)),), name), form)
    text.encode("utf-8")
    shown = text.replace("\u2068", "").replace("\u2069", "")  # a name from right to left stands isolated
    assert {c for c in shown if not c.isprintable()} <= {"\n", "\xa0"}
    assert "<script" not in text


def test_states_that_cannot_be_reached_are_drawn_and_dashed() -> None:
    diagram = Diagram(("A", "B", "LOST"), (Rule(("A",), ("go",), "B"),), "A")
    assert diagram.unreachable == ("LOST",)
    assert "class LOST dashed" in draw(diagram, "mermaid")
    assert draw(diagram, "dot").count("dashed") == 1
    assert draw(diagram, "svg").count("stroke-dasharray") == 1


@pytest.mark.parametrize("form", PICTURES)
def test_a_machine_without_transitions_is_its_states(form: Format) -> None:
    drawn = PICTURES[form](draw(Diagram(("A", "B"), (), None), form))
    assert (drawn.states, drawn.arrows) == (["A", "B"], [])


@pytest.mark.parametrize("form", PICTURES)
def test_a_transition_to_the_state_itself_is_drawn(form: Format) -> None:
    drawn = PICTURES[form](draw(Diagram(("A",), (Rule(("A",), ("again",), "A"),), "A"), form))
    assert drawn.transitions() == [("A", "again", "", "A", ())]
