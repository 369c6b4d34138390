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

    A hierarchical machine is drawn as the flat one that behaves as it does. It is in one of its innermost states, or in
    one whose children are entered by name only; whatever its parents would do, it does after its own.

    Raises:
        TableError: this is no such machine, one without states, or one that is in several states at a time.
    """
    try:
        seen = (_Nested if hasattr(machine, "get_nested_state_names") else _Flat)(machine)
        states = seen.states
        rules = tuple(_rules(seen))
        final = tuple(name for name in states if getattr(machine.get_state(name), "final", False))
        initial = seen.rest(machine.initial) if machine.initial in seen.names else None
    except TableError:
        raise
    except Exception as exc:  # whatever that thing is, it is somebody else's
        kind = type(machine).__name__
        raise TableError((f"a thing of type {kind} is not a transitions.Machine ({exc})",)) from exc
    if not states:
        raise TableError(("the machine has no states",))
    return Diagram(states, rules, initial, final)


class _Flat:
    """A machine as it is."""

    def __init__(self, machine: Any) -> None:
        self.machine = machine
        self.names: tuple[str, ...] = tuple(str(name) for name in machine.states)
        "All that has a name."
        self.states = self.names
        "What it can be in."

    def rest(self, name: str) -> str:
        """Where it is when it has gone there."""
        return name

    def answers(self) -> Iterator[tuple[str, str, _Outcome]]:
        """Event, state and what comes of it, in the order in which it is tried."""
        for event in self.machine.events.values():
            for source, transitions in event.transitions.items():
                for one in transitions:
                    dest = None if one.dest is None else str(one.dest)
                    yield str(event.name), str(source), _outcome(dest, one)


class _Nested(_Flat):
    """A hierarchical machine, seen as a flat one."""

    def __init__(self, machine: Any) -> None:
        self.machine = machine
        self.names = tuple(str(name) for name in machine.get_nested_state_names())
        self.states = tuple(name for name in self.names if self.rest(name) == name)

    def rest(self, name: str) -> str:
        """Where it is when it has gone there: who enters a state enters its initial child."""
        initial = self.machine.get_state(name).initial
        if not initial:
            return name
        if isinstance(initial, (list, tuple)):
            raise TableError((f"{name} is several states at a time, and a diagram can be in one only",))
        child = getattr(initial, "name", initial)
        return self.rest(f"{name}{self.machine.state_cls.separator}{child}")

    def answers(self) -> Iterator[tuple[str, str, _Outcome]]:
        """The same. Innermost first: what is declared within a state, and what is declared for it."""
        for state in self.states:
            settled = set[str]()
            for event, within, transitions in self._asked(state.split(self.machine.state_cls.separator)):
                if event not in settled:
                    for one in transitions:
                        yield event, state, _outcome(self._led(within, one.dest), one)
                if any(not one.conditions for one in transitions):
                    settled.add(event)  # what comes after that is never asked

    def _asked(self, path: list[str]) -> Iterator[tuple[str, list[str], list[Any]]]:
        """Event by event what is asked in a state, and within which parent that was declared."""
        separator: str = self.machine.state_cls.separator
        for depth in range(len(path), -1, -1):
            scope = self.machine.get_state(path[:depth]) if depth else self.machine
            for event in scope.events.values():
                for end in range(len(path), depth, -1):
                    yield str(event.name), path[:depth], event.transitions.get(separator.join(path[depth:end]), [])

    def _led(self, within: list[str], dest: Any) -> str | None:
        return None if dest is None else self.rest(self.machine.state_cls.separator.join((*within, str(dest))))


def _rules(seen: _Flat) -> Iterator[Rule]:
    """The transitions of a machine. States that answer an event in the same ways share their rules."""
    automatic = {f"to_{name}" for name in seen.names} if seen.machine.auto_transitions else set[str]()
    events: dict[str, dict[str, list[_Outcome]]] = {str(event): {} for event in seen.machine.events}
    for event, state, outcome in seen.answers():
        events.setdefault(event, {}).setdefault(state, []).append(outcome)
    for event, answers in events.items():
        alike: dict[tuple[_Outcome, ...], list[str]] = {}
        for state, outcomes in answers.items():
            alike.setdefault(tuple(outcomes), []).append(state)
        if event not in automatic:
            for outcomes, names in alike.items():
                yield from (Rule(tuple(names), (event,), *outcome) for outcome in outcomes)


def _outcome(dest: str | None, transition: Any) -> _Outcome:
    guard = " and ".join(f"{'' if one.target else 'not '}{_name(one.func)}" for one in transition.conditions)
    actions = tuple(_name(call) for call in (*transition.prepare, *transition.before, *transition.after))
    return dest, guard, actions


def _name(callback: object) -> str:
    """What a callback is called; it may be a name, a function, or anything that can be called."""
    return callback if isinstance(callback, str) else str(getattr(callback, "__name__", type(callback).__name__))
