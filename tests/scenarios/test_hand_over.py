"""One session, several workers: who owns it, and how one leaves it to another."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.scenarios.test_spoken_answer import FIVE_SECONDS, STORY
from tests.scenarios.world import World, simulated, world

import relive
from relive.ports import Lease
from relive.testing.server import FakeLiveServer
from relive.testing.server_script import ServerScript

SHORT = relive.Policy(lease_ttl=9.0)


def store() -> relive.MemoryStore:
    loop: Any = asyncio.get_running_loop()
    return relive.MemoryStore(wall=loop.wall)


@simulated
async def test_of_two_workers_one_owns_the_session_and_the_other_is_told_who() -> None:
    shared = store()
    async with world(store=shared, key="ada", owner="one"):
        with pytest.raises(relive.SessionTaken, match="belongs to one, for 15 s") as caught:
            async with world(store=shared, key="ada", owner="two"):
                raise AssertionError("both own it")
        assert caught.value.owner == "one"
        with pytest.raises(relive.SessionTaken):
            async with world(store=shared, key="ada", owner="one"):
                raise AssertionError("one worker owns it twice")


@simulated
async def test_a_worker_may_wait_until_the_session_is_given_up() -> None:
    shared, server = store(), FakeLiveServer()
    patient = relive.Policy(lease_wait=60.0)

    async def second() -> str:
        async with world(server=server, store=shared, key="ada", owner="two", policy=patient) as w:
            return str(w.session.verdict)

    async with world(server=server, store=shared, key="ada", owner="one") as w:
        waiting = asyncio.create_task(second())
        await w.ask("first")
        await w.turn()
        await asyncio.sleep(30.0)  # longer than a lease: it is renewed
        assert not waiting.done()
    assert await waiting == "resumed"


@simulated
async def test_a_session_is_handed_over_in_the_middle_of_a_spoken_answer() -> None:
    """Nothing that counts is lost, and the gap in what the microphone said is told on both sides."""
    shared, server = store(), FakeLiveServer(ServerScript(model=FIVE_SECONDS, consume_lag=0.05))
    async with world(server=server, store=shared, key="ada", owner="one") as w:
        w.listen()
        await w.ask(STORY)
        await asyncio.sleep(1.0)
        handing = asyncio.create_task(w.session.hand_over())
        said = asyncio.create_task(_speak_on(w))
        left = await handing
        await said
        assert w.session.state == "CLOSED"
        assert left.reliable == 0
        assert left.audio > 0
    assert f"heard 'turn 1: {STORY}'" in " ".join(w.transcript)
    assert not any("interrupted" in line for line in w.transcript)
    async with world(server=server, store=shared, key="ada", owner="two") as w:
        assert str(w.session.verdict) == f"resumed_with_gap({left.audio} frames could not be kept)"
        assert w.session.verdict is not None
        assert w.session.verdict.dropped == left.audio
        await w.ask("and then?")
        assert await w.turn() == "turn 2: and then?"


async def _speak_on(w: World) -> None:
    with pytest.raises(relive.SessionClosed):
        await w.speak(60.0)


@simulated
async def test_a_session_without_a_conversation_is_handed_over_at_once() -> None:
    async with world(store=store(), key="ada", owner="one") as w:
        assert await w.session.hand_over() == relive.HandOver(0, 0, 0)
        with pytest.raises(relive.CommandError, match="cannot hand over: the session is CLOSED"):
            await w.session.hand_over()


@simulated
async def test_a_hand_over_that_takes_too_long_tells_what_is_left_behind() -> None:
    async with world(ServerScript(model=FIVE_SECONDS), store=store(), key="ada") as w:
        w.listen()
        await w.ask("first")
        await asyncio.sleep(12.0)
        await w.ask(STORY)
        assert await w.session.hand_over(within=2.0) == relive.HandOver(1, 0, 0)


@simulated
async def test_a_connection_that_is_lost_during_a_hand_over_is_replaced_first() -> None:
    shared, server = store(), FakeLiveServer(ServerScript(model=FIVE_SECONDS))
    async with world(server=server, store=shared, key="ada", policy=relive.Policy(stable_after=0.5)) as w:
        w.listen()
        await w.ask("first")
        await asyncio.sleep(12.0)
        await w.ask(STORY)
        handing = asyncio.create_task(w.session.hand_over())
        await asyncio.sleep(1.0)
        w.reset()
        assert (await handing).reliable == 0
    assert f"heard 'turn 2: {STORY}'" in " ".join(w.transcript)


@simulated
async def test_a_session_that_fails_during_a_hand_over_says_so() -> None:
    async with world(store=store(), key="ada") as w:
        w.listen()
        await w.ask("first")
        handing = asyncio.create_task(w.session.hand_over())
        await asyncio.sleep(0.0)
        w.close(1008, "API key not valid. Please pass a valid API key.")
        with pytest.raises(relive.SessionFailed):
            await handing


@simulated
async def test_a_worker_that_lost_its_lease_writes_nothing_more_and_is_told() -> None:
    shared = store()
    async with world(store=shared, key="ada", owner="one", policy=SHORT) as w:
        await w.ask("first")
        await w.turn()
        fails = shared.renew

        async def down(*_: Any, **__: Any) -> bool:
            raise ConnectionError("the store is down")

        shared.renew = down
        await asyncio.sleep(10.0)
        assert w.session.state == "ACTIVE"  # nobody else could claim it there
        assert "store_error" in [notice.what for notice in w.notices]
        assert (await shared.claim("ada", "two", ttl=60.0)).owner == "two"
        shared.renew = fails
        await asyncio.sleep(3.0)
        assert w.session.state == "FAILED"
        with pytest.raises(relive.SessionFailed, match="session_taken") as caught:
            await w.ask("second")
        assert caught.value.failure.cause == "session_taken"
    assert w.server.ground_truth("content") == ("first",)
    (entry,) = await shared.browse("ada")
    assert entry.lease is not None
    assert entry.lease.owner == "two"


@simulated
async def test_what_an_earlier_owner_saves_is_refused_and_ends_its_session() -> None:
    shared = store()
    async with world(store=shared, key="ada", owner="one") as w:
        loop: Any = asyncio.get_running_loop()
        shared._wall = lambda: loop.wall() + 3600.0
        await shared.claim("ada", "two", ttl=60.0)
        await w.ask("first")
        await asyncio.sleep(2.0)
        assert w.session.state == "FAILED"
        assert "session_taken" in [notice.what for notice in w.notices]


@simulated
async def test_a_store_that_cannot_be_asked_who_owns_a_session_opens_none() -> None:
    shared = store()

    async def down(*_: Any, **__: Any) -> Lease:
        raise ConnectionError("the store is down")

    shared.claim = down
    with pytest.raises(ConnectionError):
        async with world(store=shared, key="ada", owner="one"):
            raise AssertionError("it opened")


@simulated
async def test_releasing_may_fail() -> None:
    shared = store()

    async def down(*_: Any, **__: Any) -> None:
        raise ConnectionError("the store is down")

    shared.release = down
    async with world(store=shared, key="ada", owner="one") as w:
        pass
    assert [notice.detail for notice in w.notices if notice.what == "store_error"] == [
        "releasing the lease failed: ConnectionError"
    ]


@simulated
async def test_ownership_needs_a_store_that_offers_leases() -> None:
    class Plain:
        """Keeps nothing, and offers no leases."""

        async def load(self, key: str) -> None: ...

    plain: Any = Plain()
    for options in ({"store": plain, "key": "ada"}, {}):
        with pytest.raises(relive.SettingError, match="must offer leases"):
            async with world(owner="one", **options):
                raise AssertionError("it opened")
