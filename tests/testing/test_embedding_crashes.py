"""What is left of an application's process when it has died: nothing that goes on, in its tasks or in its store."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Any

import pytest
from google.genai import types
from tests.testing.test_embedding_sessions import plan

import relive
from relive.core.checkpoint import Checkpoint
from relive.ports import Lease
from relive.testing.simulation import faults as f
from relive.testing.simulation.embedding import hold_agent, play_agent
from relive.testing.simulation.plan import Step

CRASH_AT = 5.41
CRASH = plan(Step(fault=f.Crash(down=1.0), at=CRASH_AT))


def now() -> float:
    return asyncio.get_running_loop().time()


async def ask(session: relive.Session, text: str) -> None:
    await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text=text)]))
    async for _ in session.receive():
        pass


def test_no_task_of_a_dead_process_goes_on() -> None:
    runs, beats = itertools.count(), list[tuple[float, int]]()

    async def agent(client: Any) -> None:
        run = next(runs)

        async def beat() -> None:
            while True:
                beats.append((now(), run))
                await asyncio.sleep(1.0)

        heart = asyncio.create_task(beat())
        async with relive.connect(client, model="m") as session:
            for number in range(4):
                await ask(session, f"run {run}, question {number}")
                await asyncio.sleep(5.0)
        heart.cancel()

    hold_agent(agent, CRASH)
    assert {run for at, run in beats if at < CRASH_AT} == {0}
    assert {run for at, run in beats if at > CRASH_AT} == {1}


def test_a_tool_that_is_at_work_at_a_crash_answers_to_nobody() -> None:
    """Nor is the application blamed for what it could not send."""
    done = list[float]()

    async def agent(client: Any) -> None:
        async with relive.connect(client, model="m") as session:

            async def answer(call: types.FunctionCall) -> None:
                await asyncio.sleep(4.0)
                done.append(now())
                response = types.FunctionResponse(id=call.id, name=call.name, response={"done": True})
                await session.send_tool_response(function_responses=response)

            answers = set[asyncio.Task[None]]()
            for number in range(3):
                said = types.Part(text=f"tool:book\nquestion {number}")
                await session.send_client_content(turns=types.Content(role="user", parts=[said]))
                async for message in session.receive():
                    if message.tool_call is not None:
                        answers.update(map(asyncio.create_task, map(answer, message.tool_call.function_calls or ())))
                await asyncio.sleep(5.0)

    hold_agent(agent, plan(Step(fault=f.Crash(down=1.0), at=2.0)))
    assert len(done) == 3
    assert min(done) > 3.0 + 4.0


class Diary(relive.MemoryStore):
    """Takes its time, and writes down what it is asked to do."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[tuple[float, str]] = []

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        self.log.append((now(), "asked to save"))
        await asyncio.sleep(0.2)
        self.log.append((now(), "saves"))
        return await super().save(key, checkpoint, generation=generation, ttl=ttl)

    async def release(self, key: str, lease: Lease) -> None:
        self.log.append((now(), "releases"))
        await super().release(key, lease)


def worker(store: Diary, **policy: Any) -> Any:
    runs = itertools.count()

    async def agent(client: Any) -> None:
        owner = f"worker-{next(runs)}"
        settings = relive.Policy(**policy)
        async with relive.connect(client, model="m", store=store, key="k", owner=owner, policy=settings) as session:
            for number in range(3):
                await ask(session, f"{owner}, question {number}")
                await asyncio.sleep(5.0)

    return agent


def test_the_dead_save_nothing_and_let_go_of_nothing() -> None:
    store = Diary()
    hold_agent(worker(store, lease_wait=20.0), CRASH)
    last = [what for at, what in store.log if at <= CRASH_AT]
    assert last[-1] == "asked to save"
    assert [what for at, what in store.log if CRASH_AT < at < CRASH_AT + 12.0] == []
    assert store.log[-1][1] == "releases"


def test_whoever_comes_after_a_crash_has_to_wait_for_the_lease() -> None:
    with pytest.raises(AssertionError, match="the application raised SessionTaken"):
        hold_agent(worker(Diary()), CRASH)


def test_a_task_that_cannot_be_cancelled_is_cut_off() -> None:
    runs, undead = itertools.count(), list[str]()

    async def agent(client: Any) -> None:
        run = next(runs)
        async with relive.connect(client, model="m") as session:
            for number in range(20):
                with contextlib.suppress(asyncio.CancelledError, relive.ReliveError):
                    await ask(session, f"run {run}, question {number}")
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(5.0)
                if not run and number > 10:
                    undead.append(f"question {number}")
                    with contextlib.suppress(asyncio.CancelledError):
                        async with relive.connect(client, model="m"):
                            undead.append("connected")

    history = hold_agent(agent, CRASH)
    heard = [str(said) for session in history.server.sessions for said in session.payloads("content")]
    assert {said.partition(",")[0] for said in heard if not said.endswith(" 0")} <= {"run 0", "run 1"}
    assert sum(said.startswith("run 0") for said in heard) == 2
    assert "connected" not in undead


def test_what_the_dead_raise_is_not_the_application_s() -> None:
    async def agent(client: Any) -> None:
        async def clean_up() -> None:
            try:
                await asyncio.sleep(1000.0)
            finally:
                raise LookupError

        cleaning = asyncio.create_task(clean_up())
        async with relive.connect(client, model="m") as session:
            await ask(session, "hello")
            await asyncio.sleep(10.0)
        with contextlib.suppress(LookupError):
            cleaning.cancel()
            await cleaning

    assert hold_agent(agent, CRASH).runs == 2


def test_a_session_that_is_left_to_a_task_is_cut_when_the_application_returns() -> None:
    async def agent(client: Any) -> asyncio.Task[None]:
        async def call() -> None:
            async with relive.connect(client, model="m") as session:
                while True:
                    await ask(session, "hello")
                    await asyncio.sleep(5.0)

        calling = asyncio.create_task(call())
        await asyncio.sleep(7.0)
        return calling

    history = hold_agent(agent, plan())
    assert history.ended == pytest.approx(7.0)
    assert history.returned.cancelled()


def test_a_task_that_outlives_the_application_is_told() -> None:
    async def agent(client: Any) -> asyncio.Task[None]:
        async def stubborn() -> None:
            while True:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(1.0)

        staying = asyncio.create_task(stubborn())
        async with relive.connect(client, model="m") as session:
            await ask(session, "hello")
        return staying

    history = play_agent(agent, plan())
    assert "stubborn is at " in history.late
    with pytest.raises(AssertionError, match=r"has not come to its end .*stubborn is at .*asyncio\.sleep\(1\.0\)"):
        hold_agent(agent, plan())


def test_a_session_that_is_taken_while_no_connection_is_up_says_so_and_is_closed() -> None:
    """It has nothing to be blamed for, and neither has relive: somebody else goes on with the conversation."""
    store = relive.MemoryStore()
    taken: list[tuple[str, str]] = []

    async def agent(client: Any) -> None:
        async with relive.connect(client, model="m", store=store, key="k", owner="first") as session:
            await ask(session, "who is there?")
            await asyncio.sleep(10.0)  # there is no way to the server any more
            await store.delete("k")
            await store.claim("k", "second", ttl=60.0)
            await store.save("k", Checkpoint("theirs"), generation=(2, 1), ttl=60.0)
            try:
                await ask(session, "still there?")
            except relive.SessionFailed as error:
                taken.append((error.failure.cause, session.state))

    hold_agent(agent, plan(Step(fault=f.RefuseDial(times=40), at=6.0), Step(fault=f.ResetPeer(), at=6.0)))
    assert taken == [("session_taken", "CLOSED")]
