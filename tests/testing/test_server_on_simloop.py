"""The memory host in virtual time: whole conversations to the second, in no time."""

from __future__ import annotations

import asyncio

from relive.testing import server_client as say
from relive.testing.hosts import LinkClosed, MemoryHost, MemoryLink
from relive.testing.loop import run
from relive.testing.server import FakeLiveServer
from relive.testing.server_script import Limits, ServerScript, Updates

SCRIPT = ServerScript(limits=Limits(connection=599.0, lead=50.0), updates=Updates(every_seconds=60.0, after_turn=False))


async def speak(link: MemoryLink) -> None:
    """Send 20 ms of audio every 20 ms."""
    while True:
        await link.send(say.audio(b"\1\2" * 160))
        await asyncio.sleep(0.02)


def test_ten_minutes_with_audio_end_to_the_second() -> None:
    seen: list[tuple[float, str]] = []

    async def talk() -> None:
        loop = asyncio.get_running_loop()
        link = await MemoryHost(FakeLiveServer(SCRIPT)).dial()
        await link.send(say.setup())
        speaking = asyncio.create_task(speak(link))
        try:
            while True:
                frame = (await link.recv()).decode()
                seen.append((loop.time(), frame[2:].partition('"')[0]))
        except LinkClosed as closed:
            seen.append((loop.time(), closed.reason))
        speaking.cancel()

    run(talk)
    assert seen == [
        (0.0, "setupComplete"),
        *((60.0 * minute, "sessionResumptionUpdate") for minute in range(1, 10)),
        (549.0, "goAway"),
        (599.0, "Deadline expired before operation could complete."),
    ]


def test_the_same_run_is_the_same_to_the_byte() -> None:
    async def talk() -> list[bytes]:
        link = await MemoryHost(FakeLiveServer(seed=7)).dial()
        await link.send(say.setup())
        await link.send(say.content("hello"))
        return [await link.recv() for _ in range(7)]

    assert run(talk) == run(talk)


def test_closing_a_black_hole_takes_ten_seconds() -> None:
    async def close() -> float:
        loop = asyncio.get_running_loop()
        link = await MemoryHost(FakeLiveServer()).dial()
        link.host.drop_everything(link, server_notices_after=3.0)
        await link.close()
        assert link.host.server.live == ()
        return loop.time()

    assert run(close) == 10.0
