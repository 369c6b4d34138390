"""The state machine: our session holds, and a planted bug is found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import rule, run_state_machine_as_test
from tests.simulation.planted import the_first_replayed_frame_is_dropped

import relive
from relive.testing.stateful import LiveSessionMachine, RelayAgent
from relive.testing.strategies import patient

SOME = settings(patient, max_examples=15, stateful_step_count=10, database=None, derandomize=True)
MANY = settings(SOME, max_examples=300, phases=[Phase.generate])
"Which of its examples meets a bug is chance, and another with each change of the machine: seventy were needed once."


def test_our_session_holds() -> None:
    run_state_machine_as_test(LiveSessionMachine, settings=SOME)


def test_audio_that_is_too_old_to_be_sent_again_is_missing_and_told() -> None:
    machine = LiveSessionMachine()
    machine.begin()
    machine.speak(1)
    machine.wait(30.0)
    machine.say()
    machine.reset()
    machine.teardown()
    assert machine.dropped == 1


def test_a_session_that_is_cut_again_and_again_does_not_give_up() -> None:
    machine = LiveSessionMachine()
    machine.begin()
    for _ in range(2 * machine.policy.retry_attempts):
        machine.reset()
        machine.wait(1.0)
    machine.say()
    machine.teardown()
    assert machine.steps[-1] == ("ACTIVE", "CLOSED")


def test_a_rule_may_act_on_the_host() -> None:
    machine = LiveSessionMachine()
    machine.begin()
    for deed in (
        lambda: machine.host.freeze(machine.host.newest),
        lambda: machine.host.freeze(machine.host.newest, server_notices_after=1.0),
        lambda: machine.host.go_away(5.0),
        lambda: machine.host.kill(machine.host.newest),
    ):
        machine.say()
        machine.wait(5.0)  # a handle comes
        deed()
        machine.speak(2)
        machine.wait(60.0)
    machine.teardown()
    assert len(machine.server.sessions) == 1
    assert len(machine.server.admissions) >= 5
    assert machine.host.now == machine.now


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
        run_state_machine_as_test(SwallowsMachine, settings=MANY)


class Shouts(RelayAgent):
    async def say(self, text: str) -> None:
        await super().say(text.upper())


class ShoutsMachine(LiveSessionMachine):
    @asynccontextmanager
    async def make_agent(self, client: Any) -> AsyncGenerator[Any]:
        async with super().make_agent(client) as agent:
            yield Shouts(cast("RelayAgent", agent).session)


def test_an_application_that_changes_what_is_said_is_found_out() -> None:
    with pytest.raises(AssertionError, match="the server consumed 'TURN NUMBER 1', which was changed, or never said"):
        run_state_machine_as_test(ShoutsMachine, settings=MANY)


class RepeatsMachine(LiveSessionMachine):
    @rule()
    def greet(self) -> None:
        """Say the same again, and mean it."""
        self.said.append("hello")
        self.run(self.agent.say("hello"))


def test_the_same_may_be_said_more_than_once() -> None:
    run_state_machine_as_test(RepeatsMachine, settings=SOME)


class SilentMachine(LiveSessionMachine):
    @asynccontextmanager
    async def make_agent(self, client: Any) -> AsyncGenerator[Any]:
        async with relive.connect(client, model="m") as session:
            agent = RelayAgent(session)
            listening = asyncio.ensure_future(agent.listen())
            yield agent
        await listening


def test_an_application_that_does_not_report_its_steps_is_told_how() -> None:
    with pytest.raises(AssertionError, match=r"make_agent must give observers=\[self\] to relive\.connect"):
        run_state_machine_as_test(SilentMachine, settings=settings(SOME, max_examples=1, phases=[Phase.generate]))


def test_a_journal_that_forgets_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first frame that should be sent again is dropped."""
    the_first_replayed_frame_is_dropped(monkeypatch)
    with pytest.raises(AssertionError, match=r"not all that was|the server consumed"):
        run_state_machine_as_test(LiveSessionMachine, settings=MANY)
