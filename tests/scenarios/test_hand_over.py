"""One session, several workers: who owns it, and how one leaves it to another."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.scenarios.test_spoken_answer import FIVE_SECONDS, STORY
from tests.scenarios.world import World, simulated, world

import relive
from relive.core.checkpoint import Checkpoint
from relive.ports import Lease
from relive.testing.server import FakeLiveServer
from relive.testing.server_script import ServerScript

SHORT = relive.Policy(lease_ttl=9.0)


@simulated
async def test_of_two_workers_one_owns_the_session_and_the_other_is_told_who() -> None:
    shared = relive.MemoryStore()
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
    shared, server = relive.MemoryStore(), FakeLiveServer()
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
    shared, server = relive.MemoryStore(), FakeLiveServer(ServerScript(model=FIVE_SECONDS, consume_lag=0.05))
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
    async with world(store=relive.MemoryStore(), key="ada", owner="one") as w:
        assert await w.session.hand_over() == relive.HandOver(0, 0, 0, saved=True)
        with pytest.raises(relive.CommandError, match="cannot hand over: the session is CLOSED"):
            await w.session.hand_over()


@simulated
async def test_a_hand_over_that_takes_too_long_tells_what_is_left_behind() -> None:
    async with world(ServerScript(model=FIVE_SECONDS), store=relive.MemoryStore(), key="ada") as w:
        w.listen()
        await w.ask("first")
        await asyncio.sleep(12.0)
        await w.ask(STORY)
        assert await w.session.hand_over(within=2.0) == relive.HandOver(1, 0, 0, saved=True)


@simulated
async def test_a_connection_that_is_lost_during_a_hand_over_is_replaced_first() -> None:
    shared, server = relive.MemoryStore(), FakeLiveServer(ServerScript(model=FIVE_SECONDS))
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
    async with world(store=relive.MemoryStore(), key="ada") as w:
        w.listen()
        await w.ask("first")
        handing = asyncio.create_task(w.session.hand_over())
        await asyncio.sleep(0.0)
        w.close(1008, "API key not valid. Please pass a valid API key.")
        with pytest.raises(relive.SessionFailed):
            await handing


@simulated
async def test_a_worker_that_lost_its_lease_writes_nothing_more_and_is_told() -> None:
    shared = relive.MemoryStore()
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
    shared = relive.MemoryStore()
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
    shared = relive.MemoryStore()

    async def down(*_: Any, **__: Any) -> Lease:
        raise ConnectionError("the store is down")

    shared.claim = down
    with pytest.raises(ConnectionError):
        async with world(store=shared, key="ada", owner="one"):
            raise AssertionError("it opened")


@simulated
async def test_releasing_may_fail() -> None:
    shared = relive.MemoryStore()

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

        save = condemn = delete = aclose = load

    plain: Any = Plain()
    for options in ({"store": plain, "key": "ada"}, {}):
        with pytest.raises(relive.SettingError, match="must offer leases"):
            async with world(owner="one", **options):
                raise AssertionError("it opened")


@simulated
async def test_a_store_that_has_forgotten_a_lease_gives_it_again_and_gets_the_handle_again() -> None:
    """It was restarted without its data, say: nobody else has gone on with the session."""
    shared = relive.MemoryStore()
    async with world(store=shared, key="ada", owner="one", policy=SHORT) as w:
        await w.ask("first")
        await w.turn()
        await asyncio.sleep(1.0)
        await shared.delete("ada")
        await asyncio.sleep(4.0)
        (entry,) = await shared.browse("ada")
        assert entry.lease is not None
        assert entry.lease.owner.startswith("one/")
        assert entry.stored.checkpoint is not None
        await shared.delete("ada")
        await w.ask("second")  # and so does a save that finds nothing there
        assert await w.turn() == "turn 2: second"
        await asyncio.sleep(4.0)
        assert w.session.state == "ACTIVE"
    async with world(server=w.server, store=shared, key="ada", owner="two") as w:
        assert str(w.session.verdict) == "resumed"


@simulated
async def test_a_session_that_somebody_went_on_with_meanwhile_is_not_claimed_again() -> None:
    shared = relive.MemoryStore()
    async with world(store=shared, key="ada", owner="one", policy=SHORT) as w:
        await w.ask("first")
        await w.turn()
        await asyncio.sleep(1.0)
        await shared.delete("ada")
        lease = await shared.claim("ada", "two", ttl=1.0)
        await shared.save("ada", Checkpoint("theirs"), generation=(lease.epoch, 1), ttl=60.0)
        await shared.release("ada", lease)
        await asyncio.sleep(4.0)
        assert w.session.state == "FAILED"
    (entry,) = await shared.browse("ada")
    assert entry.stored.checkpoint == Checkpoint("theirs")
    assert entry.lease is None


@simulated
async def test_a_renewal_that_hangs_costs_no_lease() -> None:
    shared = relive.MemoryStore()
    async with world(store=shared, key="ada", owner="one", policy=SHORT) as w:
        renew, asked = shared.renew, 0

        async def once(*given: Any, **more: Any) -> bool:
            nonlocal asked
            asked += 1
            if asked == 1:
                await asyncio.get_running_loop().create_future()
            return await renew(*given, **more)

        shared.renew = once
        for _ in range(30):
            await asyncio.sleep(1.0)
            assert (await shared.claim("ada", "two", ttl=1.0)).owner.startswith("one/")
        assert [notice.detail for notice in w.notices if notice.what == "store_error"] == [
            "renewing the lease failed: TimeoutError"
        ]


def slow_to_save(shared: relive.MemoryStore, seconds: float) -> None:
    save = shared.save

    async def slow(*given: Any, **more: Any) -> bool:
        await asyncio.sleep(seconds)
        return await save(*given, **more)

    shared.save = slow


@simulated
async def test_a_hand_over_waits_for_a_slow_store() -> None:
    shared = relive.MemoryStore()
    async with world(store=shared, key="ada", owner="one") as w:
        await w.ask("first")
        await w.turn()
        await asyncio.sleep(1.0)
        slow_to_save(shared, 1.0)
        await w.ask("second")
        w.listen()
        assert await w.session.hand_over() == relive.HandOver(0, 0, 0, saved=True)
    async with world(server=w.server, store=shared, key="ada", owner="two") as w:
        assert str(w.session.verdict) == "resumed"
        await w.ask("third")
        assert await w.turn() == "turn 3: third"


@simulated
async def test_a_hand_over_to_a_store_that_hangs_says_so() -> None:
    shared = relive.MemoryStore()
    async with world(store=shared, key="ada") as w:
        await w.ask("first")
        await w.turn()
        slow_to_save(shared, 1e6)
        await asyncio.sleep(1.0)
        assert not (await w.session.hand_over()).saved


@simulated
async def test_what_was_asked_while_no_connection_was_up_is_left_behind_and_told() -> None:
    shared = relive.MemoryStore()
    async with world(store=shared, key="ada") as w:
        await w.ask("first")
        await w.turn()
        await asyncio.sleep(1.0)
        w.server.refuse_next(503, times=5)
        w.reset()
        await asyncio.sleep(0.1)
        await w.ask("second")
        await w.ask("third")
        assert (await w.session.hand_over(within=1.0)) == relive.HandOver(2, 0, 0, saved=True)
    async with world(server=w.server, store=shared, key="ada") as w:
        assert str(w.session.verdict) == "resumed_with_gap(2 frames could not be kept)"


@simulated
async def test_a_hand_over_that_is_cancelled_leaves_the_session_as_it_is() -> None:
    async with world(ServerScript(model=FIVE_SECONDS), store=relive.MemoryStore(), key="ada") as w:
        w.listen()
        await w.ask(STORY)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(w.session.hand_over(), 1.0)
        await asyncio.sleep(60.0)
        assert w.session.state == "ACTIVE"
        await w.ask(STORY)
        first, second = (asyncio.create_task(w.session.hand_over()) for _ in range(2))
        await asyncio.sleep(1.0)
        first.cancel()
        assert (await second).saved
        assert first.cancelled()


@simulated
async def test_without_a_store_there_is_nothing_to_hand_over_by() -> None:
    async with world() as w:
        with pytest.raises(relive.SettingError, match="store"):
            await w.session.hand_over()
        assert w.session.state == "ACTIVE"
