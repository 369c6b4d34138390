"""Two stages for one scenario: virtual time over memory, and real TLS websockets with the real SDK.

A scenario is written once, in seconds of its own, and played on both. In memory its seconds are those of a virtual
clock. Over TLS `scale` of them pass in one real second: every duration of its policy and of its server's script is
divided by that number, and so is what the scenario waits. What it does next hangs on what has happened (a transition,
a frame that the server consumed), never on a time that a busy machine could miss.

One admission. Bounds that a scenario is not about (how long a dial may take, an answer, a pong …) are not scaled to
less than `LEAST` real seconds: a handshake does not become faster with the script.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final, Literal, TypeAlias, TypeVar, cast

import attrs
import pytest
from google import genai
from google.genai import types
from tests.scenarios.world import COMPRESSED, DEVELOPER, VERTEX, World

import relive
from relive.clock import LoopClock
from relive.ports import Notice
from relive.testing import loop as sim
from relive.testing.host_memory import MemoryHost, MemoryLink
from relive.testing.host_tls import TlsHost
from relive.testing.server import FakeLiveServer
from relive.testing.server_script import CLOSES, ServerScript
from relive.transports.memory import MemoryTransport

T = TypeVar("T")
Kind: TypeAlias = Literal["memory", "tls"]
Scenario: TypeAlias = Callable[["Stage"], Coroutine[Any, Any, None]]

OPENED: Final = (
    "IDLE → CONNECTING on ConnectRequested",
    "CONNECTING → ACTIVE on ConnectionOpened: fresh",
)
DROPPED: Final = "ACTIVE → RESUMING on ConnectionDropped"
DRAINED: Final = "ACTIVE → DRAINING on GoAwayReceived"
REFUSED: Final = "RESUMING → HANDLE_EXPIRED on OpenFailed"
SEEDED: Final = "HANDLE_EXPIRED → CONNECTING on SeedAnswered"
RESUMED: Final = "RESUMING → ACTIVE on ConnectionOpened: resumed"
CLOSED: Final = "ACTIVE → CLOSED on CloseRequested"

LEAST: Final = 2.0
PATIENCE: Final = frozenset({
    "open_timeout", "setup_timeout", "close_grace", "probe_timeout", "answer_timeout", "retry_time",
    "load_timeout", "save_timeout", "seed_timeout", "send_timeout", "audio_age",
})  # fmt: skip
"Bounds of the policy that a slow machine could reach although the scenario does not."


def restored(reason: str) -> str:
    """A fresh session, after a loss of context for this reason."""
    return f"CONNECTING → ACTIVE on ConnectionOpened: not_restored({reason})"


def scaled(value: T, scale: float) -> T:
    """A policy or a script with each of its durations divided: they are its floats, all else is counts and words."""
    if isinstance(value, float):
        return cast("T", value / scale)
    if isinstance(value, tuple):
        return cast("T", tuple(scaled(item, scale) for item in cast("tuple[object, ...]", value)))
    if not attrs.has(type(value)):
        return value
    fields = {field.name: getattr(value, field.name) for field in attrs.fields(cast("Any", type(value)))}
    return attrs.evolve(cast("Any", value), **{name: scaled(was, scale) for name, was in fields.items()})


@attrs.define(eq=False)
class Play(World):
    """One session on a stage. Seconds are the scenario's."""

    stage: Stage = attrs.field(kw_only=True)

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds / self.stage.scale)

    async def until(self, met: Callable[[], object]) -> None:
        """Wait until something has happened, on whichever side."""
        tick, patience = (0.001, 20.0) if self.stage.kind == "tls" else (0.01, 1000.0)
        try:
            async with asyncio.timeout(patience):
                while not met():  # noqa: ASYNC110 - the fake server has no events to wait for
                    await asyncio.sleep(tick)
        except TimeoutError:
            raise AssertionError("it never happened; what did:\n" + "\n".join(self.transcript)) from None

    async def reached(self, state: str, times: int = 1) -> None:
        """Wait until the session has come into this state for the n-th time."""
        await self.until(lambda: sum(f"→ {state} on " in line for line in self.transcript) >= times)

    async def covered(self) -> None:
        """Wait until a handle covers all that was said."""
        await self.until(lambda: self.session.stats.frames_uncovered == self.session.stats.frames_waiting == 0)

    def go_away(self, time_left: float | str | None) -> None:
        """Have the server announce the end of the connection."""
        super().go_away(time_left / self.stage.scale if isinstance(time_left, float) else time_left)

    def ends(self, name: str) -> None:
        """Have the server close the connection with one of `CLOSES`."""
        self.close(*CLOSES[name])

    def black_hole(self) -> None:
        """Nothing passes any more, either way, and nobody is told. The server takes the client for gone."""
        if self.stage.kind == "memory":
            self.host.drop_everything(self.links[-1])
            return
        cast("TlsHost", self.host).freeze(self.conn)

    async def speak(self, seconds: float, *, rate: int = 50, tag: str = "f") -> list[bytes]:
        """Speak into the microphone; returns the frames, each of its own."""
        frames = [f"{tag}{number}".encode() for number in range(int(seconds * rate))]
        for frame in frames:
            await self.session.send_realtime_input(audio=types.Blob(data=frame, mime_type="audio/pcm;rate=16000"))
            await self.wait(1 / rate)
        return frames

    async def show(self, picture: bytes) -> None:
        """Show a frame of video."""
        await self.session.send_realtime_input(video=types.Blob(data=picture, mime_type="image/jpeg"))

    async def called(self) -> list[types.FunctionCall]:
        """Receive up to a tool call."""
        async for message in self.session.receive():
            self.heard.append(message)
            if message.tool_call is not None:
                return message.tool_call.function_calls or []
        raise AssertionError("the turn ended without a call")

    async def answer(self, calls: list[types.FunctionCall]) -> None:
        """Respond to tool calls."""
        responses = [types.FunctionResponse(id=call.id, name=call.name, response={"ok": True}) for call in calls]
        await self.session.send_tool_response(function_responses=responses)

    async def converse(self, text: str = "hello") -> None:
        """Ask, receive the answer, and wait until a handle covers both."""
        await self.ask(text)
        await self.turn()
        await self.covered()


@attrs.define(eq=False)
class Stage:
    """Where a scenario is played. `steps` and `told` are what is asserted: they must be the same on both stages."""

    kind: Kind
    scale: float
    "Seconds of the scenario that pass in a second of the loop."
    transcript: list[str] = attrs.Factory(list[str])
    notices: list[Notice] = attrs.Factory(list[Notice])
    server: FakeLiveServer = attrs.Factory(FakeLiveServer)
    host: MemoryHost | TlsHost | None = None

    def serve(self, script: ServerScript | None = None) -> FakeLiveServer:
        """The server of this scenario. Called once, before `open`; the durations of the script are the scenario's."""
        self.server = FakeLiveServer(scaled(script or ServerScript(), self.scale))
        return self.server

    def act(self, deed: Callable[..., None], *args: Any) -> None:
        """Let the server do something now, also before the session is up."""
        assert self.host is not None
        deed(*args, self.host.now)
        self.host.flush()

    def seconds(self, seconds: float) -> float:
        """What a server's deed that takes a time is to be given."""
        return seconds / self.scale

    def steps(self) -> list[str]:
        """Every transition: from, to, event, and how the connection came up."""
        return [line.split(" ", 1)[1] for line in self.transcript if "→" in line]

    def told(self) -> list[str]:
        """What the application heard: answers, and that one was cut (after how many chunks is a matter of time)."""
        lines = [line.split(" ", 1)[1] for line in self.transcript if "→" not in line]
        return ["interrupted" if line.startswith("interrupted") else line for line in lines if line[:4] != "ask "]

    def warned(self, what: str) -> int:
        """How often the observers were told of this."""
        return sum(notice.what == what for notice in self.notices)

    def transition(self, transition: relive.Transition) -> None:
        """Write it down: this stage is an observer of its sessions."""
        step = transition
        verdict = f": {step.verdict}" if step.dest == "ACTIVE" and step.verdict is not None else ""
        self.transcript.append(f"{step.at:.3f} {step.source} → {step.dest} on {step.event}{verdict}")

    def notice(self, notice: Notice) -> None:
        """Write it down."""
        self.notices.append(notice)

    def _policy(self, policy: relive.Policy | None, about: frozenset[str]) -> relive.Policy:
        asked = policy or relive.Policy()
        ours = scaled(asked, self.scale)
        if self.kind == "memory":
            return ours
        bounds = {name: getattr(asked, name) for name in PATIENCE - about}
        return attrs.evolve(
            ours, **{name: max(LEAST, bound / self.scale) for name, bound in bounds.items() if bound is not None}
        )

    @contextlib.asynccontextmanager
    async def open(
        self,
        *,
        policy: relive.Policy | None = None,
        about: tuple[str, ...] = (),
        vertex: bool = True,
        handle: str | None = None,
        **options: Any,
    ) -> AsyncIterator[Play]:
        """Open a session to the server.

        `about` names bounds of the policy that this scenario is about. On Vertex the server reports message indices,
        on the Developer API it does not. `handle` is put into the application's own configuration.
        """
        policy = self._policy(policy, frozenset(about))
        links: list[MemoryLink] = []
        async with self._host() as host:
            if isinstance(host, TlsHost):
                client = genai.Client(vertexai=vertex, api_key="dummy", http_options=cast("Any", host.http_options()))
            else:
                client = genai.Client(vertexai=vertex, api_key="dummy")
                transparent = vertex if policy.transparent is None else policy.transparent

                async def dial() -> MemoryLink:
                    links.append(await host.dial(VERTEX if vertex else DEVELOPER))
                    return links[-1]

                config = COMPRESSED if policy.compress else {}
                options["transport"] = MemoryTransport(dial, config=config, transparent=transparent)
            if handle is not None:
                options["config"] = {"session_resumption": {"handle": handle}}
            try:
                async with relive.connect(
                    client, model="models/memory", policy=policy, observers=[self], clock=LoopClock(seed=1), **options
                ) as session:
                    play = Play(cast("Any", host), session, self.transcript, self.notices, links, stage=self)
                    yield play
                if play.listening is not None:
                    await play.listening
            finally:
                client.close()
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("relive")]

    @contextlib.asynccontextmanager
    async def _host(self) -> AsyncIterator[MemoryHost | TlsHost]:
        if self.kind == "tls":
            async with TlsHost(self.server) as self.host:
                yield self.host
        else:
            self.host = memory = MemoryHost(self.server)
            try:
                yield memory
            finally:
                memory.close()


def _play(scenario: Scenario, kind: Kind, scale: float) -> None:
    if kind == "memory":
        sim.run(scenario(Stage("memory", 1.0)), max_time=100_000.0)
    else:
        asyncio.run(scenario(Stage("tls", scale)))


def on_both_stages(scale: float) -> Callable[[Scenario], Callable[[Kind], None]]:
    """Play it twice; over TLS so many of its seconds pass in a real one."""

    def decorate(scenario: Scenario) -> Callable[[Kind], None]:
        @pytest.mark.parametrize("kind", ["memory", pytest.param("tls", marks=pytest.mark.sockets)])
        @functools.wraps(scenario)
        def run(kind: Kind) -> None:
            _play(scenario, kind, scale)

        # pytest must see our signature, and pytest-asyncio must not take the test for its own.
        vars(run).pop("__wrapped__")
        return run

    return decorate
