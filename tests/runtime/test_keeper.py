"""P4: saving never blocks or breaks a session: newest wins, coalesced, time-boxed; failures are events."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
from tests.runtime.puppets import Shelf, moment, playing, simulated, staged, text, update

from relive.core import events as ev
from relive.core.checkpoint import Checkpoint, digest
from relive.core.closes import Dropped
from relive.core.lifecycle import Lifecycle
from relive.core.policy import Policy
from relive.runtime.keeper import Keeper
from relive.runtime.leaving import Leaving
from relive.runtime.tasks import Tasks

POLICY = Policy(stable_after=0.5, probe=False)


def made(shelf: Shelf, policy: Policy = POLICY, *, owner: str | None = None) -> Keeper:
    """A keeper without a session."""
    return Keeper(shelf, "ada", policy, wall=lambda: 0.0, notice=lambda *_: None, owner=owner)


def begun(shelf: Shelf) -> Keeper:
    """One at work."""
    keeper = made(shelf)
    keeper.begin(Tasks(lambda *_: None))
    return keeper


async def saving(keeper: Keeper, handle: str, hangs: set[str]) -> None:
    """Have it save a handle, in the midst of which the store hangs."""
    hangs.add("save")
    keeper.save(Checkpoint(handle))
    await moment()


async def over(keeper: Keeper) -> None:
    """The end of its session."""
    keeper.end()
    await keeper.leave(1.0)


@simulated
async def test_of_those_that_wait_only_the_newest_is_saved() -> None:
    shelf = Shelf()
    async with playing(policy=POLICY, store=shelf, key="ada") as play:
        shelf.stubborn.add("save")
        play.wire.says(*(update(str(number)) for number in range(5)))
        await moment()
        shelf.stubborn.clear()
        shelf.let_go()
        await moment()
        assert [handle for handle, _ in shelf.saved] == ["4"] or [handle for handle, _ in shelf.saved] == ["0", "4"]
        play.wire.says(update("5"))
        await moment()
        generations = [generation for _, generation in shelf.saved]
        assert generations == sorted(set(generations))


@simulated
async def test_a_save_that_hangs_is_given_up_and_the_next_one_made() -> None:
    shelf = Shelf()
    async with playing(policy=POLICY, store=shelf, key="ada") as play:
        shelf.hung.add("save")
        play.wire.says(update("one"))
        await asyncio.sleep(4)
        shelf.hung.clear()
        play.wire.says(update("two"))
        await asyncio.sleep(2)
        assert [handle for handle, _ in shelf.saved] == ["two"]
        assert play.witness.troubles == ["store_error"]
        assert play.witness.details[0] == "save failed: TimeoutError"


@simulated
async def test_a_store_whose_errors_quote_what_was_saved_is_not_quoted() -> None:
    """P5."""
    shelf = Shelf()
    async with playing(policy=POLICY, store=shelf, key="ada") as play:
        shelf.raises["save"] = ValueError("cannot store CANARY")
        play.wire.says(update("CANARY"))
        await moment()
        assert "CANARY" not in repr(play.witness.notices)


@simulated
async def test_a_handle_that_is_condemned_is_not_saved_and_leaves_a_tombstone() -> None:
    """P3."""
    shelf = Shelf()
    async with playing(policy=POLICY, store=shelf, key="ada") as play:
        play.wire.says(update("one"))
        await asyncio.sleep(1)
        shelf.raises["condemn"] = OSError("disk full")
        play.exchange.refusals.append(Dropped(1008, "BidiGenerateContent session not found", "opening"))
        play.wire.ends()
        await moment()
        assert str(play.runtime.lifecycle.verdict) == "not_restored(rejected)"
        assert play.witness.troubles == ["handle_quarantined", "store_error"]
        assert play.witness.details[-1] == "condemn failed: OSError"
    keeper = made(shelf)
    keeper.save(Checkpoint("one"))
    keeper.condemn("other")
    keeper.condemn("one")
    del shelf.raises["condemn"]
    shelf.saved.clear()
    keeper.begin(Tasks(lambda *_: None))
    await over(keeper)
    assert shelf.saved == []
    stored = await shelf.load("ada")
    assert stored.condemned == {digest("one"), digest("other")}


@simulated
async def test_a_session_that_began_earlier_does_not_overtake_a_later_one() -> None:
    """Whoever began later owns the key, whoever saves first."""
    shelf = Shelf()
    async with playing(policy=POLICY, store=shelf, key="ada") as older:
        await asyncio.sleep(5)
        shelf.answers = None
        newer = staged(policy=POLICY, store=shelf, key="ada")
        await newer.runtime.start()
        await asyncio.sleep(1)
        for play, handle in ((newer, "newer"), (older, "older"), (older, "older still"), (newer, "newest")):
            play.wire.says(update(handle))
            await moment()
        await newer.runtime.close()
        assert newer.witness.troubles == []
        assert older.witness.troubles == ["session_taken"]
    shelf.answers = ...
    stored = await shelf.load("ada")
    assert stored.checkpoint.handle == "newest"


@simulated
async def test_a_keeper_that_never_began_has_nothing_to_wait_for() -> None:
    keeper = made(Shelf())
    await over(keeper)


@simulated
async def test_what_the_store_holds_is_compared_with_what_it_is_for() -> None:
    """P2, P3."""
    shelf = Shelf()
    transport: Any = staged().exchange
    keeper = made(shelf)
    assert (await keeper.load(transport)).checkpoint is None  # type: ignore[union-attr]
    for checkpoint, mismatch in (
        (Checkpoint("h", "model", "backend"), ""),
        (Checkpoint("h", "another", "backend"), "other_model"),
        (Checkpoint("h", "model", "elsewhere"), "other_backend"),
        (Checkpoint("h", "model", "backend", bound_to="prompt 1"), ""),
        (Checkpoint("bad", "model", "backend"), "quarantined"),
    ):
        await shelf.condemn("ada", digest("bad"), ttl=100.0)
        await shelf.save("ada", checkpoint, generation=(1, 1), ttl=100.0)
        loaded: Any = await keeper.load(transport)
        assert (loaded.checkpoint, loaded.mismatch) == (checkpoint, mismatch)
        assert loaded.tombstones == {digest("bad")}


@simulated
async def test_tombstones_are_told_although_there_is_nothing_else() -> None:
    """P3."""
    shelf = Shelf()
    transport: Any = staged().exchange
    await shelf.condemn("ada", digest("bad"), ttl=100.0)
    keeper = made(shelf)
    assert await keeper.load(transport) == ev.CheckpointLoaded(tombstones=frozenset({digest("bad")}))


@simulated
async def test_who_binds_the_configuration_uses_only_what_is_bound_to_it() -> None:
    """P2."""
    shelf = Shelf()
    transport: Any = staged().exchange
    policy = attrs.evolve(POLICY, bind_to="prompt 2")
    keeper = made(shelf, policy)
    for bound_to, mismatch in (("prompt 2", ""), ("prompt 1", "other_configuration"), ("", "other_configuration")):
        checkpoint = Checkpoint("h", "model", "backend", bound_to=bound_to)
        await shelf.save("ada", checkpoint, generation=(1, 1), ttl=100.0)
        loaded: Any = await keeper.load(transport)
        assert (loaded.checkpoint, loaded.mismatch) == (checkpoint, mismatch)


@simulated
async def test_without_a_store_handles_are_kept_and_condemned_in_memory_only() -> None:
    async with playing(policy=POLICY) as play:
        await play.channel.send(text("hello"))
        play.wire.says(update("one"))
        await asyncio.sleep(1)
        play.exchange.refusals.append(Dropped(1008, "BidiGenerateContent session not found", "opening"))
        play.wire.ends()
        await moment()
        assert play.witness.troubles == ["handle_quarantined"]


@simulated
async def test_what_the_store_did_not_do_is_tried_again_later_and_ever_later() -> None:
    """P3 P4: also if the session has nothing new to save for an hour."""
    shelf = Shelf()
    keeper = begun(shelf)
    shelf.raises = {"save": OSError("disk full"), "condemn": OSError("disk full")}
    keeper.condemn("bad")
    keeper.save(Checkpoint("one"))
    await asyncio.sleep(600.0)
    assert 20 < len(shelf.called) < 40
    assert not keeper.settled
    shelf.raises.clear()
    await asyncio.sleep(60.0)
    assert keeper.settled
    stored = await shelf.load("ada")
    assert stored.checkpoint == Checkpoint("one")
    assert stored.condemned == {digest("bad")}
    await over(keeper)


@simulated
async def test_what_comes_last_is_tried_although_what_came_before_fails() -> None:
    shelf = Shelf()
    keeper = begun(shelf)
    await saving(keeper, "one", shelf.hung)
    await asyncio.sleep(1.0)
    shelf.hung.clear()
    keeper.save(Checkpoint("last"))
    keeper.end()
    await keeper.leave(10.0)
    assert [handle for handle, _ in shelf.saved] == ["last"]
    assert keeper.settled


@simulated
async def test_a_store_that_says_it_was_cancelled_has_failed_and_is_tried_again() -> None:
    shelf = Shelf()
    shelf.raises["load"] = asyncio.CancelledError()
    async with playing(policy=POLICY, store=shelf, key="ada") as play:
        shelf.raises = {"save": asyncio.CancelledError()}
        play.wire.says(update("one"))
        await moment()
        shelf.raises.clear()
        await asyncio.sleep(2.0)
        assert play.witness.details[:2] == ["load failed: CancelledError", "save failed: CancelledError"]
        assert [handle for handle, _ in shelf.saved] == ["one"]


@simulated
async def test_what_hangs_at_the_end_is_not_said_to_be_saved() -> None:
    shelf = Shelf()
    keeper = begun(shelf)
    shelf.hung.add("save")
    keeper.save(Checkpoint("one"))
    await over(keeper)
    await moment()
    assert not keeper.settled
    assert keeper.errors == 1


@simulated
async def test_another_worker_may_have_the_session_only_once_its_connection_is_gone() -> None:
    """P9, across workers."""
    shelf = Shelf()
    async with playing(policy=POLICY, store=shelf, key="ada", owner="one") as play:
        play.wire.hung.add("close")
        closing = asyncio.create_task(play.runtime.close())
        await moment()
        assert play.wire.aborted == 0
        assert (await shelf.claim("ada", "two", ttl=1.0)).owner.startswith("one/")
        await closing
        assert play.wire.aborted > 0
        assert (await shelf.claim("ada", "two", ttl=1.0)).owner == "two"


@simulated
async def test_a_tombstone_that_cannot_be_put_up_does_not_hold_up_the_newest_handle() -> None:
    shelf = Shelf()
    keeper = begun(shelf)
    shelf.raises["condemn"] = OSError("disk full")
    keeper.condemn("bad")
    keeper.save(Checkpoint("one"))
    await over(keeper)
    assert [handle for handle, _ in shelf.saved] == ["one"]
    assert not keeper.settled


@simulated
async def test_a_session_that_somebody_had_and_left_as_it_was_is_ours_again() -> None:
    shelf = Shelf()
    async with playing(policy=POLICY, store=shelf, key="ada", owner="one") as play:
        loop: Any = asyncio.get_running_loop()
        wall = shelf._wall
        shelf._wall = lambda: loop.wall() + 3600.0
        await shelf.release("ada", await shelf.claim("ada", "two", ttl=60.0))
        shelf._wall = wall
        play.wire.says(update("newer"))
        await moment()
        assert play.runtime.lifecycle.state == "ACTIVE"
        stored = await shelf.load("ada")
        assert stored.checkpoint.handle == "newer"


@simulated
async def test_that_a_session_is_lost_is_told_once() -> None:
    shelf = Shelf()
    async with playing(policy=POLICY, store=shelf, key="ada", owner="one") as play:
        shelf.stubborn.add("save")
        play.wire.says(update("newer"))
        await moment()
        loop: Any = asyncio.get_running_loop()
        shelf._wall = lambda: loop.wall() + 3600.0
        await shelf.claim("ada", "two", ttl=60.0)
        await asyncio.sleep(POLICY.lease_ttl / 3 + 0.1)
        assert play.witness.states[-1] == "FAILED"
        shelf.stubborn.clear()
        shelf.let_go()
        await asyncio.sleep(1.0)
        assert play.witness.states.count("FAILED") == 1


@simulated
async def test_a_store_that_hangs_does_not_keep_a_session_from_closing() -> None:
    """P21: also in the middle of a renewal."""
    shelf = Shelf()

    async def hang(*_: Any, **__: Any) -> Any:
        await asyncio.get_running_loop().create_future()

    for call in ("renew", "release"):
        async with playing(policy=POLICY, store=shelf, key="ada" + call, owner="one") as play:
            setattr(shelf, call, hang)
            await asyncio.sleep(POLICY.lease_ttl / 3)
            await play.runtime.close()
            assert play.witness.states[-1] == "CLOSED"


@simulated
async def test_the_end_of_a_session_that_is_handed_over_is_its_first_one() -> None:
    lifecycle = Lifecycle()
    leaving = Leaving(lifecycle, lambda _: None)
    leaving.end()
    lifecycle.journal.accept("late", "reliable", 0.0)
    leaving.end()
    assert leaving.left.total() == 0


@simulated
async def test_a_handle_that_is_condemned_while_it_is_saved_is_not_saved_later() -> None:
    """P4: the store did not save it in time, and by the next time it is known to be dead."""
    shelf = Shelf()
    keeper = begun(shelf)
    await saving(keeper, "dead", shelf.hung)
    keeper.condemn("dead")
    await asyncio.sleep(POLICY.save_timeout)
    shelf.hung.clear()
    await asyncio.sleep(100.0)
    assert keeper.settled
    assert shelf.saved == []
    assert (await shelf.load("ada")).condemned == {digest("dead")}
    await over(keeper)


@simulated
async def test_a_handle_that_is_condemned_during_the_last_save_has_its_tombstone_put_up() -> None:
    """P3: so that no other process presents it."""
    shelf = Shelf()
    keeper = begun(shelf)
    await saving(keeper, "dead", shelf.stubborn)
    keeper.condemn("dead")
    keeper.end()
    shelf.stubborn.clear()
    shelf.let_go()
    await keeper.leave(1.0)
    assert (await shelf.load("ada")).condemned == {digest("dead")}


@simulated
async def test_a_store_that_has_forgotten_everything_is_not_given_a_condemned_handle_again() -> None:
    """P4: as it is given the one that was saved last, if nobody else has gone on with the session."""
    shelf = Shelf()
    policy = attrs.evolve(POLICY, lease_ttl=9.0)
    keeper = made(shelf, policy, owner="one")
    await keeper.claim()
    keeper.begin(Tasks(lambda *_: None))
    for condemned in (False, True):
        keeper.save(Checkpoint("one"))
        await moment()
        if condemned:
            keeper.condemn("one")
            await moment()
        await shelf.delete("ada")
        await asyncio.sleep(4.0)
        stored = await shelf.load("ada")
        assert (stored is None or stored.checkpoint is None) == condemned
    await over(keeper)
