"""Frames in and out: the SDK's session over relive against the SDK's session over its own websocket.

Both talk to the same server, over TLS on the loopback interface. What is compared is processor time of this process per
frame, so the server and other processes do not count.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any

import attrs
from google import genai
from google.genai import types
from google.genai.live import AsyncSession
from tests.bench.figures import Figure, added
from tests.bench.firehose import firehose

import relive

SIZES = (1, 4, 32)
MODEL = "models/bench"
FRAMES = 500
"Frames in a round: ten seconds of audio in frames of 1 KB."

POLICY = relive.Policy(probe=False)
"Pings are left out: they come every few seconds, and a server that hears nothing does not answer them."

_BATCHES = 4

Work = Callable[[AsyncSession], Awaitable[object]]


async def to_end_of_turn(session: AsyncSession) -> int:
    """Receive one turn; returns how many messages it had."""
    count = 0
    async for _ in session.receive():
        count += 1
    return count


async def settle(session: AsyncSession) -> None:
    """Wait until the server has read everything, so that every round begins with empty buffers."""
    await session.send_realtime_input(text="done")
    await to_end_of_turn(session)


def receiving(size: int) -> Work:
    """A round of receiving: the frames are asked for, then received as fast as they can be."""

    async def work(session: AsyncSession) -> None:
        await session.send_realtime_input(text=f"give {size} {FRAMES}")
        assert await to_end_of_turn(session) == FRAMES + 1

    return work


def sending(size: int) -> Work:
    """A round of sending."""
    blob = types.Blob(data=os.urandom(size), mime_type="audio/pcm;rate=16000")

    async def work(session: AsyncSession) -> None:
        for _ in range(FRAMES):
            await session.send_realtime_input(audio=blob)

    return work


class Swallow:
    """Stands in for a socket's transport and forgets what is written to it. All else is the real one's."""

    def __init__(self, transport: object) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)

    def write(self, data: object) -> None:
        """Forget it."""


@contextlib.contextmanager
def swallowing(session: AsyncSession) -> Iterator[None]:
    """Have nothing that is sent reach the socket; framing and TLS are as always. The connection is lost by that.

    What the kernel takes for a frame varies by half from round to round, mostly with whether the server sleeps then.
    """
    holder: Any = session._runtime.link if isinstance(session, relive.Session) else None
    holder = holder.connection if holder is not None else session
    transport = holder._ws.transport
    tls = transport._ssl_protocol
    tls._transport = Swallow(tls._transport)
    try:
        yield
    finally:
        transport.abort()


@attrs.frozen
class Samples:
    """Microseconds of processor time per frame, round by round."""

    bare: list[float] = attrs.field(factory=list[float])
    ours: list[float] = attrs.field(factory=list[float])
    control: list[float] = attrs.field(factory=list[float])

    @property
    def base(self) -> list[float]:
        """The mean of both bare sessions."""
        return [(one + other) / 2 for one, other in zip(self.bare, self.control, strict=True)]

    def figure(self, name: str, limit: float | None, base: Sequence[float] = ()) -> Figure:
        """What ours adds, in percent of its base, or of another one."""
        unrest = added("", self.bare, self.control, None).value
        note = f" a frame; bare against bare {unrest:+.1f} %"
        return added(name, self.base, self.ours, limit, whole=base, note=note)


async def compare(client: genai.Client, work: Work, rounds: int, *, warm_up: int = 2, swallow: bool = False) -> Samples:
    """Interleave rounds of a bare session, one over relive, and a second bare one, in changing order.

    In a few batches with new sessions, since where things lie in memory makes a session dearer by a percent or two.
    """
    samples = Samples()
    for _ in range(_BATCHES):
        async with contextlib.AsyncExitStack() as stack:
            trio = await stack.enter_async_context(sessions(client))
            if swallow:
                for session in trio:
                    stack.enter_context(swallowing(session))
            order = list(zip(trio, (samples.bare, samples.ours, samples.control), strict=True))
            for number in range(warm_up + rounds // _BATCHES):
                for session, found in order:
                    began = time.process_time_ns()
                    await work(session)
                    spent = time.process_time_ns() - began
                    if not swallow:
                        await settle(session)
                    if number >= warm_up:
                        found.append(spent / 1000 / FRAMES)
                order = order[1:] + order[:1]
    return samples


@contextlib.asynccontextmanager
async def sessions(client: genai.Client) -> AsyncIterator[tuple[AsyncSession, AsyncSession, AsyncSession]]:
    """A bare session, one over relive, and a second bare one, against which the first shows the machine's unrest."""
    async with (
        client.aio.live.connect(model=MODEL) as bare,
        relive.connect(client, model=MODEL, policy=POLICY) as ours,
        client.aio.live.connect(model=MODEL) as control,
    ):
        yield bare, ours, control


async def receive(rounds: int) -> list[Figure]:
    """Receiving, at each size."""
    figures: list[Figure] = []
    async with firehose() as client:
        for size in SIZES:
            samples = await compare(client, receiving(size * 1024), rounds)
            figures.append(samples.figure(f"receive, {size} KB", 4.0))
    return figures


async def send(rounds: int) -> list[Figure]:
    """Sending, at each size.

    relive hands the websocket the same frames that it would get without relive, in as many calls, so it adds nothing
    below. What it adds is therefore measured up to the socket, and compared with what the bare SDK takes for all of it.
    """
    figures: list[Figure] = []
    async with firehose() as client:
        for size in SIZES:
            work = sending(size * 1024)
            # Until the journal is full: from then on its memory is used again, frame by frame.
            warm_up = relive.Policy().journal_limit // (size * 1365 * FRAMES) + 2
            short = await compare(client, work, rounds, warm_up=warm_up, swallow=True)
            whole = await compare(client, work, rounds, warm_up=warm_up)
            figures.append(short.figure(f"send, {size} KB", 5.0, whole.base))
            figures.append(short.figure("  less the socket in the base", None))
            figures.append(whole.figure("  with the socket in both", None))
    return figures
