"""Diagrams of what runs: of a table, ours or an embedder's, and of any machine of the library `transitions`.

That library is not imported: a machine is known by what it has. Only `relive.core.machine` imports it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from relive.core.schema import Table
from relive.diagrams.model import Diagram, Origin, Rule
from relive.errors import TableError

_Outcome: TypeAlias = tuple[str | None, str, tuple[str, ...]]
_DEADLINE: Final = "DeadlineReached("
_TOLD: Final[dict[Origin, str]] = {
    "server": """
        CheckpointReceived CheckpointWithheld GoAwayReceived OutputStarted OutputHeard AnswerGenerated TurnEnded
        Interrupted ToolCalled ToolCallsCancelled ConnectionOpened""",
    "network": "OpenFailed ConnectionDropped ConnectionClosed Heard JournalFlushed",
    "application": "ConnectRequested CloseRequested InputAccepted SeedAnswered SeedRefused",
    "inside": "CheckpointLoaded CheckpointNotLoaded DialStarted SafePointReached",
}
ORIGIN_OF: Final[Mapping[str, Origin]] = {name: origin for origin, names in _TOLD.items() for name in names.split()}
"Where each kind of fact comes from. An embedder's own are told by the application; deadlines by the clock."


def of_table(table: Table[Any, Any, Any]) -> Diagram:
    """The diagram of a table. A deadline is called what the table calls it: ``at(drain)``."""
    rules = tuple(
        Rule(
            row.sources,
            tuple(called(trigger) for trigger in row.triggers),
            None if row.dest == "=" else str(row.dest),
            str(row.when),
            tuple(str(name) for name in row.do),
        )
        for row in table
    )
    origins: dict[str, Origin] = {called(name): _origin(name) for row in table for name in row.triggers}
    return Diagram(table.states, rules, table.initial, table.final, origins)


def _origin(trigger: str) -> Origin:
    if trigger.startswith(_DEADLINE):
        return "clock"
    return ORIGIN_OF.get(trigger, "application")


def called(trigger: str) -> str:
    """What an event is called in a diagram."""
    return f"at({trigger[len(_DEADLINE) :]}" if trigger.startswith(_DEADLINE) else trigger


def of_machine(machine: Any) -> Diagram:
    """The diagram of a `transitions.Machine`, flat or hierarchical. Its automatic ``to_STATE`` triggers are left out.

    Raises:
        TableError: this is no such machine, or one without states.
    """
    try:
        nested = getattr(machine, "get_nested_state_names", None)
        states = tuple(str(name) for name in (nested() if nested is not None else machine.states))
        initial = machine.initial
        rules = tuple(_rules(machine, states))
        final = tuple(name for name in states if getattr(machine.get_state(name), "final", False))
    except (AttributeError, TypeError, ValueError) as exc:
        raise TableError((f"a {type(machine).__name__} is not a transitions.Machine ({exc})",)) from exc
    if not states:
        raise TableError(("the machine has no states",))
    return Diagram(states, rules, initial if initial in states else None, final)


def _rules(machine: Any, states: tuple[str, ...]) -> Iterator[Rule]:
    """The transitions of a machine. States that answer an event in the same ways share their rules."""
    automatic = {f"to_{name}" for name in states} if machine.auto_transitions else set[str]()
    for event in machine.events.values():
        sources: dict[tuple[_Outcome, ...], list[str]] = {}
        for source, transitions in event.transitions.items():
            sources.setdefault(tuple(_outcome(one) for one in transitions), []).append(str(source))
        if event.name not in automatic:
            for outcomes, names in sources.items():
                yield from (Rule(tuple(names), (str(event.name),), *outcome) for outcome in outcomes)


def _outcome(transition: Any) -> _Outcome:
    guard = " and ".join(f"{'' if one.target else 'not '}{_name(one.func)}" for one in transition.conditions)
    actions = tuple(_name(call) for call in (*transition.prepare, *transition.before, *transition.after))
    return None if transition.dest is None else str(transition.dest), guard, actions


def _name(callback: object) -> str:
    """What a callback is called; it may be a name, a function, or anything that can be called."""
    return callback if isinstance(callback, str) else str(getattr(callback, "__name__", type(callback).__name__))
