"""What a store and a transport must do, as functions without pytest: run them on an implementation of your own.

    async def test_my_store():
        await check_store(MyStore)

Each raises an `AssertionError` whose sentence says what was expected. Every check begins with a store or transport that
is made anew. They wait for real: on a `SimLoop` that takes no time.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, Protocol, TypeAlias, TypeVar, cast

from relive.core.checkpoint import Checkpoint
from relive.core.effects import Open
from relive.ports import Connection, ConnectionGone, HandleStore, Stored, Transport
from relive.testing import server_client as words
from relive.testing.server import FakeLiveServer

T = TypeVar("T")
MakeStore: TypeAlias = Callable[[], HandleStore | Awaitable[HandleStore]]
MakeTransport: TypeAlias = Callable[[], Transport | Awaitable[Transport]]

PATIENCE: Final = 10.0
"Seconds after which something that should happen has not."
_TURNS: Final = 200
"Turns of the loop in which a frame comes that a server in the same loop sends, and many more."
_MOMENT: Final = 0.2
"Seconds in which something that should not happen would."


class Host(Protocol):
    """What a transport dials: a `TlsHost` that is entered, or a `MemoryHost`."""

    @property
    def server(self) -> FakeLiveServer:
        """The fake server."""
        ...

    @property
    def now(self) -> float:
        """The server's time."""
        ...

    def flush(self) -> None:
        """Perform what the server wants done."""
        ...


async def check_store(make_store: MakeStore, *, ttl: float = 1.0) -> None:
    """Hold a store to the contract of `HandleStore`.

    Args:
        make_store: makes a store that holds nothing under the keys ``relive-check-…``; may be an async function.
        ttl: seconds of a time to live that is waited for; the shortest that the store can tell from none.

    Raises:
        AssertionError: it does not keep to the contract; says how.
    """
    for number, check in enumerate(_STORE_CHECKS):
        store, key = await _made(make_store()), f"relive-check-{number}"
        try:
            async with asyncio.timeout(PATIENCE + 10 * ttl):
                await check(store, key, ttl)
                await store.delete(key)
                await store.aclose()
                await store.aclose()  # again and again
        except TimeoutError:
            raise AssertionError(f"a store answers in time; {check.__name__[1:]} took too long") from None
        except AssertionError:
            raise
        except Exception as error:
            raise AssertionError(f"a store raises nothing; {check.__name__[1:]} got {error!r}") from error
        finally:
            with contextlib.suppress(Exception):  # what it raises there has been told, or is not the point
                await store.aclose()


async def _knows_nothing_of_an_unknown_key(store: HandleStore, key: str, _ttl: float) -> None:
    assert _empty(await store.load(key)), "an unknown key has nothing under it: None, or a Stored without anything"
    await store.delete(key)  # raises nothing


async def _gives_back_what_it_was_given(store: HandleStore, key: str, _ttl: float) -> None:
    checkpoint = Checkpoint("händle/+=", "models/m", "vertex:p/l", 1.5, frozenset({"call-1", "call-2"}))
    assert await store.save(key, checkpoint, generation=(1, 1), ttl=3600.0), "the first save is accepted: True"
    found = await store.load(key)
    assert found is not None and found.checkpoint == checkpoint, "what is loaded is what was saved, in every field"  # noqa: PT018
    assert not found.condemned, "nothing is condemned that nobody condemned"


async def _keeps_the_newest_generation(store: HandleStore, key: str, _ttl: float) -> None:
    for name, generation, kept in (
        ("a", (1, 5), True), ("b", (1, 6), True), ("c", (1, 5), False), ("d", (2, 1), True), ("e", (1, 9), False),
        ("f", (2, 1), True),
    ):  # fmt: skip
        said = await store.save(key, Checkpoint(name), generation=generation, ttl=3600.0)
        assert said is kept, f"generation {generation}: save says {kept}, a newer one wins, an older one is refused"
    found = await _checkpoint(store, key)
    assert found == Checkpoint("f"), "an older generation does not replace a newer one; the same one does"


async def _forgets_a_checkpoint_after_its_time(store: HandleStore, key: str, ttl: float) -> None:
    await store.save(key, Checkpoint("short"), generation=(1, 1), ttl=ttl)
    assert await _checkpoint(store, key) is not None, "a checkpoint is there before its time to live is over"
    await asyncio.sleep(1.5 * ttl)
    assert await _checkpoint(store, key) is None, "a checkpoint is not handed out after its time to live"
    await store.save(key, Checkpoint("long"), generation=(1, 2), ttl=ttl)
    await asyncio.sleep(0.7 * ttl)
    await store.save(key, Checkpoint("long"), generation=(1, 3), ttl=ttl)
    await asyncio.sleep(0.7 * ttl)
    assert await _checkpoint(store, key) is not None, "the time to live counts from the newest save"


async def _keeps_tombstones(store: HandleStore, key: str, ttl: float) -> None:
    await store.condemn(key, "one", ttl=3600.0)
    await store.condemn(key, "two", ttl=ttl)
    await store.condemn(key, "one", ttl=3600.0)
    found = await store.load(key)
    assert found is not None and found.condemned == {"one", "two"}, "what was condemned is told, before any save too"  # noqa: PT018
    await store.save(key, Checkpoint("new"), generation=(1, 1), ttl=3600.0)
    found = await store.load(key)
    assert found is not None and "one" in found.condemned, "a save leaves tombstones standing"  # noqa: PT018
    await asyncio.sleep(1.5 * ttl)
    found = await store.load(key)
    assert found is not None and found.condemned == {"one"}, "a tombstone stands for its time to live, and no longer"  # noqa: PT018
    assert found.checkpoint == Checkpoint("new"), "a tombstone that goes leaves the checkpoint"


async def _deletes(store: HandleStore, key: str, _ttl: float) -> None:
    await store.save(key, Checkpoint("gone"), generation=(9, 9), ttl=3600.0)
    await store.condemn(key, "digest", ttl=3600.0)
    await store.delete(key)
    assert _empty(await store.load(key)), "after delete there is nothing: no checkpoint, no tombstones"
    assert await store.save(key, Checkpoint("new"), generation=(1, 1), ttl=3600.0), "a deleted key has no generation"


async def _keeps_keys_apart(store: HandleStore, key: str, _ttl: float) -> None:
    keys = [f"{key}/{number}" for number in range(8)]
    try:
        await asyncio.gather(
            *(store.save(one, Checkpoint(one), generation=(1, n), ttl=3600.0) for n, one in enumerate(keys)),
            *(store.condemn(one, one, ttl=3600.0) for one in keys[::2]),
        )
        found = await asyncio.gather(*(store.load(one) for one in keys))
        for n, (one, stored) in enumerate(zip(keys, found, strict=True)):
            expected = Stored(Checkpoint(one), frozenset({one}) if n % 2 == 0 else frozenset())
            assert stored == expected, "what is done to different keys at the same time does not touch the others"
        for generation in (3, 1, 2):
            await store.save(keys[0], Checkpoint(str(generation)), generation=(2, generation), ttl=3600.0)
        assert await _checkpoint(store, keys[0]) == Checkpoint("3"), "of saves in any order the newest stays"
    finally:
        for one in keys:
            await store.delete(one)


_STORE_CHECKS: Final[tuple[Callable[[HandleStore, str, float], Coroutine[Any, Any, None]], ...]] = (
    _knows_nothing_of_an_unknown_key, _gives_back_what_it_was_given, _keeps_the_newest_generation,
    _forgets_a_checkpoint_after_its_time, _keeps_tombstones, _deletes, _keeps_keys_apart,
)  # fmt: skip


def _empty(found: Stored | None) -> bool:
    return found is None or (found.checkpoint is None and not found.condemned)


async def _checkpoint(store: HandleStore, key: str) -> Checkpoint | None:
    found = await store.load(key)
    return found.checkpoint if found is not None else None


async def check_transport(make_transport: MakeTransport, host: Host) -> None:
    """Hold a transport to the contract of `Transport` and `Connection`.

    Args:
        make_transport: makes a transport that dials `host`; may be an async function.
        host: serves a `FakeLiveServer` with its default script. It is not to be used for anything else meanwhile.

    Raises:
        AssertionError: it does not keep to the contract; says how.
    """
    for check in _TRANSPORT_CHECKS:
        transport = await _made(make_transport())
        try:
            async with asyncio.timeout(3 * PATIENCE):
                await check(transport, host)
                await transport.aclose()
                await transport.aclose()  # again and again
                await _until(lambda: not host.server.live, "after aclose no connection is left at the server")
        except TimeoutError:
            raise AssertionError(
                f"a transport waits for nothing that does not come; {check.__name__[1:]} hangs"
            ) from None
        except AssertionError:
            raise
        except Exception as error:
            what = f"a transport raises ConnectionGone, and only for cause; {check.__name__[1:]} got {error!r}"
            raise AssertionError(what) from error


async def _opens(transport: Transport, host: Host) -> None:
    assert isinstance(transport, Transport), "a transport has all of its protocol"
    assert transport.model, "a transport names its model"
    assert transport.backend, "a transport names its backend"
    await transport.prepare()
    assert not host.server.live, "prepare sends no setup"
    async with _opened(transport) as connection:
        assert connection.setup_complete is not None, "open returns once the server has answered the setup"
        assert connection.session_id == host.server.sessions[-1].id, "a connection has the id that the server gave"
        assert connection.writable, "a connection that has nothing to write is writable"
        assert abs(connection.last_sign_of_life - host.now) < PATIENCE, "the answer to the setup is a sign of life"


async def _resumes(transport: Transport, host: Host) -> None:
    async with _opened(transport) as connection:
        await connection.send(words.content("one"))
        handle = await _handle(connection)
    await _until(lambda: not host.server.live, "a closed connection is closed at the server")
    connection = await transport.open(Open(2, handle))
    assert host.server.admissions[-1].handle == handle, "open presents the handle that it is given"
    connection.abort()


async def _is_refused(transport: Transport, host: Host) -> None:
    drop = (await _gone(transport.open(Open(1, "no-such-handle")), "open raises ConnectionGone if it is refused")).drop
    told = host.server.admissions[-1]
    assert drop.phase == "opening", "what fails before the setup is answered is a drop while opening"
    assert (drop.code, drop.reason) == (told.code, told.reason), "a drop says what the close frame said"


async def _gives_up_a_dial(transport: Transport, host: Host) -> None:
    host.server.hang_next_setup(1)
    before = len(asyncio.all_tasks())
    opening = asyncio.ensure_future(transport.open(Open(1, None)))
    await _until(lambda: bool(host.server.live), "open dials")
    await asyncio.sleep(_MOMENT)
    opening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await opening
    assert opening.cancelled(), "open that is cancelled is cancelled"
    await transport.aclose()
    await _until(lambda: not host.server.live, "a cancelled open leaves no connection behind")
    await _until(lambda: len(asyncio.all_tasks()) <= before, "a cancelled open leaves no task behind")


async def _sends_and_receives_in_order(transport: Transport, host: Host) -> None:
    async with _opened(transport) as connection:
        frames = [f"{number}".encode() for number in range(50)]
        for frame in frames:
            await connection.send(words.audio(frame))
        await connection.send(words.content("end").encode())
        await _handle(connection)
        assert host.server.ground_truth("audio") == tuple(frames), "frames arrive as they were sent, and in order"


async def _loses_nothing_when_recv_is_cancelled(transport: Transport, host: Host) -> None:
    async with _opened(transport) as connection:
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
    _inject(host, f'{{"serverContent": {{"turnComplete": true, "n": {turns}}}}}')
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
    async with _opened(transport) as connection:
        for number in range(3):
            _inject(host, f'{{"serverContent": {{"n": {number}}}}}')
        host.server.close(host.server.live[-1], 1011, "enough", host.now)
        host.flush()
        await asyncio.sleep(_MOMENT)
        for number in range(3):
            with _saying("after the end comes first what had arrived"):
                assert f'"n": {number}'.encode() in await connection.recv()
        for _ in range(2):
            drop = (await _gone(connection.recv(), "recv raises ConnectionGone after the end, each time")).drop
            assert (drop.code, drop.reason) == (1011, "enough"), "a drop says what the server's close frame said"
            assert drop.phase == "steady", "what ends after the setup was answered is a steady drop"
        await _gone(connection.send(words.audio(b"late")), "send raises ConnectionGone after the end")
        await _gone(connection.ping(), "ping raises ConnectionGone after the end")


async def _tells_of_a_reset(transport: Transport, host: Host) -> None:
    async with _opened(transport) as connection:
        host.server.reset(host.server.live[-1], host.now)
        host.flush()
        drop = (await _gone(connection.recv(), "recv raises ConnectionGone after a reset")).drop
        assert drop.code in (None, 1006), "a reset has no close code"
        assert drop.origin == "network", "a reset is the network's doing"


async def _pings(transport: Transport, _host: Host) -> None:
    async with _opened(transport) as connection:
        await asyncio.sleep(_MOMENT)
        before = connection.last_sign_of_life
        assert 0.0 <= await connection.ping() < PATIENCE, "ping returns the round trip in seconds"
        assert connection.last_sign_of_life > before, "the answer to a ping is a sign of life"


async def _is_cut(transport: Transport, host: Host) -> None:
    async with _opened(transport) as connection:
        waiting = asyncio.ensure_future(connection.recv())
        await asyncio.sleep(0)
        connection.abort()
        connection.abort()
        await _gone(waiting, "abort ends a recv that waits")
        await _until(lambda: not host.server.live, "abort cuts the connection")


_TRANSPORT_CHECKS: Final[tuple[Callable[[Transport, Any], Coroutine[Any, Any, None]], ...]] = (
    _opens, _resumes, _is_refused, _gives_up_a_dial, _sends_and_receives_in_order,
    _loses_nothing_when_recv_is_cancelled, _delivers_what_had_arrived_before_the_end, _tells_of_a_reset, _pings,
    _is_cut,
)  # fmt: skip


@asynccontextmanager
async def _opened(transport: Transport) -> AsyncGenerator[Connection]:
    connection = await transport.open(Open(1, None))
    try:
        yield connection
        with contextlib.suppress(ConnectionGone):
            await connection.close()
    finally:
        connection.abort()


def _inject(host: Host, frame: str) -> None:
    host.server.inject(host.server.live[-1], frame, host.now)
    host.flush()


async def _handle(connection: Connection) -> str:
    """Receive until a handle has come, and return it."""
    while True:
        message: dict[str, Any] = json.loads(await connection.recv())
        update: dict[str, Any] = message.get("sessionResumptionUpdate") or {}
        if update.get("newHandle"):
            return update["newHandle"]


async def _gone(what: Awaitable[object], sentence: str) -> ConnectionGone:
    try:
        async with asyncio.timeout(PATIENCE):
            await what
    except ConnectionGone as gone:
        return gone
    except TimeoutError:
        raise AssertionError(f"{sentence}; it hangs") from None
    raise AssertionError(sentence)


@contextmanager
def _saying(sentence: str) -> Generator[None]:
    try:
        yield
    except (AssertionError, ConnectionGone) as error:
        raise AssertionError(sentence) from error


async def _until(met: Callable[[], bool], sentence: str) -> None:
    for _ in range(1000):
        if met():
            return
        await asyncio.sleep(PATIENCE / 1000)
    raise AssertionError(sentence)


async def _made(made: T | Awaitable[T]) -> T:
    return await made if inspect.isawaitable(made) else cast("T", made)
