"""The runtime level: the real runtime on virtual time, and links in memory to the fake server.

The application talks to it in frames or, at the session level, with the methods of the SDK's session.
"""

from __future__ import annotations

import asyncio
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from relive.clock import LoopClock, wall_clock
from relive.runtime.runtime import Runtime
from relive.testing.host_memory import MemoryHost, MemoryLink
from relive.testing.links import Line
from relive.testing.loop import SimLoop
from relive.testing.server_client import DEVELOPER_PATH, VERTEX_PATH
from relive.testing.simulation.history import History
from relive.testing.simulation.live import MODEL, RECOVERY, Live, most_steps
from relive.testing.simulation.plan import Plan
from relive.testing.simulation.recording import RecordingTransport, Scribe
from relive.testing.simulation.voices import FrameVoice, SdkVoice, Voice
from relive.transports.memory import MemoryTransport

if TYPE_CHECKING:
    from google.genai import Client

_COMPRESSED: dict[str, Any] = {"contextWindowCompression": {"slidingWindow": {}}}


def play(plan: Plan, *, sdk: bool = False) -> History:
    """Play a plan, and return what happened. `sdk`: under the SDK's session.

    Raises:
        Deadlock: the session waits for what cannot come.
        TimeLimit: it never came to an end.
    """
    limit = plan.seconds + 2 * RECOVERY + 1000.0
    with asyncio.Runner(loop_factory=partial(SimLoop, max_time=limit, max_steps=most_steps(plan))) as runner:
        return runner.run(InMemory(plan, sdk=sdk).run())


@cache
def _client() -> Client:
    """One for all: it opens no connection, it only knows the names of things."""
    from google import genai

    return genai.Client(api_key="simulated")


class InMemory(Live):
    """A simulation in memory: in virtual time on a `SimLoop`, and on any other loop in that one's."""

    def __init__(self, plan: Plan, *, sdk: bool) -> None:
        super().__init__(plan)
        self._sdk = sdk
        self.host: MemoryHost

    async def run(self) -> History:
        """Play the plan on the running loop."""
        self.host = MemoryHost(self.server, self.network)
        try:
            return await self.play()
        finally:
            self.host.close()

    def wall(self) -> float:
        """The wall clock."""
        return wall_clock()

    def clock(self, seed: int) -> LoopClock:
        """The loop's clock, and chance of its own."""
        return LoopClock(seed=seed)

    def transport(self, client: int, scribe: Scribe) -> MemoryTransport:
        """Dials the host in memory."""
        vertex = self.plan.service.backend == "vertex"

        async def dial() -> MemoryLink:
            link = await self.host.dial(VERTEX_PATH if vertex else DEVELOPER_PATH)
            self.dialled(client, link.conn)
            return link

        return RecordingTransport(
            dial,
            scribe,
            model=MODEL,
            config=_COMPRESSED if self.plan.client.compressed else {},
            transparent=vertex if self.policy.transparent is None else self.policy.transparent,
        )

    def voice(self, runtime: Runtime, scribe: Scribe) -> Voice:
        """Frames, or the SDK."""
        return SdkVoice(runtime, runtime.transport, _client(), scribe) if self._sdk else FrameVoice(runtime, scribe)

    def lines(self, client: int) -> list[Line[Any]]:
        """The links of a client that are open; -1 for all."""
        return [self.host.link(conn).line for conn in self.conns(client)]

    def flush(self) -> None:
        """Perform what the server wants done."""
        self.host.flush()

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock, if it is a simulated one."""
        if isinstance(self.loop, SimLoop):
            self.loop.step_wall(seconds)
