"""What is left of many sessions that were opened, drained, resumed and closed in one process.

Usage::

    python -m tests.bench.endurance                            10,000 over memory, 1,000 over TLS: some minutes
    python -m tests.bench.endurance --memory 1000 --tls 100    less of it

Each session asks a question, is told to leave (GoAway), resumes at its safe point, asks again, and is closed; over TLS
that is the SDK's own websocket, and the server is in the same process. Sessions live in batches, many at a time. After
each batch nothing may be left: no task, no timer, no socket, no object of ours. Memory is looked at over the batches:
what is allocated once is paid in the first, so what counts is how much more the last of them found than those a quarter
of the way in. Each batch has a server of its own, because a fake server remembers all that was ever said to it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import gc
import os
import socket
import statistics
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias, cast

import attrs
from google import genai
from google.genai import types

import relive
from relive.core.journal import Journal
from relive.core.lifecycle import Lifecycle
from relive.runtime.link import Link
from relive.runtime.runtime import Runtime
from relive.testing.host_memory import MemoryHost, MemoryLink
from relive.testing.host_tls import TlsHost
from relive.testing.server import FakeLiveServer
from relive.testing.server_model import EchoModel
from relive.testing.server_script import ServerScript
from relive.transports.memory import MemoryTransport

OURS = (relive.Session, Runtime, Lifecycle, Journal, Link)
SCRIPT = ServerScript(model=EchoModel(interval=0.0))
POLICY = relive.Policy(stable_after=0.0)
MODEL = "models/memory"

Batch: TypeAlias = Callable[[int], Awaitable[None]]


@attrs.frozen
class Left:
    """What is there besides the code, at one moment."""

    tasks: int
    timers: int
    "Timers of the running loop that were not cancelled."
    sockets: int
    "Open file descriptors of the process; 0 where that cannot be told."
    ours: int
    "Sessions, runtimes, lifecycles, journals and links that are still referred to."

    @classmethod
    async def now(cls) -> Left:
        """Count, after the garbage is collected; an SDK client that is collected starts a task to close itself."""
        gc.collect()
        await asyncio.sleep(0.05)
        gc.collect()
        scheduled = cast("Any", asyncio.get_running_loop())._scheduled
        return cls(
            tasks=len(asyncio.all_tasks()),
            timers=sum(not handle.cancelled() for handle in scheduled),
            sockets=_descriptors(),
            ours=sum(isinstance(thing, OURS) for thing in gc.get_objects()),
        )

    def since(self, before: Left) -> dict[str, int]:
        """Of what there is more than before, and how much."""
        then = attrs.asdict(before)
        return {name: count - then[name] for name, count in attrs.asdict(self).items() if count > then[name]}


async def left_since(before: Left) -> Left:
    """What there is once the loop has done what it still had to do, for which it is given some seconds."""
    for _ in range(50):
        left = await Left.now()
        if not left.since(before):
            return left
    return await Left.now()


async def _ask(session: relive.Session, text: str) -> None:
    await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text=text)]))
    async for _ in session.receive():
        pass


async def _live(session: relive.Session, go_away: Callable[[], None]) -> None:
    """A life: a question, a GoAway, a resume, another question."""
    await _ask(session, "first")
    leaving = asyncio.ensure_future(session.wait_for("RESUMING"))
    await asyncio.sleep(0)
    go_away()
    await leaving
    await session.wait_for("ACTIVE")
    assert session.verdict is not None
    assert session.verdict.kind == "resumed"
    await _ask(session, "second")


async def memory(count: int) -> None:
    """So many lives at a time, over memory."""
    host = MemoryHost(FakeLiveServer(SCRIPT))
    client = genai.Client(api_key="dummy")

    async def life() -> None:
        links: list[MemoryLink] = []

        async def dial() -> MemoryLink:
            links.append(await host.dial())
            return links[-1]

        def go_away() -> None:
            host.server.go_away(links[-1].conn, 50.0, host.now)
            host.flush()

        transport = MemoryTransport(dial, transparent=False)
        async with relive.connect(client, model=MODEL, policy=POLICY, transport=transport) as session:
            await _live(session, go_away)

    try:
        await asyncio.gather(*(life() for _ in range(count)))
    finally:
        host.close()
        client.close()


@contextlib.asynccontextmanager
async def _served(port: int) -> AsyncIterator[tuple[TlsHost, genai.Client]]:
    async with TlsHost(FakeLiveServer(SCRIPT), port=port) as host:
        client = genai.Client(api_key="dummy", http_options=cast("Any", host.http_options()))
        try:
            yield host, client
        finally:
            client.close()


async def tls(count: int, *, port: int = 0) -> None:
    """So many lives at a time, over real TLS websockets, with the real SDK. Port 0 is any."""
    async with _served(port) as (host, client):

        async def life() -> None:
            async with relive.connect(client, model=MODEL, policy=POLICY) as session:
                server = host.server
                conn = next(conn for conn in server.live if _session(server, conn) == session.session_id)

                def go_away() -> None:
                    server.go_away(conn, 50.0, host.now)
                    host.flush()

                await _live(session, go_away)

        await asyncio.gather(*(life() for _ in range(count)))


def _session(server: FakeLiveServer, conn: int) -> str | None:
    session = server.session_of(conn)
    return session.id if session is not None else None


@attrs.define
class Course:
    """What was seen over the batches of one kind."""

    name: str
    batch: int
    before: Left
    after: Left
    seconds: float = 0.0
    traced: list[int] = attrs.Factory(list[int])
    "Bytes that Python had allocated after each batch."
    resident: list[int] = attrs.Factory(list[int])
    "Bytes of the process in memory then; 0 where that cannot be told."

    def growth(self, sizes: list[int]) -> float:
        """Bytes per session by which the last quarter of the batches is above the second one."""
        quarter = len(sizes) // 4
        if not quarter:
            return 0.0
        early, late = sizes[quarter : 2 * quarter], sizes[-quarter:]
        between = (len(sizes) - 2 * quarter) * self.batch
        return (statistics.median(late) - statistics.median(early)) / between

    def report(self) -> str:
        """All of it, as text."""
        count = len(self.traced) * self.batch
        lines = [f"{self.name}: {count} sessions, {self.batch} at a time, {count / self.seconds:.0f} a second"]
        after = attrs.asdict(self.after)
        lines += [f"  {what:8} {was} → {after[what]}" for what, was in attrs.asdict(self.before).items()]
        for what, sizes in (("traced", self.traced), ("resident", self.resident)):
            first, last = sizes[0] / 1024, sizes[-1] / 1024
            grown = self.growth(sizes)
            lines.append(f"  {what:8} {first:.0f} → {last:.0f} KiB (first, last batch): {grown:+.0f} bytes per session")
        return "\n".join(lines)


def _descriptors() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def _resident() -> int:
    statm = Path("/proc/self/statm")
    return int(statm.read_text("utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0


async def course(name: str, batch: Batch, count: int, size: int) -> Course:
    """Run so many sessions in batches of that size, and look after each."""
    await batch(size)  # whatever is made once is made now
    before = await Left.now()
    seen = Course(name, size, before, before)
    for _ in range(count // size):
        began = time.perf_counter()
        await batch(size)
        seen.seconds += time.perf_counter() - began
        seen.after = await left_since(before)
        seen.traced.append(tracemalloc.get_traced_memory()[0])
        seen.resident.append(_resident())
    return seen


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def main() -> int:
    """Run it. It exits with 1 if anything is left but memory, which it only tells."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.endurance", description="What sessions leave behind.")
    parser.add_argument("--memory", type=int, default=10_000, metavar="N", help="sessions over memory")
    parser.add_argument("--tls", type=int, default=1_000, metavar="N", help="sessions over TLS")
    options = parser.parse_args()
    tracemalloc.start()
    failed = False
    # The same port each time: Python remembers the URLs that it has taken apart.
    secure = functools.partial(tls, port=_free_port())
    for name, batch, count, size in (("memory", memory, options.memory, 250), ("tls", secure, options.tls, 25)):
        if count >= size:
            seen = asyncio.run(course(name, batch, count, size))
            print(seen.report(), flush=True)
            failed |= bool(seen.after.since(seen.before))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
