"""The engine: runs a table on `transitions`. The only module that knows that library.

One synchronous machine per table is shared by all sessions, and drives situations that are not registered with it: a
situation costs what its fields cost, and an event a few microseconds.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Protocol

import transitions

from relive.core.scene import Scene
from relive.core.schema import Step, Table
from relive.errors import CommandError


class Runs(Protocol):
    """What runs a table: `Engine` here, or its twin in `relive.core.compiled`."""

    @property
    def table(self) -> Table[Any, Any, Any]:
        """The table that it runs."""
        ...

    def answers(self, state: str, trigger: str) -> bool:
        """Whether the table has a row for this fact in this state."""
        ...

    def step(self, scene: Scene, trigger: str, event: object) -> None:
        """Take one step: find the row, set the state, run its actions."""
        ...


class Engine:
    """A table, ready to run on `transitions`."""

    def __init__(self, table: Table[Any, Any, Any]) -> None:
        self.table = table
        self._answered = {(step.source, step.trigger) for step in table.steps()}
        self._machine = transitions.Machine(
            model=None,
            states=list(table.states),
            initial=table.initial,
            auto_transitions=False,
            queued=False,
            transitions=[self._transition(step) for step in table.steps()],
        )

    def __repr__(self) -> str:
        return f"<Engine: {len(self.table.states)} states, {len(self.table)} rows>"

    def _transition(self, step: Step) -> dict[str, Any]:
        actions = [self.table.actions[name] for name in step.do]

        def perform(scene: Scene, event: object) -> None:
            for action in actions:
                action(scene, event)

        return {
            "trigger": step.trigger,
            "source": step.source,
            "dest": None if step.internal else step.dest,
            "conditions": [self.table.guards[step.when]] if step.when else [],
            "after": [perform] if actions else [],
        }

    def answers(self, state: str, trigger: str) -> bool:
        """Whether the table has a row for this fact in this state."""
        return (state, trigger) in self._answered

    def step(self, scene: Scene, trigger: str, event: object) -> None:
        """Take one step: find the row, set the state, run its actions.

        Raises:
            CommandError: the table has no row for this fact in this state.
        """
        state = scene.situation.state
        # `transitions` would raise a MachineError. Asked before, so that no exception of an action is taken for that.
        if (state, trigger) not in self._answered:
            raise CommandError(trigger, state)
        self._machine.events[trigger].trigger(scene.situation, scene, event)


@lru_cache(maxsize=32)
def engine_for(table: Table[Any, Any, Any]) -> Engine:
    """The engine of this table, made once."""
    return Engine(table)
