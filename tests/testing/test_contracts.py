"""The contracts hold for what we ship, and say in a sentence what is wrong with what does not keep to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from google import genai

import relive
from relive.ports import Stored
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


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
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


async def over_the_sdk() -> None:
    async with TlsHost(FakeLiveServer()) as host:
        client: genai.Client = make_client(host)
        await check_transport(lambda: GenaiTransport(client, model="m", policy=relive.Policy()), host)
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


class Silent(MemoryTransport):
    """Raises what its link raises."""

    async def open(self, opening: Any) -> Any:
        try:
            return await super().open(opening)
        except Exception as exc:
            raise OSError(str(exc)) from exc


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Deaf, "no connection is left"),
        (Hasty, "the end comes first what had arrived"),
        (Forgetful, "recv that is cancelled loses nothing"),
        (Slow, "recv that is cancelled loses nothing"),
        (Silent, "raises ConnectionGone, and only for cause; is_refused got OSError"),
    ],
)
def test_a_transport_that_does_not_is_told_why(broken: type[MemoryTransport], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        run(over_memory(broken))
