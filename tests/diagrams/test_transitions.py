"""Any machine of the library `transitions` can be drawn."""

from __future__ import annotations

from enum import Enum
from functools import partial
from typing import Any

import pytest
from transitions import Machine, MachineError, State
from transitions.extensions import HierarchicalMachine

from relive.diagrams import Edge, of_machine
from relive.errors import TableError


def machine(states: Any, *, initial: Any, transitions: Any = (), auto: bool = False) -> Machine:
    made = Machine(model=None, states=states, initial=initial, auto_transitions=auto)
    for one in transitions:
        made.add_transition(*one[:3], **one[3])
    return made


def test_names_guards_and_callbacks_are_read() -> None:
    def ready() -> bool:
        return True

    diagram = of_machine(
        machine(
            ["A", "B", State("END", final=True)],
            initial="A",
            transitions=[
                ("go", "A", "B", {"conditions": [ready, "willing"], "unless": "late", "before": "log"}),
                ("go", "A", "END", {"after": partial(print, "done")}),
                ("look", "B", None, {}),
                ("again", "B", "=", {}),
            ],
        )
    )
    assert (diagram.states, diagram.initial, diagram.final) == (("A", "B", "END"), "A", ("END",))
    assert list(diagram.edges) == [
        Edge("A", "go", "B", "ready and willing and not late", ("log",)),
        Edge("A", "go", "END", "", ("partial",)),
        Edge("B", "look", None),
        Edge("B", "again", "B"),
    ]
    assert diagram.origin("go") == "application"


def test_from_everywhere_is_every_state() -> None:
    diagram = of_machine(machine(["A", "B", "C"], initial="A", transitions=[("reset", "*", "A", {})]))
    (rule,) = diagram.rules
    assert (rule.sources, rule.dest) == (("A", "B", "C"), "A")


def test_guards_keep_the_order_in_which_each_state_asks_them() -> None:
    transitions = [
        ("go", "A", "C", {"conditions": "one"}),
        ("go", "B", "C", {"conditions": "two"}),
        ("go", ["A", "B"], "C", {"conditions": "three"}),
        ("go", "B", "C", {"conditions": "one"}),
    ]
    diagram = of_machine(machine(["A", "B", "C"], initial="A", transitions=transitions))
    assert [edge.guard for edge in diagram.edges if edge.source == "A"] == ["one", "three"]
    assert [edge.guard for edge in diagram.edges if edge.source == "B"] == ["two", "three", "one"]


def test_automatic_triggers_are_left_out() -> None:
    diagram = of_machine(machine(["A", "B"], initial="A", transitions=[("to_go", "A", "B", {})], auto=True))
    assert diagram.events == ("to_go",)


def test_states_may_be_an_enum() -> None:
    class Light(Enum):
        RED = 1
        GREEN = 2

    diagram = of_machine(machine(Light, initial=Light.RED, transitions=[("go", Light.RED, Light.GREEN, {})]))
    assert (diagram.states, diagram.initial) == (("RED", "GREEN"), "RED")
    assert list(diagram.edges) == [Edge("RED", "go", "GREEN")]


NESTED: Any = [
    "a",
    {
        "name": "b",
        "initial": "c",
        "children": ["c", "d", {"name": "e", "initial": "f", "children": ["f", "g"]}],
        "transitions": [["within", "c", "e"], ["within", "d", "d"], ["go", "d", "c"]],
    },
    {"name": "open", "children": ["wide"]},
]


def nested(states: Any = NESTED) -> HierarchicalMachine:
    made = HierarchicalMachine(states=states, initial="a", auto_transitions=True)
    for trigger, source, dest in (
        ("go", "a", "b"),
        ("go", "b", "open"),
        ("back", "b", "a"),
        ("back", "b_e_g", "b_d"),
        ("again", "b", "="),
        ("look", "b_e", None),
        ("on", "b_e_f", "b_e_g"),
        ("on", "open", "open_wide"),
    ):
        made.add_transition(trigger, source, dest)
    return made


def test_a_hierarchical_machine_is_drawn_as_the_flat_one_that_does_the_same() -> None:
    made = nested()
    diagram = of_machine(made)
    assert diagram.states == ("a", "b_c", "b_d", "b_e_f", "b_e_g", "open", "open_wide")
    assert (diagram.initial, diagram.unreachable) == ("a", ())
    shown: dict[tuple[str, str], str] = {}
    for edge in diagram.edges:
        shown.setdefault((edge.source, edge.event), edge.step[2])
    for state in diagram.states:
        for event in diagram.events:
            made.set_state(state)
            try:
                made.trigger_event(made, event)
            except MachineError:
                assert (state, event) not in shown
            else:
                assert shown[state, event] == made.state
    assert len(shown) == 20


def test_of_what_parents_and_children_answer_the_child_is_asked_first() -> None:
    made = nested()
    made.add_transition("on", "b_e_g", "a", conditions="ready")
    made.add_transition("on", "b_e", "a")
    made.add_transition("on", "b", "b_d")  # never asked: the one before always agrees
    assert [edge.dest for edge in of_machine(made).edges if (edge.source, edge.event) == ("b_e_g", "on")] == ["a", "a"]
    guards = [edge.guard for edge in of_machine(made).edges if (edge.source, edge.event) == ("b_e_g", "on")]
    assert guards == ["ready", ""]


def test_a_hierarchical_machine_may_begin_in_a_parent() -> None:
    assert of_machine(HierarchicalMachine(model=None, states=NESTED, initial="b")).initial == "b_c"


def test_a_machine_that_is_in_several_states_at_a_time_is_refused() -> None:
    made = HierarchicalMachine(model=None, states=["a", {"name": "b", "parallel": ["x", "y"]}], initial="a")
    with pytest.raises(TableError, match="b is several states at a time"):
        of_machine(made)


def test_nobody_need_say_where_it_begins() -> None:
    assert of_machine(machine(["A"], initial=None)).initial is None


@pytest.mark.parametrize("thing", [None, 3, pytest, Machine])
def test_what_is_no_machine_is_refused(thing: object) -> None:
    with pytest.raises(TableError, match=r"is not a transitions\.Machine"):
        of_machine(thing)


class Liar:
    """Says that it has everything, and raises."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("not today")


def test_so_is_what_breaks_when_it_is_looked_at() -> None:
    with pytest.raises(TableError, match=r"of type Liar is not a transitions\.Machine \(not today\)"):
        of_machine(Liar())


def test_a_machine_without_states_is_refused() -> None:
    with pytest.raises(TableError, match="no states"):
        of_machine(Machine(model=None, states=None, initial=None))
