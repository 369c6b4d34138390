"""P21: close() works in every state, twice, under cancellation, within two seconds whatever hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.runtime.puppets import (
    AUDIO,
    DONE,
    Exchange,
    Play,
    Shelf,
    go_away,
    left_behind,
    moment,
    now,
    playing,
    receive_all,
    said,
    simulated,
    staged,
    text,
    update,
)

from relive.core.closes import Dropped
from relive.core.policy import Policy
from relive.errors import SessionClosed, SessionFailed

PATIENT = Policy(stable_after=0.5, close_grace=60.0, probe=False)
FATAL = Dropped(1007, "API key not valid.", "opening")
PORTS = frozenset({"open", "recv", "send", "close", "ping", "prepare", "aclose", "load", "save", "condemn"})


async def idle(play: Play, shelf: Shelf) -> None:
    shelf.hung.add("load")
    await begin(play)


async def connecting(play: Play, shelf: Shelf) -> None:
    play.exchange.hung.add("open")
    await begin(play)


async def active(play: Play, shelf: Shelf) -> None:
    await begin(play)
    play.wire.writable = False
    play.wire.hung.add("send")
    await play.channel.send(text("never written"))
    await play.channel.send(text("nor this"))
    await moment()


async def draining(play: Play, shelf: Shelf) -> None:
    await begin(play)
    await play.channel.send(text("question"))
    play.wire.says(update("one"), go_away(60))
    await moment()


async def resuming(play: Play, shelf: Shelf) -> None:
    """The old connection does not answer our close frame."""
    await begin(play)
    play.wire.hung.add("close")
    play.wire.says(update("one"), go_away(0))
    await moment()
    await asyncio.sleep(0.1)


async def waiting(play: Play, shelf: Shelf) -> None:
    await begin(play)
    play.wire.says(update("one"))
    await asyncio.sleep(1)
    play.exchange.refusals.append(Dropped(None, "refused", "opening", 503))
    play.wire.ends()
    await moment()


async def handle_expired(play: Play, shelf: Shelf) -> None:
    """The application's hook never returns."""
    await begin(play)
    await play.channel.send(text("a conversation without a handle"))
    await asyncio.sleep(1)
    play.wire.ends()
    await moment()


async def failed(play: Play, shelf: Shelf) -> None:
    play.exchange.refusals.append(FATAL)
    await begin(play)
    assert play.state == "FAILED"


async def closed(play: Play, shelf: Shelf) -> None:
    await begin(play)
    await play.runtime.close()


STATES: dict[str, Callable[[Play, Shelf], Any]] = {
    "IDLE": idle, "CONNECTING": connecting, "ACTIVE": active, "DRAINING": draining, "RESUMING": resuming,
    "WAITING": waiting, "HANDLE_EXPIRED": handle_expired, "FAILED": failed, "CLOSED": closed,
}  # fmt: skip

started: list[asyncio.Task[None]] = []


async def begin(play: Play) -> None:
    started[:] = [asyncio.create_task(play.runtime.start())]
    await moment()


async def never(*_: object) -> None:
    await asyncio.get_running_loop().create_future()


async def in_state(state: str) -> tuple[Play, Shelf]:
    shelf = Shelf()
    play = staged(store=shelf, key="ada", seed=never, policy=PATIENT)
    await STATES[state](play, shelf)
    assert play.state == state
    return play, shelf


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("how", ["once", "twice", "at once twice", "cancelled"])
@simulated
async def test_close_ends_a_session_with_every_port_hung(state: str, how: str) -> None:
    play, shelf = await in_state(state)
    for port in (play.exchange, shelf, *play.exchange.wires):
        port.hung |= PORTS
    receiver = asyncio.create_task(receive_all(play))
    await moment()
    began = now()
    if how == "cancelled":
        closing = asyncio.create_task(play.runtime.close())
        await moment(2)
        closing.cancel()
        await asyncio.wait([closing])
    if how == "at once twice":
        await asyncio.gather(play.runtime.close(), play.runtime.close())
    else:
        await play.runtime.close()
    if how == "twice":
        await play.runtime.close()
    assert now() - began <= 2.0
    assert play.state == ("FAILED" if state == "FAILED" else "CLOSED")
    await asyncio.wait([receiver, *started])
    assert isinstance(receiver.exception(), (SessionClosed, SessionFailed))
    with pytest.raises((SessionClosed, SessionFailed)):
        await play.channel.send(AUDIO)
    assert left_behind() == []
    await asyncio.sleep(1000)
    assert left_behind() == []
    assert len(play.exchange.openings) <= 2


@pytest.mark.parametrize("state", STATES)
@simulated
async def test_close_returns_although_nothing_lets_itself_be_cancelled(state: str) -> None:
    """What refuses is named in the log; nobody can end it, and close() does not wait for it."""
    play, shelf = await in_state(state)
    for port in (play.exchange, shelf, *play.exchange.wires):
        port.stubborn |= PORTS
    began = now()
    await play.runtime.close()
    assert now() - began <= 2.0
    for port in (play.exchange, shelf, *play.exchange.wires):
        port.let_go()
    await moment()
    assert left_behind() == []
    await asyncio.wait(started)


@pytest.mark.parametrize("port", ["close", "abort", "aclose", "save"])
@simulated
async def test_close_ends_a_session_whose_ports_raise(port: str) -> None:
    shelf = Shelf()
    play = staged(store=shelf, key="ada", policy=PATIENT)
    await play.runtime.start()
    play.wire.says(update("one"))
    for puppet in (play.exchange, shelf, play.wire):
        puppet.raises[port] = ValueError(port)
    await play.runtime.close()
    assert play.state == "CLOSED"
    assert left_behind() == []


@simulated
async def test_what_waits_goes_out_before_the_farewell_and_for_a_second_at_most() -> None:
    """P13."""
    async with playing(policy=PATIENT) as play:
        wire = play.wire
        wire.writable = False
        for word in "abc":
            await play.channel.send(text(word))
        await play.runtime.close()
        assert wire.taken == [text(word) for word in "abc"]
        assert wire.called[-1] == "close"
    async with playing(policy=PATIENT) as play:
        play.wire.writable = False
        play.wire.hung.add("send")
        await play.channel.send(text("a"))
        await play.channel.send(text("b"))
        began = now()
        await play.runtime.close()
        assert now() - began == 1.0
        assert "close" not in play.wire.called


@simulated
async def test_the_last_handle_is_saved_and_the_last_step_told() -> None:
    shelf = Shelf()
    async with playing(store=shelf, key="ada") as play:
        play.wire.says(update("one"))
        await moment()
    assert [handle for handle, _ in shelf.saved] == ["one", "one"]
    assert play.witness.states[-1] == "CLOSED"


@simulated
async def test_a_last_save_that_takes_too_long_is_reported() -> None:
    """P4."""
    shelf = Shelf()
    async with playing(store=shelf, key="ada") as play:
        play.wire.says(update("one"))
        await moment()
        shelf.hung.add("save")
    assert play.witness.troubles == ["store_error"]
    assert play.runtime.stats().store_errors == 1


@simulated
async def test_frames_that_come_before_the_farewell_is_answered_are_delivered() -> None:
    """P9."""
    async with playing() as play:
        play.wire.says(said("late"))
        await play.runtime.close()
        assert await play.channel.recv() == said("late")
        with pytest.raises(SessionClosed):
            await play.channel.recv()


@simulated
async def test_closing_before_the_beginning_is_closing() -> None:
    play = staged(store=Shelf(), key="ada")
    await play.runtime.close()
    assert play.state == "CLOSED"
    assert left_behind() == []


@simulated
async def test_a_close_that_is_itself_cancelled_cuts_everything() -> None:
    """As it is by a loop that ends."""
    play = staged()
    await play.runtime.start()
    play.wire.hung.add("close")
    closing = asyncio.create_task(play.runtime.close())
    await moment()
    for task in asyncio.all_tasks():
        if task.get_name() == "relive close":
            task.cancel()
    await asyncio.wait([closing])
    await moment()
    assert play.wire.aborted
    assert left_behind() == []


@simulated
async def test_a_start_that_is_cancelled_leaves_nothing() -> None:
    for hung in ("open", "load"):
        shelf = Shelf()
        play = staged(store=shelf, key="ada")
        play.exchange.hung.add(hung)
        shelf.hung.add(hung)
        beginning = asyncio.create_task(play.runtime.start())
        await moment()
        beginning.cancel()
        await asyncio.wait([beginning])
        assert beginning.cancelled()
        assert play.state == "CLOSED"
        assert left_behind() == []


@simulated
async def test_a_session_begins_once() -> None:
    async with playing() as play:
        with pytest.raises(RuntimeError, match="cannot open it again: the session is ACTIVE"):
            await play.runtime.start()
    play = staged(store=Shelf(), key="ada", exchange=Exchange())
    first = asyncio.create_task(play.runtime.start())
    await moment(1)
    with pytest.raises(RuntimeError, match="IDLE"):
        await play.runtime.start()
    await first
    await play.runtime.close()


@simulated
async def test_whoever_closes_from_inside_a_hook_does_not_wait_for_himself() -> None:
    async def hook(reason: str, transcript: object) -> None:
        await play.runtime.close()

    play = staged(seed=hook)
    await play.runtime.start()
    await play.channel.send(text("hello"))
    await asyncio.sleep(1)
    play.wire.says(said("cut"), DONE)
    play.wire.ends()
    await asyncio.sleep(3)
    assert play.state == "CLOSED"
    assert left_behind() == []
