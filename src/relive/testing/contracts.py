"""What a transport and a store must do, as functions without pytest: run them on an implementation of your own.

    async def test_my_store():
        await check_store(MyStore)

Each raises an `AssertionError` whose sentence says what was expected. Every check begins with a store or transport that
is made anew. They wait for real: on a `SimLoop` that takes no time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeAlias

from relive.core.policy import Policy
from relive.ports import Connection, ConnectionGone, Transport
from relive.testing import server_client as words
from relive.testing.contracts_bench import PATIENCE, MakeStore, made
from relive.testing.contracts_links import MOMENT, Host, frozen, handle_on, inject, is_gone, opened, saying, until
from relive.testing.contracts_opening import OPENING_CHECKS
from relive.testing.contracts_stores import check_store
from relive.testing.loop import SimLoop

__all__ = ["PATIENCE", "Host", "MakeStore", "MakeTransport", "check_store", "check_transport"]

MakeTransport: TypeAlias = Callable[[], Transport | Awaitable[Transport]]

_TURNS: Final = 200
"Turns of the loop in which a frame comes that a server in the same loop sends, and many more."
_PROBE: Final = Policy().probe_timeout
"Seconds after which a connection that did not answer a ping counts as dropped; unless `ping` has returned."
_SILENCE: Final = 120.0
"Virtual seconds in which a library's own pings would have been missed."
_PLENTY: Final = 64
"Frames of a quarter megabyte: more than any network takes for a peer that reads nothing."


async def check_transport(make_transport: MakeTransport, host: Host) -> None:
    """Hold a transport to the contract of `Transport` and `Connection`.

    Args:
        make_transport: makes a transport that dials `host`; may be an async function.
        host: serves a `FakeLiveServer` with its default script. It is not to be used for anything else meanwhile.

    Raises:
        AssertionError: it does not keep to the contract; says how.
    """
    for check in _TRANSPORT_CHECKS:
        transport = await made(make_transport())
        try:
            async with asyncio.timeout(3 * PATIENCE + (_SILENCE if _is_virtual() else 0.0)):
                await check(transport, host)
                await transport.aclose()
                await transport.aclose()  # again and again
                await until(lambda: not host.server.live, "after aclose no connection is left at the server")
        except TimeoutError:
            raise AssertionError(
                f"a transport waits for nothing that does not come; {check.__name__[1:]} hangs"
            ) from None
        except AssertionError:
            raise
        except Exception as error:
            what = f"a transport raises ConnectionGone, and only for cause; {check.__name__[1:]} got {error!r}"
            raise AssertionError(what) from error


async def _sends_and_receives_in_order(transport: Transport, host: Host) -> None:
    async with opened(transport) as connection:
        frames = [f"{number}".encode() for number in range(50)]
        for frame in frames:
            await connection.send(words.audio(frame))
        await connection.send(words.content("end").encode())
        await handle_on(connection)
        assert host.server.ground_truth("audio") == tuple(frames), "frames arrive as they were sent, and in order"


async def _loses_nothing_when_recv_is_cancelled(transport: Transport, host: Host) -> None:
    async with opened(transport) as connection:
        took = await _cancel_recv(connection, host, _TURNS)
        for turns in range(took + 1):
            await _cancel_recv(connection, host, turns)


async def _cancel_recv(connection: Connection, host: Host, turns: int) -> int:
    """Have a frame sent, and cancel the `recv` that waits for it so many turns of the loop later; returns how many.

    No frame is left: else the next `recv` would return at once, never cancelled between taking and returning it.
    """
    lost = "recv that is cancelled loses nothing: the next one returns what came"
    waiting = asyncio.ensure_future(connection.recv())
    await asyncio.sleep(0)
    inject(host, f'{{"serverContent": {{"turnComplete": true, "n": {turns}}}}}')
    taken = 0
    while taken < turns and not waiting.done():
        await asyncio.sleep(0)
        taken += 1
    waiting.cancel()
    try:
        frame = await waiting
    except asyncio.CancelledError:
        try:
            async with asyncio.timeout(PATIENCE):
                frame = await connection.recv()
        except TimeoutError:
            raise AssertionError(lost) from None
    assert f'"n": {turns}}}'.encode() in frame, lost
    return taken


async def _delivers_what_had_arrived_before_the_end(transport: Transport, host: Host) -> None:
    async with opened(transport) as connection:
        for number in range(3):
            inject(host, f'{{"serverContent": {{"n": {number}}}}}')
        host.server.close(host.server.live[-1], 1011, "enough", host.now)
        host.flush()
        await asyncio.sleep(MOMENT)
        for number in range(3):
            with saying("after the end comes first what had arrived"):
                assert f'"n": {number}'.encode() in await connection.recv()
        for _ in range(2):
            drop = (await is_gone(connection.recv(), "recv raises ConnectionGone after the end, each time")).drop
            assert (drop.code, drop.reason) == (1011, "enough"), "a drop says what the server's close frame said"
            assert drop.phase == "steady", "what ends after the setup was answered is a steady drop"
        await is_gone(connection.send(words.audio(b"late")), "send raises ConnectionGone after the end")
        await is_gone(connection.ping(), "ping raises ConnectionGone after the end")


async def _tells_of_a_reset(transport: Transport, host: Host) -> None:
    async with opened(transport) as connection:
        host.server.reset(host.server.live[-1], host.now)
        host.flush()
        drop = (await is_gone(connection.recv(), "recv raises ConnectionGone after a reset")).drop
        assert drop.code in (None, 1006), "a reset has no close code"
        assert drop.origin == "network", "a reset is the network's doing"


async def _pings(transport: Transport, _host: Host) -> None:
    async with opened(transport) as connection:
        await asyncio.sleep(MOMENT)
        before = connection.last_sign_of_life
        assert 0.0 <= await connection.ping() < PATIENCE, "ping returns the round trip in seconds"
        assert connection.last_sign_of_life > before, "the answer to a ping is a sign of life"


async def _tells_when_something_came(transport: Transport, host: Host) -> None:
    async with opened(transport) as connection:
        before = connection.last_sign_of_life
        await asyncio.sleep(MOMENT)
        assert connection.last_sign_of_life == before, "while nothing comes there is no sign of life"
        inject(host, '{"serverContent": {}}')
        await connection.recv()
        assert connection.last_sign_of_life > before, "a frame that comes is a sign of life"


async def _waits_for_the_answer_to_a_ping(transport: Transport, host: Host) -> None:
    async with frozen(transport, host) as connection:
        before = connection.last_sign_of_life
        pinging = asyncio.ensure_future(connection.ping())
        await asyncio.wait([pinging], timeout=1.1 * _PROBE)
        came_back = pinging.done() and not isinstance(pinging.exception(), ConnectionGone)
        assert not came_back, "ping returns when it is answered, and never by itself"
        assert connection.last_sign_of_life == before, "a ping that is not answered is no sign of life"
        await connection.send(words.audio(b"anybody?"))
        assert connection.last_sign_of_life == before, "what is sent is no sign of life"
        pinging.cancel()
        await asyncio.wait([pinging])


async def _leaves_silence_to_relive(transport: Transport, host: Host) -> None:
    if not _is_virtual():
        return  # it would take minutes
    async with frozen(transport, host) as connection:
        reading = asyncio.ensure_future(connection.recv())
        await asyncio.wait([reading], timeout=_SILENCE)
        ended = reading.done()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert not ended, "a connection is not ended because it is silent: the library's own pings are off"


def _is_virtual() -> bool:
    return isinstance(asyncio.get_running_loop(), SimLoop)


async def _tells_when_the_network_is_full(transport: Transport, host: Host) -> None:
    async with frozen(transport, host) as connection:
        frame, sentence = words.audio(bytes(1 << 18)), "a connection is not writable while a send waits for the network"
        for _ in range(_PLENTY):
            sending = asyncio.ensure_future(connection.send(frame))
            await until(lambda sending=sending: sending.done() or not connection.writable, sentence)
            if not sending.done():
                sending.cancel()
                await asyncio.wait([sending])
                break
            with saying(sentence):  # one that waited for too long may have been given up
                sending.result()


async def _closes_in_good_order(transport: Transport, host: Host) -> None:
    came: list[bytes] = []
    async with opened(transport) as connection:
        reading = asyncio.ensure_future(_read_all(connection, came))
        await asyncio.sleep(0)
        inject(host, '{"serverContent": {"n": 1}}')  # on its way while we close
        await connection.close()
        connection.abort()
        await is_gone(reading, "recv raises ConnectionGone after close")
    await until(lambda: not host.server.live, "a closed connection is closed at the server")
    assert host.server.admissions[-1].client_code is not None, "close sends a close frame"
    assert any(b'"n": 1' in frame for frame in came), "what the server sends until it has answered a close is received"


async def _read_all(connection: Connection, came: list[bytes]) -> None:
    while True:
        came.append(await connection.recv())


async def _is_cut(transport: Transport, host: Host) -> None:
    async with opened(transport) as connection:
        waiting = asyncio.ensure_future(connection.recv())
        await asyncio.sleep(0)
        connection.abort()
        connection.abort()
        await is_gone(waiting, "abort ends a recv that waits")
        await until(lambda: not host.server.live, "abort cuts the connection")


_TRANSPORT_CHECKS: Final[tuple[Callable[[Transport, Any], Coroutine[Any, Any, None]], ...]] = (
    *OPENING_CHECKS, _sends_and_receives_in_order,
    _loses_nothing_when_recv_is_cancelled, _delivers_what_had_arrived_before_the_end, _tells_of_a_reset,
    _tells_when_something_came, _pings, _waits_for_the_answer_to_a_ping, _leaves_silence_to_relive,
    _tells_when_the_network_is_full,
    _closes_in_good_order, _is_cut,
)  # fmt: skip
