"""A world on virtual time: the real SDK session over relive, the fake server in memory, and a transcript.

The transcript is what tests assert on: a line per transition and per thing that the application heard, with its time.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import attrs
from google import genai
from google.genai import types

import relive
from relive.clock import LoopClock
from relive.ports import Notice
from relive.testing import loop as sim
from relive.testing.host_memory import MemoryHost, MemoryLink
from relive.testing.server import FakeLiveServer
from relive.testing.server_script import ServerScript
from relive.transports.memory import MemoryTransport

VERTEX = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"
DEVELOPER = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
COMPRESSED = {"contextWindowCompression": {"slidingWindow": {}}}


def simulated(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test on a loop with virtual time."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        sim.run(test(*args, **kwargs), max_time=100_000.0)

    # pytest-asyncio must not take the test for its own.
    vars(run).pop("__wrapped__")
    return run


def now() -> float:
    return asyncio.get_running_loop().time()


@attrs.define
class World:
    """A session, the server behind it, and what happened."""

    host: MemoryHost
    session: relive.Session
    transcript: list[str]
    notices: list[Notice]
    links: list[MemoryLink]
    heard: list[types.LiveServerMessage] = attrs.Factory(list)
    listening: asyncio.Task[None] | None = None

    @property
    def server(self) -> FakeLiveServer:
        return self.host.server

    @property
    def conn(self) -> int:
        """The server's number of the live connection."""
        return self.server.live[-1]

    def act(self, deed: Callable[..., None], *args: Any) -> None:
        """Let the server do something now."""
        deed(*args, now())
        self.host.flush()

    def go_away(self, time_left: float | str | None) -> None:
        self.act(self.server.go_away, self.conn, time_left)

    def reset(self) -> None:
        self.act(self.server.reset, self.conn)

    def close(self, code: int, reason: str) -> None:
        self.act(self.server.close, self.conn, code, reason)

    def note(self, line: str) -> None:
        self.transcript.append(f"{now():.2f} {line}")

    def steps(self) -> list[str]:
        """The transitions alone, without times."""
        return [line.split(" ", 1)[1] for line in self.transcript if "→" in line]

    async def ask(self, text: str) -> None:
        self.note(f"ask {text}")
        await self.session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text=text)]))

    async def speak(self, seconds: float, *, rate: int = 50, tag: str = "f") -> list[bytes]:
        """Speak into the microphone; returns the frames, each of its own."""
        frames = [f"{tag}{number}".encode() for number in range(int(seconds * rate))]
        for frame in frames:
            await self.session.send_realtime_input(audio=types.Blob(data=frame, mime_type="audio/pcm;rate=16000"))
            await asyncio.sleep(1 / rate)
        return frames

    async def turn(self) -> str:
        """Receive one turn as an application would: an interruption throws away what came before it."""
        answer: list[str] = []
        async for message in self.session.receive():
            self.heard.append(message)
            content = message.server_content
            if content is None:
                continue
            if content.interrupted:
                self.note(f"interrupted after {len(answer)}")
                answer.clear()
            parts = (content.model_turn.parts or []) if content.model_turn else []
            answer.extend(part.text or "♪" for part in parts)
        whole = "".join(answer)
        self.note(f"heard {whole!r}" if "♪" not in whole else f"heard {len(whole)} chunks")
        return whole

    def listen(self) -> None:
        """Keep receiving turns in the background, to the end of the session."""

        async def forever() -> None:
            with contextlib.suppress(relive.ReliveError):
                while True:
                    await self.turn()

        self.listening = asyncio.get_running_loop().create_task(forever(), name="listener")

    def consumed(self, kind: Any = "audio") -> list[bytes]:
        """The ground truth: what the server has consumed, on the timeline that survived."""
        return [payload for payload in self.server.ground_truth(kind) if isinstance(payload, bytes)]


class _Recorder:
    def __init__(self, transcript: list[str], notices: list[Notice]) -> None:
        self._transcript = transcript
        self._notices = notices

    def transition(self, transition: relive.Transition) -> None:
        step = f"{transition.source} → {transition.dest} on {transition.event}"
        if transition.dest == "ACTIVE" and transition.verdict is not None:
            step += f": {transition.verdict}"
        self._transcript.append(f"{transition.at:.2f} {step}")

    def notice(self, notice: Notice) -> None:
        self._notices.append(notice)


@contextlib.asynccontextmanager
async def world(
    script: ServerScript | None = None,
    *,
    policy: relive.Policy | None = None,
    transparent: bool = True,
    compressed: bool = True,
    server: FakeLiveServer | None = None,
    dialled: Callable[[MemoryHost], Awaitable[None]] | None = None,
    **options: Any,
) -> AsyncIterator[World]:
    """Open a session to a fake server with this script. Nothing is left behind, or the test fails."""
    host = MemoryHost(server or FakeLiveServer(script or ServerScript()))
    links: list[MemoryLink] = []

    async def dial() -> MemoryLink:
        if dialled is not None:
            await dialled(host)
        link = await host.dial(VERTEX if transparent else DEVELOPER)
        links.append(link)
        return link

    options.setdefault(
        "transport", MemoryTransport(dial, transparent=transparent, config=COMPRESSED if compressed else {})
    )
    transcript: list[str] = []
    notices: list[Notice] = []
    client = genai.Client(vertexai=transparent, api_key="dummy")
    before = asyncio.all_tasks()
    try:
        async with relive.connect(
            client,
            model="models/memory",
            policy=policy or relive.Policy(),
            observers=[_Recorder(transcript, notices), *options.pop("observers", ())],
            clock=LoopClock(seed=1),
            **options,
        ) as session:
            world = World(host, session, transcript, notices, links)
            yield world
        if world.listening is not None:
            await world.listening
    finally:
        host.close()
        client.close()
    # Generators that a test leaves unfinished are closed by tasks of the loop's own, whenever they are collected.
    assert not [task for task in asyncio.all_tasks() - before if task.get_name().startswith("relive")]
