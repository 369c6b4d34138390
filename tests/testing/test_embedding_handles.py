"""Applications that begin with a handle: from a store, from another process, or from their own configuration."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from typing import Any, Literal

import attrs
import pytest
from google.genai import types
from tests.simulation.planted import the_first_replayed_frame_is_dropped
from tests.testing.test_embedding_sessions import plan

import relive
from relive.core.checkpoint import Checkpoint
from relive.core.events import CheckpointLoaded
from relive.ports import Stored
from relive.runtime import keeper
from relive.runtime.keeper import Keeper
from relive.runtime.runtime import Runtime
from relive.testing.simulation import faults as f
from relive.testing.simulation.draw import draw
from relive.testing.simulation.embedding import Agent, hold_agent
from relive.testing.simulation.plan import Service, Step

CRASHES = Step(fault=f.Crash(), at=13.3, times=3, every=19.7)
QUIET = plan()


async def chat(session: relive.Session, words: str, turns: int = 4, pause: float = 8.0) -> None:
    """Say something now and then, and hear the answers out."""
    for turn in range(turns):
        said = types.Part(text=f"{words} {turn}")
        await session.send_client_content(turns=types.Content(role="user", parts=[said]))
        async for _ in session.receive():
            pass
        await asyncio.sleep(pause)


def kept(*, owner: str | None = None, make: Callable[[], relive.MemoryStore] = relive.MemoryStore) -> Agent:
    """One conversation that goes on after a crash; its store outlives the process."""
    store, runs, policy = make(), itertools.count(), relive.Policy(lease_wait=20.0)

    async def agent(client: Any) -> None:
        async with relive.connect(client, model="m", store=store, key="k", owner=owner, policy=policy) as session:
            await chat(session, f"run {next(runs)}", 8)

    return agent


def one_after_the_other(*, alike: bool = False) -> Agent:
    """Two calls of one caller, the second of which goes on where the first has ended."""
    store = relive.MemoryStore()

    async def agent(client: Any) -> None:
        for call in range(2):
            async with relive.connect(client, model="m", store=store, key="k") as session:
                await chat(session, "call" if alike else f"call {call}", 3, 3.0)

    return agent


def with_handle(handle: str | None) -> types.LiveConnectConfig:
    return types.LiveConnectConfig(session_resumption=types.SessionResumptionConfig(handle=handle))


async def from_elsewhere(client: Any) -> None:
    """Begins with a handle that the server does not know."""
    store = relive.MemoryStore()
    config = with_handle("from-elsewhere")
    async with relive.connect(client, model="m", config=config, store=store, key="k") as session:
        await chat(session, "hello")


async def by_hand(client: Any) -> None:
    """Keeps its handles itself."""
    handle = None
    for call in range(3):
        async with relive.connect(client, model="m", config=with_handle(handle)) as session:
            await chat(session, f"call {call}", 1, 1.0)
            async with asyncio.timeout(60.0):
                async for message in session.receive():
                    update = message.session_resumption_update
                    if update is not None and update.resumable:
                        handle = update.new_handle
                        break


MADE: dict[str, Callable[[], Agent]] = {
    "kept": kept,
    "owned": lambda: kept(owner="me"),
    "one after the other": one_after_the_other,
    "with the same words": lambda: one_after_the_other(alike=True),
    "from elsewhere": lambda: from_elsewhere,
    "by hand": lambda: by_hand,
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
@pytest.mark.parametrize("backend", ["vertex", "developer"])
def test_a_correct_one_is_not_blamed(make: Callable[[], Agent], backend: Literal["vertex", "developer"]) -> None:
    service = Service(backend=backend)
    for steps in (), (CRASHES,), (Step(fault=f.ResetPeer(), at=5.1, times=5, every=9.1), CRASHES):
        hold_agent(make(), attrs.evolve(plan(*steps), service=service))


@pytest.mark.parametrize("make", [MADE["kept"], MADE["owned"], MADE["one after the other"]])
@pytest.mark.parametrize("part", range(4))
def test_nor_is_it_whatever_happens(make: Callable[[], Agent], part: int) -> None:
    for index in range(9 * part, 9 * part + 9):
        drawn = draw(23, index)
        crashes = attrs.evolve(CRASHES, fault=f.Crash(down=1.0 + index))
        hold_agent(make(), attrs.evolve(drawn, steps=(*drawn.steps, crashes)))


def test_what_is_lost_between_crashes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def talk() -> Agent:
        store, runs = relive.MemoryStore(), itertools.count()

        async def agent(client: Any) -> None:
            run = next(runs)
            async with relive.connect(client, model="m", store=store, key="k") as session:
                await chat(session, f"run {run}", 1)
                for number in range(40):
                    sound = types.Blob(data=f"{run} {number}".encode(), mime_type="audio/pcm")
                    await session.send_realtime_input(audio=sound)
                    await asyncio.sleep(1.0)

        return agent

    crashes = Step(fault=f.Crash(), at=30.0, times=2, every=30.0)
    lossy = plan(crashes, Step(fault=f.ResetPeer(), at=80.5))
    hold_agent(talk(), lossy)
    the_first_replayed_frame_is_dropped(monkeypatch)
    with pytest.raises(AssertionError, match=r"^session 2: P13 .*1 items were never consumed.* audio b'2 "):
        hold_agent(talk(), lossy)


class Stale(relive.MemoryStore):
    """Keeps what was first saved, and says that it keeps the newest."""

    def __init__(self) -> None:
        super().__init__(wall=lambda: 0.0)
        self.first: dict[str, Stored] = {}

    async def load(self, key: str) -> Stored | None:
        if key not in self.first and (found := await super().load(key)):
            self.first[key] = found
        return self.first.get(key)


def test_what_a_store_of_theirs_does_wrong_is_not_relive_s_fault() -> None:
    hold_agent(kept(make=Stale), plan(CRASHES))


def test_a_handle_that_the_store_has_and_that_is_not_used_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "compared", lambda *_: CheckpointLoaded())
    with pytest.raises(AssertionError, match=r"P1 .*opened afresh, although handle .* leads back"):
        hold_agent(kept(), plan(CRASHES))


def test_a_handle_that_is_not_saved_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, saved = Keeper.save, list[Checkpoint]()

    def save(self: Keeper, checkpoint: Checkpoint) -> None:
        saved.append(checkpoint)
        if len(saved) < 5:
            whole(self, checkpoint)

    hold_agent(one_after_the_other(), QUIET)
    monkeypatch.setattr(Keeper, "save", save)
    with pytest.raises(AssertionError, match=r"P4 .*was not saved"):
        hold_agent(one_after_the_other(), QUIET)


def test_a_store_that_is_asked_although_a_handle_was_given_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Runtime.start

    async def start(self: Runtime, handle: str | None = None) -> None:
        await whole(self)

    hold_agent(from_elsewhere, QUIET)
    monkeypatch.setattr(Runtime, "start", start)
    with pytest.raises(
        AssertionError, match=r"P2 .*(?s:.*)P2 .*the store was asked, although the caller gave a handle"
    ):
        hold_agent(from_elsewhere, QUIET)


def test_one_that_waits_for_its_lease_has_time_to_load() -> None:
    policy = relive.Policy(lease_wait=60.0)

    async def two(client: Any) -> None:
        store = relive.MemoryStore()

        async def work(owner: str) -> None:
            async with relive.connect(client, model="m", store=store, key="k", owner=owner, policy=policy) as session:
                await chat(session, owner)

        await asyncio.gather(work("one"), work("two"))

    hold_agent(two, QUIET)


def test_a_send_that_was_cancelled_may_have_been_sent() -> None:
    async def hasty(client: Any) -> None:
        async with relive.connect(client, model="m") as session:
            for number in range(3):
                said = types.Content(role="user", parts=[types.Part(text=f"{number} " * 200_000)])
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        await session.send_client_content(turns=said)
                await asyncio.sleep(5.0)

    hold_agent(hasty, plan(Step(fault=f.Hold(seconds=2.0), at=4.9, times=2, every=5.0)))
