"""Any machine of the library `transitions` can be drawn."""

from __future__ import annotations

from enum import Enum
from functools import partial
from typing import Any

import pytest
from transitions import Machine, State
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


def test_states_may_be_nested() -> None:
    states = ["A", {"name": "B", "children": ["x", "y"], "initial": "x"}]
    made = HierarchicalMachine(model=None, states=states, initial="A", auto_transitions=True)
    made.add_transition("dive", "A", "B")
    made.add_transition("on", "B_x", "B_y")
    diagram = of_machine(made)
    assert diagram.states == ("A", "B", "B_x", "B_y")
    assert list(diagram.edges) == [Edge("A", "dive", "B"), Edge("B_x", "on", "B_y")]


def test_nobody_need_say_where_it_begins() -> None:
    assert of_machine(machine(["A"], initial=None)).initial is None


@pytest.mark.parametrize("thing", [None, 3, pytest, Machine])
def test_what_is_no_machine_is_refused(thing: object) -> None:
    with pytest.raises(TableError, match=r"is not a transitions\.Machine"):
        of_machine(thing)


def test_a_machine_without_states_is_refused() -> None:
    with pytest.raises(TableError, match="no states"):
        of_machine(Machine(model=None, states=None, initial=None))
