"""The memory host: a link is what a websocket is to a client, without the socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import TypeVar

import pytest

from relive.testing import host_memory, server_client as say
from relive.testing.hosts import HostRefused, LinkClosed, MemoryHost, MemoryLink
from relive.testing.server import FakeLiveServer
from relive.testing.server_model import EchoModel
from relive.testing.server_script import CLOSES, ServerScript

pytestmark = pytest.mark.asyncio
T = TypeVar("T")
FAST = ServerScript(model=EchoModel(interval=0.0))


async def memory_link(script: ServerScript = FAST) -> MemoryLink:
    link = await MemoryHost(FakeLiveServer(script)).dial()
    await link.send(say.setup())
    assert b"setupComplete" in await link.recv()
    return link


async def is_stuck(coroutine: Coroutine[object, object, T]) -> bool:
    """Let everything run that can; say whether this waits for something that does not come."""
    task = asyncio.ensure_future(coroutine)
    for _ in range(20):
        await asyncio.sleep(0)
    stuck = not task.done()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, LinkClosed):
        await task
    return stuck


async def gone(host: MemoryHost) -> None:
    """Wait until the server knows of no connection."""
    while host.server.live:  # noqa: ASYNC110 - the server has no event to wait for: it is sans-IO
        await asyncio.sleep(0)


async def test_a_conversation_in_memory() -> None:
    link = await memory_link()
    await link.send(say.content("hello").encode())
    frames = [await link.recv() for _ in range(6)]
    assert b"turnComplete" in frames[4]
    assert b"sessionResumptionUpdate" in frames[5]
    await link.close()
    assert link.host.server.live == ()


async def test_answers_come_on_the_loops_clock() -> None:
    link = await memory_link(ServerScript(model=EchoModel(chunks=1, thinking=0.001), binary=False))
    await link.send(say.content("hello"))
    assert b"modelTurn" in await link.recv()
    (answer,) = link.host.server.sessions[0].emitted
    assert answer.text == "turn 1: hello"


async def test_a_refused_dial_in_memory_says_why() -> None:
    host = MemoryHost(FakeLiveServer())
    with pytest.raises(HostRefused, match="HTTP 404") as refused:
        await host.dial("/nowhere")
    assert (refused.value.status, refused.value.body) == (404, "Not Found")


async def test_what_was_sent_before_a_close_is_received_before_it() -> None:
    link = await memory_link()
    host = link.host
    host.server.inject(link.conn, "last words", host.now)
    host.server.close(link.conn, *CLOSES["quota"], host.now)
    host.flush()
    assert await link.recv() == b"last words"
    with pytest.raises(LinkClosed, match="You exceeded") as closed:
        await link.recv()
    assert (closed.value.code, closed.value.reason) == CLOSES["quota"]
    with pytest.raises(LinkClosed, match="1011"):
        await link.send("x")
    with pytest.raises(LinkClosed, match="1011"):
        await link.ping()
    with pytest.raises(KeyError):
        host.link(link.conn)


async def test_a_reset_in_memory_has_no_code() -> None:
    link = await memory_link()
    assert link.host.link(link.conn) is link
    link.host.server.reset(link.conn, link.host.now)
    link.host.flush()
    with pytest.raises(LinkClosed, match="without a close frame") as closed:
        await link.recv()
    assert closed.value.code is None


async def test_cancelling_a_receive_loses_nothing() -> None:
    link = await memory_link()
    receiving = asyncio.create_task(link.recv())
    await asyncio.sleep(0)
    link.host.server.inject(link.conn, "kept", link.host.now)
    link.host.flush()
    receiving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await receiving
    assert await link.recv() == b"kept"


async def test_a_host_passes_on_only_what_concerns_its_links() -> None:
    link = await memory_link()
    host = link.host
    stranger = host.server.dial(say.DEVELOPER_PATH, {}, host.now)
    assert isinstance(stranger, int)
    host.server.inject(stranger, "to nobody", host.now)
    host.server.inject(link.conn, "to the link", host.now)
    host.flush()
    assert await link.recv() == b"to the link"


async def test_two_receivers_get_a_frame_each() -> None:
    link = await memory_link()
    both = asyncio.gather(link.recv(), link.recv())
    await asyncio.sleep(0)
    for frame in ("a", "b"):
        link.host.server.inject(link.conn, frame, link.host.now)
    link.host.flush()
    assert sorted(await both) == [b"a", b"b"]


async def test_closing_wakes_whoever_receives() -> None:
    link = await memory_link()
    receiving = asyncio.create_task(link.recv())
    await asyncio.sleep(0)
    await link.close(1001, "bye")
    await link.close()
    with pytest.raises(LinkClosed, match="1001"):
        await receiving
    assert link.host.server.admissions[-1].client_code == 1001


async def test_aborting_tells_the_server() -> None:
    link = await memory_link()
    link.abort()
    link.abort()
    assert link.host.server.live == ()
    assert link.host.server.admissions[-1].client_code is None
    assert link.closed is not None
    assert link.writable


async def test_in_a_black_hole_nothing_passes_and_nothing_fails() -> None:
    link = await memory_link()
    await link.send(say.content("hello"))
    link.host.freeze(link.conn, server_notices_after=None)
    link.host.freeze(99)
    await link.send(say.content("anybody?"))
    while b"turnComplete" not in await link.recv():
        pass
    await link.recv()
    link.host.server.inject(link.conn, "lost on the way", link.host.now)
    link.host.server.close(link.conn, 1011, "", link.host.now)
    link.host.flush()
    assert await is_stuck(link.recv())
    assert await is_stuck(link.ping())
    assert await is_stuck(link.close())
    link.abort()
    with pytest.raises(LinkClosed):
        await link.recv()
    with pytest.raises(LinkClosed):
        await link.ping()
    assert link.host.server.sessions[0].payloads("content") == ("hello",)


async def test_closing_a_black_hole_gives_up_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_memory, "CLOSE_TIMEOUT", 0.0)
    link = await memory_link()
    link.host.drop_everything(link)
    await link.close()
    assert link.closed is not None
    assert link.closed.code is None


async def test_the_server_notices_a_black_hole_when_it_is_told_to() -> None:
    link = await memory_link()
    link.host.drop_everything(link)
    assert link.host.server.live == ()
    other = await memory_link()
    other.host.drop_everything(other, server_notices_after=0.001)
    assert other.host.server.live == (other.conn,)
    await gone(other.host)
    frozen = await memory_link()
    frozen.host.freeze(frozen.conn)
    assert frozen.host.server.live == ()


async def test_a_muted_server_still_answers_pings() -> None:
    link = await memory_link()
    link.host.server.mute(link.conn, link.host.now)
    await link.ping()
    await link.send(say.content("hello?"))
    assert await is_stuck(link.recv())


async def test_closing_the_host_ends_every_link() -> None:
    link = await memory_link()
    hole = await link.host.dial()
    link.host.drop_everything(hole, server_notices_after=None)
    link.host.close()
    assert link.host.server.live == ()
    for each in (link, hole):
        with pytest.raises(LinkClosed):
            await each.recv()


async def test_no_repr_of_a_link_shows_a_frame() -> None:
    link = await memory_link()
    assert repr(link) == "<MemoryLink 1 open>"
    link.host.drop_everything(link)
    assert repr(link) == "<MemoryLink 1 black hole>"
    link.abort()
    assert repr(link) == "<MemoryLink 1 closed>"
