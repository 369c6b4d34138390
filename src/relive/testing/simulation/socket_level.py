"""The sockets level: the SDK over real TLS websockets, through a proxy that has the plan's network in it.

A plan's time is scaled: `SCALE` of its seconds pass in a real one. What a busy machine could miss is given time all the
same, so bounds of the policy that no fault is about (how long a dial may take, an answer, a pong) are never shorter
than `LEAST`. Times are the machine's here, so that two runs of a plan are alike in what happens, and not in when.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import time
from collections.abc import Iterable
from typing import Any, Final, TypeVar, cast

import attrs

from relive.clock import LoopClock
from relive.core.policy import OFTEN, Policy
from relive.ports import Connection, Opening, Transport
from relive.runtime.runtime import Runtime
from relive.testing.host_tls import TlsHost
from relive.testing.links import Line
from relive.testing.proxy import Proxy
from relive.testing.simulation import faults as f
from relive.testing.simulation.history import Dialled, History
from relive.testing.simulation.live import MODEL, Live
from relive.testing.simulation.plan import AudioSchedule, Client, Plan
from relive.testing.simulation.recording import Scribe
from relive.testing.simulation.taps import TappedTransport
from relive.testing.simulation.voices import SdkVoice, Voice
from relive.transports.genai import GenaiTransport

T = TypeVar("T")

SCALE: Final = 200.0
"Seconds of a plan that pass in a second."
LEAST: Final = 2.0
"Real seconds."
BOUNDS: Final = {
    **dict.fromkeys((
        "open_timeout", "setup_timeout", "close_grace", "probe_timeout", "answer_timeout", "retry_time", "load_timeout",
        "save_timeout", "seed_timeout", "send_timeout", "audio_age",
    ), LEAST),
    "coverage_margin": 0.1,
    **dict.fromkeys(("lease_ttl", "probe_after", "retry_cap", "rotate_after"), OFTEN),
}  # fmt: skip
"""The least, in real seconds, for bounds of the policy that a slow machine could reach although the plan does not, and
for what a policy may not have shorter."""
_RECOVERY: Final = 30.0
_PATIENCE: Final = 5.0
_LOOK: Final = 0.02
_RATES: Final = {AudioSchedule: "rate", f.Bandwidth: "rate"}


def play(plan: Plan) -> History:
    """Play a plan, and return what happened; times are in real seconds."""
    return asyncio.run(_OverSockets(scaled(plan)).run())


def scaled(value: T) -> T:
    """The same with every duration divided, and every rate multiplied: they are its floats, all else is counts."""
    if isinstance(value, float):
        return cast("T", value / SCALE)
    if isinstance(value, tuple):
        return cast("T", tuple(scaled(item) for item in cast("tuple[object, ...]", value)))
    if isinstance(value, dict):
        return cast("T", {key: scaled(item) for key, item in cast("dict[str, object]", value).items()})
    if not attrs.has(type(value)):
        return value
    fields = {field.name: getattr(value, field.name) for field in attrs.fields(cast("Any", type(value)))}
    rate = _RATES.get(cast("Any", type(value)), "")
    changed = {name: was * SCALE if name == rate else scaled(was) for name, was in fields.items()}
    if isinstance(value, Client):
        changed["policy"] = _policy(value)
    found = copy.copy(value)  # not made anew: bounds are of plans, and not of what is two hundred times faster
    for name, now in changed.items():
        object.__setattr__(found, name, now)
    return found


def _policy(client: Client) -> dict[str, Any]:
    """All settings that are durations, those of the default too."""
    policy = client.make_policy()
    settings: dict[str, Any] = {}
    for field in attrs.fields(Policy):
        was = getattr(policy, field.name)
        if field.metadata["unit"] == "s" and was is not None:
            settings[field.name] = max(BOUNDS.get(field.name, 0.0), was / SCALE)
        elif field.name != "classify":
            settings[field.name] = was
    settings["compress"] = client.compressed
    return settings


class _Clock(LoopClock):
    """The loop's clock, with a wall clock that can be set."""

    def __init__(self, seed: int, live: _OverSockets) -> None:
        super().__init__(seed)
        self._live = live

    def wall(self) -> float:
        """Wall-clock seconds."""
        return self._live.wall()


class _OverSockets(Live):
    """A simulation over real sockets."""

    def __init__(self, plan: Plan) -> None:
        self._step = 0.0
        super().__init__(plan, recovery=_RECOVERY, patience=_PATIENCE, look=_LOOK, scale=SCALE)
        self._host: TlsHost
        self._proxies: list[Proxy] = []
        self._clients: list[Any] = []

    async def run(self) -> History:
        from google import genai

        vertex = self.plan.service.backend == "vertex"
        async with contextlib.AsyncExitStack() as stack:
            self._host = host = await stack.enter_async_context(TlsHost(self.server))
            for _ in range(self.plan.herd):
                name, _, port = host.base_url.rpartition(":")
                proxy = Proxy(self.network, "127.0.0.1", int(port))
                self._proxies.append(await stack.enter_async_context(proxy))
                options = {**host.http_options(), "base_url": f"{name}:{proxy.port}"}
                client = genai.Client(vertexai=vertex, api_key="simulated", http_options=cast("Any", options))
                stack.callback(client.close)
                self._clients.append(client)
            return await self.play()

    async def left_over(self, others: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
        """Those of the client: the server's, which are in the same loop, take their time with dead connections."""
        tasks = {task for task in asyncio.all_tasks() - others if task.get_name().startswith("relive")}
        if tasks:
            await asyncio.wait(tasks, timeout=LEAST)
        return {task for task in tasks if not task.done()}

    def wall(self) -> float:
        return time.time() + self._step

    def clock(self, seed: int) -> LoopClock:
        return _Clock(seed, self)

    def transport(self, client: int, scribe: Scribe) -> Transport:
        sdk = GenaiTransport(self._clients[client], model=MODEL, config=None, policy=self.policy)
        return _Transport(sdk, scribe, self)

    def voice(self, runtime: Runtime, scribe: Scribe) -> Voice:
        return SdkVoice(runtime, runtime.transport, self._clients[scribe.client], scribe)

    def came_up(self, scribe: Scribe, number: int, session_id: str | None) -> None:
        """A client's connection belongs to this session of the server's."""
        for conn in self.server.live:
            session = self.server.session_of(conn)
            if session is not None and session.id == session_id:
                self.dialled(scribe.client, conn)
                self.history.dialled.setdefault(conn, Dialled(scribe.client, scribe.life.number, number))

    def lines(self, client: int) -> Iterable[Line[Any]]:
        proxies = self._proxies if client < 0 else self._proxies[client : client + 1]
        return [line for proxy in proxies for line in proxy.lines]

    def conns(self, client: int) -> tuple[int, ...]:
        return self.server.live if self.plan.herd == 1 else super().conns(client)

    def flush(self) -> None:
        self._host.flush()

    def step_wall(self, seconds: float) -> None:
        self._step += seconds


class _Transport(TappedTransport):
    """Tells of the connections that came up: only the server's end of them has a number."""

    def __init__(self, inner: Transport, scribe: Scribe, live: _OverSockets) -> None:
        super().__init__(inner, scribe)
        self._live = live

    async def open(self, opening: Opening) -> Connection:
        """Open a connection."""
        connection = await super().open(opening)
        self._live.came_up(self.scribe, opening.number, connection.session_id)
        return connection
