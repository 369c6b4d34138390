"""The state machine: our session holds, and a planted bug is found."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from relive.core.journal import Journal, Replay
from relive.testing.stateful import LiveSessionMachine, RelayAgent
from relive.testing.strategies import patient

SOME = settings(patient, max_examples=15, stateful_step_count=10, database=None, derandomize=True)


def test_our_session_holds() -> None:
    run_state_machine_as_test(LiveSessionMachine, settings=SOME)


class Swallows(RelayAgent):
    """An application of its own that thinks that nobody listens while a connection is being replaced."""

    async def speak(self, sound: bytes) -> None:
        if self.session.state == "ACTIVE":
            await super().speak(sound)


class SwallowsMachine(LiveSessionMachine):
    @asynccontextmanager
    async def make_agent(self, client: Any) -> AsyncGenerator[Any]:
        async with super().make_agent(client) as agent:
            yield Swallows(cast("RelayAgent", agent).session)


def test_an_application_that_swallows_speech_is_found_out() -> None:
    with pytest.raises(AssertionError, match="not all that was spoken was consumed"):
        run_state_machine_as_test(SwallowsMachine, settings=settings(SOME, max_examples=50, phases=[Phase.generate]))


def test_a_journal_that_forgets_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first frame that should be sent again is dropped."""
    whole = Journal.rewind

    def rewind(self: Journal, replay: Replay) -> None:
        whole(self, replay)
        if replay.again:
            self.waiting_bytes -= len(self.waiting.pop(0).frame)

    monkeypatch.setattr(Journal, "rewind", rewind)
    with pytest.raises(AssertionError, match=r"not all that was|the server consumed"):
        run_state_machine_as_test(LiveSessionMachine, settings=settings(SOME, max_examples=50, phases=[Phase.generate]))
