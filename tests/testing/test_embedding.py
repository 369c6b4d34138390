"""Plans against an application: what is brought, what is checked, and what is said."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import unittest
from typing import Any, cast

import attrs
import pytest
from google.genai import types
from hypothesis.errors import UnsatisfiedAssumption
from tests.simulation.planted import the_first_replayed_frame_is_dropped

import relive
import relive.session
from relive.runtime.inbox import Inbox
from relive.testing.simulation import embedding, faults as f
from relive.testing.simulation.checks_facts import Facts
from relive.testing.simulation.draw import draw
from relive.testing.simulation.embedding import Agent, AgentHistory, hold_agent, play_agent
from relive.testing.simulation.embedding_again import same_again
from relive.testing.simulation.embedding_checks import kept
from relive.testing.simulation.plan import Plan, Step


async def chat(client: Any) -> list[str]:
    """Say something every ten seconds, and return what is heard."""
    async with relive.connect(client, model="m") as session:
        return [await ask(session, number) for number in range(10)]


async def ask(session: relive.Session, number: int) -> str:
    await asyncio.sleep(10.0)
    await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text=f"hello {number}")]))
    return "".join([message.text or "" async for message in session.receive()])


HEARD = [f"turn {number + 1}: hello {number}" for number in range(10)]


def plan(*steps: Step) -> Plan:
    return Plan(seconds=160.0, steps=steps)


def test_an_application_comes_through() -> None:
    history = hold_agent(chat, plan(Step(fault=f.ResetPeer(), at=30.0), Step(fault=f.GoAway(5.0), at=60.0)), twice=True)
    assert history.returned == HEARD
    assert history.states == ["CONNECTING", "ACTIVE", "RESUMING", "ACTIVE", "DRAINING", "RESUMING", "ACTIVE", "CLOSED"]
    assert history.faults == {"ResetPeer": 1, "GoAway": 1}


def test_a_step_can_wait_for_a_state_of_its_session() -> None:
    history = hold_agent(chat, plan(Step(fault=f.GoAway(20.0), at=31.0), Step(fault=f.Close(), state="DRAINING")))
    assert history.returned == HEARD
    assert history.faults == {"GoAway": 1, "Close": 1}


def test_a_crash_starts_it_anew() -> None:
    history = hold_agent(chat, plan(Step(fault=f.Crash(down=3.0), at=30.0)))
    assert (history.runs, history.returned) == (2, HEARD)
    assert len(history.server.sessions) == 2


def test_faults_of_what_it_has_not_are_left_out_and_named() -> None:
    def claim(_: AgentHistory) -> None:
        raise AssertionError("as you like")

    with pytest.raises(AssertionError, match="as you like") as caught:
        hold_agent(chat, plan(Step(fault=f.Burst(5), at=30.0)), claim)
    assert "left out: Burst" in str(caught.value)
    assert "hold_agent(chat, Plan.from_json(" in str(caught.value)


@pytest.mark.parametrize("index", range(12))
def test_promises_hold_for_an_application_whatever_happens(index: int) -> None:
    drawn = draw(11, index)
    history = hold_agent(chat, drawn)
    assert history.gave_up or history.returned == HEARD


def test_a_frame_that_relive_forgets_is_found_in_the_application_s_own_history(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk(client: Any) -> None:
        async with relive.connect(client, model="m") as session:
            for number in range(60):
                await session.send_realtime_input(audio=types.Blob(data=str(number).encode(), mime_type="audio/pcm"))
                await asyncio.sleep(1.0)

    hold_agent(talk, plan(Step(fault=f.ResetPeer(), at=30.5)))
    the_first_replayed_frame_is_dropped(monkeypatch)
    with pytest.raises(AssertionError, match=r"P13 .*never consumed"):
        hold_agent(talk, plan(Step(fault=f.ResetPeer(), at=30.5)))


def test_a_question_is_not_lost_because_sound_was_dropped() -> None:
    history = play_agent(chat, plan())
    (watched,) = history.watch.sessions
    del history.server.sessions[-1]._branches[-1].items[3]
    watched.life.stats = attrs.evolve(watched.life.stats, dropped_audio=1, dropped_video=1)
    (violation,) = kept(Facts(history), watched, slow_up=False)
    assert "never consumed, the first is content 'hello 3'" in violation.what


def test_one_that_hangs_is_stopped_and_told_where() -> None:
    async def wait(client: Any) -> None:
        async with relive.connect(client, model="m") as session:
            async for _ in session.receive():
                pass

    with pytest.raises(AssertionError, match=r"has not come to its end by 560 s: .*async for _ in session\.receive"):
        hold_agent(wait, plan())


async def spin(client: Any) -> None:
    """Looks again and again, in no time at all, whether an answer is there."""
    async with relive.connect(client, model="m") as session:
        asking = asyncio.ensure_future(ask(session, 1))
        while not asking.done() or session.state:  # noqa: ASYNC110
            await asyncio.sleep(0.0)


async def never_ends(client: Any) -> None:
    """Comes to no end, and does not mind being cancelled."""
    async with relive.connect(client, model="m") as session:
        await ask(session, 1)
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(1.0)


@pytest.mark.parametrize("agent", [spin, never_ends])
def test_one_that_hangs_by_itself_is_not_relive_s_fault(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "_STEPS", 0.1)
    with pytest.raises(
        AssertionError, match=rf"the application has not come to its end by .*(?s:.*){agent.__name__} is at "
    ) as caught:
        hold_agent(agent, Plan(seconds=70.0))
    assert "P22" not in str(caught.value)
    assert play_agent(agent, Plan(seconds=70.0)).violations == ()


def test_one_that_waits_for_a_session_that_has_ended_is_let_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Inbox, "end", lambda *_: None)

    async def listen(client: Any) -> None:
        async with relive.connect(client, model="m") as session:
            async for _ in session.receive():
                pass

    refused = plan(Step(fault=f.RefuseDial(403, times=1000), at=1.0), Step(fault=f.ResetPeer(), at=20.0))
    with pytest.raises(AssertionError, match=r"has not come to its end (?s:.*)\nP22 .*still waits \(receive\)"):
        hold_agent(listen, refused)


def test_an_end_that_is_told_wrongly_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def listen(client: Any) -> None:
        async with relive.connect(client, model="m") as session:
            with contextlib.suppress(relive.ReliveError):
                await ask(session, 1)
                await ask(session, 2)

    refused = plan(Step(fault=f.RefuseDial(403, times=1000), at=1.0), Step(fault=f.ResetPeer(), at=10.05))
    hold_agent(listen, refused)
    closed = vars(relive.session)["_ReceiveClosed"]
    monkeypatch.setattr(relive.session, "_receive_error", lambda _: closed())
    with pytest.raises(AssertionError, match=r"^P22 .*receive raised SessionClosed, and it was SessionFailed"):
        hold_agent(listen, refused)


def test_one_that_raises_is_told() -> None:
    async def broken(client: Any) -> None:
        raise LookupError("no such table")

    with pytest.raises(AssertionError, match="the application raised LookupError"):
        hold_agent(broken, plan())


def test_one_that_is_no_async_function_is_refused() -> None:
    def plain(client: Any) -> int:
        return 5

    with pytest.raises(TypeError, match=r"an application is an async function: .*plain is none, it returned 5"):
        hold_agent(cast("Any", plain), plan())
    history = hold_agent(lambda client: asyncio.wait_for(chat(client), 1000.0), plan())
    assert history.returned == HEARD


def test_one_that_opens_no_session_is_held_to_nothing_and_told_so() -> None:
    async def plain(client: Any) -> None:
        async with client.aio.live.connect(model="m"):
            pass

    with pytest.raises(AssertionError, match=r"opened no session with relive\.connect") as caught:
        hold_agent(plain, plan())
    assert "  it opened no session\n" in str(caught.value)
    assert play_agent(plain, plan()).states == []


def test_a_claim_that_raises_something_else_comes_with_the_plan() -> None:
    def slip(history: AgentHistory) -> None:
        assert history.returned["heard"] == HEARD

    with pytest.raises(AssertionError, match=r"the claim .*slip raised TypeError: list indices") as caught:
        hold_agent(chat, plan(Step(fault=f.ResetPeer(), at=30.0)), slip)
    assert isinstance(caught.value.__cause__, TypeError)
    assert "hold_agent(chat, Plan.from_json(" in str(caught.value)


@pytest.mark.parametrize("verdict", [unittest.SkipTest, UnsatisfiedAssumption])
def test_a_claim_may_say_that_there_is_nothing_to_judge(verdict: type[Exception]) -> None:
    def assume(history: AgentHistory) -> None:
        if not history.gave_up:
            raise verdict

    with pytest.raises(verdict):
        hold_agent(chat, plan(), assume)


def test_an_async_claim_is_refused() -> None:
    async def later(history: AgentHistory) -> None:
        raise AssertionError("never asked")

    for claim in (later, functools.partial(later), lambda history: asyncio.sleep(0.0, history)):
        with pytest.raises(TypeError, match="a claim is no async function"):
            hold_agent(chat, plan(), claim)


def test_a_claim_that_does_not_hold_is_shown_also_if_relive_gave_up() -> None:
    def claim(history: AgentHistory) -> None:
        assert not history.gave_up, "it gave up"

    refused = plan(Step(fault=f.RefuseDial(403, times=1000), at=1.0), Step(fault=f.ResetPeer(), at=20.0))
    with pytest.raises(AssertionError, match="it gave up") as caught:
        hold_agent(chat, refused, claim)
    assert isinstance(caught.value.__cause__, AssertionError)


def test_one_that_is_not_the_same_twice_is_told_where_it_differs() -> None:
    calls = itertools.count()

    async def moody(client: Any) -> None:
        async with relive.connect(client, model="m") as session:
            await asyncio.sleep(float(next(calls)))
            await ask(session, 1)

    with pytest.raises(AssertionError, match=r"first here:\n(.*\n)+.*wall clock") as caught:
        hold_agent(moody, plan(), twice=True)
    assert '"sent"' in str(caught.value) or '"step"' in str(caught.value)
    history = play_agent(chat, plan())
    same_again(history, play_agent(chat, plan()))
