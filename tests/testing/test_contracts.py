"""The contracts hold for what we ship, and say in a sentence what is wrong with what does not keep to them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from google import genai

import relive
from relive.core.closes import Dropped
from relive.ports import ConnectionGone, Stored
from relive.stores.memory import MemoryStore
from relive.testing.contracts import check_store, check_transport
from relive.testing.host_memory import MemoryHost
from relive.testing.host_tls import TlsHost
from relive.testing.loop import SimLoop, run
from relive.testing.server import FakeLiveServer
from relive.testing.simulation.embedding import make_client
from relive.transports.genai import GenaiTransport
from relive.transports.memory import MemoryTransport

VERTEX = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"


def virtual_store(make: Callable[..., Any] = MemoryStore) -> MemoryStore:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimLoop)
    return make(wall=loop.wall)


def test_the_store_in_memory_keeps_its_contract() -> None:
    run(check_store(virtual_store))


async def test_it_does_so_in_real_time() -> None:
    await check_store(MemoryStore, ttl=0.05)


class AnyGeneration(MemoryStore):
    async def save(self, key: str, checkpoint: Any, *, generation: tuple[int, int], ttl: float) -> bool:
        await self.delete(key)
        return await super().save(key, checkpoint, generation=generation, ttl=ttl)


class Everlasting(MemoryStore):
    async def save(self, key: str, checkpoint: Any, *, generation: tuple[int, int], ttl: float) -> bool:
        return await super().save(key, checkpoint, generation=generation, ttl=1e9)


class WithoutTombstones(MemoryStore):
    async def condemn(self, key: str, digest: str, *, ttl: float) -> None:
        pass


class OneDrawer(MemoryStore):
    async def load(self, key: str) -> Stored | None:
        return await super().load("" if "/" in key else key)

    async def save(self, key: str, checkpoint: Any, *, generation: tuple[int, int], ttl: float) -> bool:
        return await super().save("" if "/" in key else key, checkpoint, generation=generation, ttl=ttl)


class Mute(MemoryStore):
    async def load(self, key: str) -> Stored | None:
        await asyncio.sleep(1e6)
        return None


class Littering(MemoryStore):
    async def save(self, key: str, checkpoint: Any, *, generation: tuple[int, int], ttl: float) -> bool:
        self.litter = asyncio.ensure_future(asyncio.sleep(1e6))
        return await super().save(key, checkpoint, generation=generation, ttl=ttl)


def test_a_store_that_lives_by_another_clock_is_told_which_it_needs() -> None:
    with pytest.raises(AssertionError, match=r"it needs the loop's wall clock, which is relive\.clock\.wall_clock"):
        run(check_store(lambda: MemoryStore(wall=time.time), ttl=0.2))
    run(check_store(MemoryStore, ttl=0.2))


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Littering, "a call leaves no task behind"),
        (AnyGeneration, "an older one is refused"),
        (Everlasting, "not handed out after its time to live"),
        (WithoutTombstones, "what was condemned is told"),
        (OneDrawer, "does not touch the others"),
        (Mute, "a store answers in time"),
    ],
)
def test_a_store_that_does_not_is_told_why(broken: type[MemoryStore], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        run(check_store(lambda: virtual_store(broken)))


async def over_memory(make: type[MemoryTransport]) -> None:
    host = MemoryHost(FakeLiveServer())
    try:
        await check_transport(lambda: make(lambda: host.dial(VERTEX), model="models/m"), host)
    finally:
        host.close()


def test_the_transport_in_memory_keeps_its_contract() -> None:
    run(over_memory(MemoryTransport))


async def over_the_sdk(make: type[GenaiTransport] = GenaiTransport) -> None:
    async with TlsHost(FakeLiveServer()) as host:
        client: genai.Client = make_client(host)
        try:
            await check_transport(lambda: make(client, model="m", policy=relive.Policy()), host)
        finally:
            await client.aio.aclose()


def test_the_transport_over_the_sdk_keeps_it_in_virtual_time() -> None:
    run(over_the_sdk())


async def test_the_transport_over_the_sdk_keeps_it_over_tls() -> None:
    await over_the_sdk()


class Deaf(MemoryTransport):
    async def open(self, opening: Any) -> Any:
        connection: Any = await super().open(opening)
        connection.abort = lambda: None
        return connection


class Hasty(MemoryTransport):
    """Forgets what had arrived when the end comes."""

    async def open(self, opening: Any) -> Any:
        connection: Any = await super().open(opening)
        receive = connection.recv
        end = connection._end

        async def recv() -> bytes:
            if end.closed is not None:
                end._frames.clear()
            return await receive()

        connection.recv = recv
        return connection


class Forgetful(MemoryTransport):
    """Forgets what came to a `recv` that is cancelled before it has returned: for one turn of the loop, or for a while.

    Nothing may be awaited between taking a frame and returning it.
    """

    pause = 0.0

    async def open(self, opening: Any) -> Any:
        connection: Any = await super().open(opening)
        receive = connection.recv

        async def recv() -> bytes:
            frame = await receive()
            await asyncio.sleep(self.pause)
            return frame

        connection.recv = recv
        return connection


class Slow(Forgetful):
    pause = 0.001


class Seedless(MemoryTransport):
    """Asks for the same session, whether a seed follows or not."""

    async def open(self, opening: Any) -> Any:
        return await super().open(attrs.evolve(opening, seeded=False))


class Silent(MemoryTransport):
    """Raises what its link raises."""

    async def open(self, opening: Any) -> Any:
        try:
            return await super().open(opening)
        except Exception as exc:
            raise OSError(str(exc)) from exc


class Retrying(MemoryTransport):
    async def open(self, opening: Any) -> Any:
        try:
            return await super().open(opening)
        except ConnectionGone:
            await asyncio.sleep(1.0)
            return await super().open(opening)


class Quotes(MemoryTransport):
    """Its drop does not, but what it was raised from."""

    async def open(self, opening: Any) -> Any:
        try:
            return await super().open(opening)
        except ConnectionGone as gone:
            raise gone from OSError(f"{opening.handle} is not good")


class LeavesATask(MemoryTransport):
    async def open(self, opening: Any) -> Any:
        connection = await super().open(opening)
        self.left = asyncio.ensure_future(asyncio.sleep(1e6))
        return connection


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Retrying, "open does not retry"),
        (Quotes, "what open raises quotes no handle"),
        (LeavesATask, "connections that have ended leave no task behind"),
        (Deaf, "no connection is left"),
        (Hasty, "the end comes first what had arrived"),
        (Forgetful, "recv that is cancelled loses nothing"),
        (Slow, "recv that is cancelled loses nothing"),
        (Seedless, "what is written first after open.seeded. is history"),
        (Silent, "raises ConnectionGone, and only for cause; is_refused got OSError"),
    ],
)
def test_a_transport_that_does_not_is_told_why(broken: type[MemoryTransport], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        run(over_memory(broken))


class Altered:
    """A connection that does one thing in another way."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)


class ClosesWithoutAWord(Altered):
    async def close(self) -> None:
        self.connection.abort()


class ClosesTooSoon(Altered):
    """Does not wait for the answer."""

    async def close(self) -> None:
        self.closing = asyncio.ensure_future(self.connection.close())
        await asyncio.sleep(0)


class DropsWhatComesLate(Altered):
    """Hands nothing out any more once it is closing."""

    closing = False

    async def close(self) -> None:
        self.closing = True
        await self.connection.close()

    async def recv(self) -> bytes:
        frame = await self.connection.recv()
        while self.closing:
            frame = await self.connection.recv()
        return frame


class HearsPongsOnly(Altered):
    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self.last_sign_of_life = connection.last_sign_of_life

    async def ping(self) -> float:
        round_trip = await self.connection.ping()
        self.last_sign_of_life = self.connection.last_sign_of_life
        return round_trip


class AlwaysLives(Altered):
    @property
    def last_sign_of_life(self) -> float:
        return asyncio.get_running_loop().time()


class SendsSignsOfLife(Altered):
    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self.sent = 0.0

    @property
    def last_sign_of_life(self) -> float:
        return max(self.sent, self.connection.last_sign_of_life)

    async def send(self, frame: Any) -> None:
        await self.connection.send(frame)
        self.sent = asyncio.get_running_loop().time()


class PingsItself(Altered):
    """As the library does: twenty seconds, and twenty for the answer."""

    async def recv(self) -> bytes:
        try:
            async with asyncio.timeout(20.0):
                return await self.connection.recv()
        except TimeoutError:
            raise ConnectionGone(Dropped(1011, "keepalive ping timeout", origin="network")) from None


class AnswersItself(Altered):
    """What is not answered within a second is taken for answered."""

    async def ping(self) -> float:
        try:
            async with asyncio.timeout(1.0):
                return await self.connection.ping()
        except TimeoutError:
            return 1.0


class AlwaysWritable(Altered):
    writable = True


OF_CONNECTIONS = [
    (ClosesWithoutAWord, "close sends a close frame"),
    (DropsWhatComesLate, "what the server sends until it has answered a close is received"),
    (HearsPongsOnly, "a frame that comes is a sign of life"),
    (AlwaysLives, "while nothing comes there is no sign of life"),
    (AnswersItself, "ping returns when it is answered, and never by itself"),
    (SendsSignsOfLife, "what is sent is no sign of life"),
    (PingsItself, "the library's own pings are off"),
]


@pytest.mark.parametrize(("broken", "sentence"), OF_CONNECTIONS)
def test_a_connection_that_does_not_is_told_why(broken: type[Altered], sentence: str) -> None:
    class Transport(MemoryTransport):
        async def open(self, opening: Any) -> Any:
            return broken(await super().open(opening))

    with pytest.raises(AssertionError, match=sentence):
        run(over_memory(Transport))


# What takes time on the way is to be had over a network only.
@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        *OF_CONNECTIONS,
        (ClosesTooSoon, "what the server sends until it has answered a close is received"),
        (AlwaysWritable, "not writable while a send waits for the network"),
    ],
)
def test_one_over_a_network_that_does_not_is_told_why(broken: type[Altered], sentence: str) -> None:
    class Transport(GenaiTransport):
        async def open(self, opening: Any) -> Any:
            return broken(await super().open(opening))

    with pytest.raises(AssertionError, match=sentence):
        run(over_the_sdk(Transport))
