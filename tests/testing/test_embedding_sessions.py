"""Applications with several sessions at a time: whose a connection is, and what is said of whom."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
from google.genai import types
from tests.simulation.planted import the_first_replayed_frame_is_dropped

import relive
from relive.runtime.limiter import DialLimiter
from relive.testing.simulation import faults as f
from relive.testing.simulation.draw import draw
from relive.testing.simulation.embedding import Agent, AgentHistory, hold_agent, play_agent
from relive.testing.simulation.plan import Plan, Service, Step

TURNS = 6


async def call(client: Any, caller: int) -> list[str]:
    """Be one caller: say something every ten seconds, and return what is heard."""
    heard: list[str] = []
    async with relive.connect(client, model="m") as session:
        for turn in range(TURNS):
            await asyncio.sleep(10.0)
            said = f"caller {caller}, turn {turn}"
            await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text=said)]))
            heard.append("".join([message.text or "" async for message in session.receive()]))
    return heard


def at_once(callers: int, do: Callable[[Any, int], Awaitable[Any]] = call) -> Agent:
    """An application that serves so many at a time."""

    async def serve(client: Any) -> list[Any]:
        return await asyncio.gather(*(do(client, caller) for caller in range(callers)))

    return serve


def plan(*steps: Step) -> Plan:
    return Plan(seconds=160.0, steps=steps)


def consumed(history: AgentHistory, session: int) -> set[str]:
    """Who was heard on the connections that are held to be a session's."""
    of = [history.server.admissions[conn - 1] for conn, whose in history.dialled.items() if whose.client == session]
    return {
        str(said).partition(",")[0]
        for admission in of
        if admission.session is not None
        for said in admission.session.payloads("content")
    }


FAULTS = {
    "none": (),
    "go_away": (Step(fault=f.GoAway(5.0), at=15.0),),
    "reset": (Step(fault=f.ResetPeer(), at=20.05),),
    "expiry": (Step(fault=f.ExpireHandles(), at=25.0), Step(fault=f.ResetPeer(), at=25.0)),
    "refused_in_setup": (
        Step(fault=f.CloseInSetup("internal_error", times=3), at=14.0),
        Step(fault=f.ResetPeer(), at=15.0),
    ),
    "all": (
        Step(fault=f.GoAway(5.0), at=12.0),
        Step(fault=f.ResetPeer(), at=30.05),
        Step(fault=f.ExpireHandles(), at=45.0),
        Step(fault=f.ResetPeer(), at=45.0),
    ),
}


@pytest.mark.parametrize("steps", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("callers", [2, 3])
def test_promises_hold_for_each_of_them_and_each_has_its_own_connections(callers: int, steps: tuple[Step, ...]) -> None:
    history = hold_agent(at_once(callers), plan(*steps))
    assert [len(heard) for heard in history.returned] == [TURNS] * callers
    assert [consumed(history, session) for session in range(callers)] == [{f"caller {n}"} for n in range(callers)]
    assert sorted(history.dialled) == [admission.number for admission in history.server.admissions]


@pytest.mark.parametrize("index", range(8))
def test_promises_hold_for_each_of_them_whatever_happens(index: int) -> None:
    hold_agent(at_once(3), draw(17, index))


def test_a_fault_that_waits_for_a_state_strikes_the_session_that_is_in_it() -> None:
    for fault in (f.ResetPeer(), f.Close("internal_error")):
        history = hold_agent(at_once(2), plan(Step(fault=f.GoAway(20.0), state="ACTIVE"), Step(fault=fault, at=30.0)))
        assert "DRAINING" in history.states_of(0)
        assert "DRAINING" not in history.states_of(1)
        assert [record.client for record in history.of("fault")][:2] == [0, -1]
        struck = hold_agent(at_once(2), plan(Step(fault=fault, state="ACTIVE", delay=3.0)))
        assert [struck.states_of(n).count("ACTIVE") for n in range(2)] == [2, 1]


def test_a_connection_that_is_none_of_relive_s_is_nobody_s() -> None:
    async def plain(client: Any) -> list[str]:
        async with client.aio.live.connect(model="m"):
            return await call(client, 0)

    history = hold_agent(plain, plan(Step(fault=f.ResetPeer(), at=15.0)))
    assert [history.dialled.get(admission.number) is None for admission in history.server.admissions] == [
        True, False, False,
    ]  # fmt: skip


def test_what_one_of_them_loses_is_found_and_said_of_that_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk(client: Any, caller: int) -> None:
        async with relive.connect(client, model="m") as session:
            for number in range(60 if caller else 20):
                sound = f"{caller} {number}".encode()
                await session.send_realtime_input(audio=types.Blob(data=sound, mime_type="audio/pcm"))
                await asyncio.sleep(1.0)

    the_first_replayed_frame_is_dropped(monkeypatch)
    with pytest.raises(AssertionError, match=r"^session 1: P13 .*1 items were never consumed.* audio b'1 ") as caught:
        hold_agent(at_once(2, talk), plan(Step(fault=f.ResetPeer(), at=30.5)))
    said = str(caught.value)
    assert "session 0: P" not in said
    assert "  session 0 went CONNECTING → ACTIVE → CLOSED\n" in said
    assert "  session 1 went CONNECTING → ACTIVE → RESUMING → " in said


async def grouped(client: Any) -> None:
    async with asyncio.TaskGroup() as group:
        for caller in range(2):
            group.create_task(call(client, caller))


def test_an_application_gave_up_also_if_it_says_so_with_a_group_of_errors() -> None:
    forever = attrs.evolve(plan(Step(fault=f.RefuseDial(403, times=1000), at=1.0), Step(fault=f.ResetPeer(), at=20.0)))
    history = hold_agent(grouped, forever)
    assert isinstance(history.error, ExceptionGroup)
    assert history.gave_up

    async def broken(client: Any) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(call(client, 0))
            await asyncio.sleep(5.0)
            raise LookupError

    assert not play_agent(broken, plan()).gave_up


def test_dials_are_counted_all_sessions_together(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once_at_all(self: DialLimiter) -> None:
        self._running += 1

    many = Plan(seconds=70.0, service=Service(setup=1.0))
    hold_agent(at_once(40), many)
    monkeypatch.setattr(DialLimiter, "__aenter__", at_once_at_all)
    with pytest.raises(AssertionError, match=r"P12 .*33 dials at a time"):
        hold_agent(at_once(40), many)

    async def with_its_own(client: Any, caller: int) -> None:
        async with relive.connect(client, model="m", limiter=DialLimiter()):
            await asyncio.sleep(float(caller))

    hold_agent(at_once(40, with_its_own), many)
