"""A Hypothesis state machine to subclass: it talks to a session, breaks what is around it, and looks what came of it.

    class TestMine(LiveSessionMachine.TestCase): ...

`LiveSessionMachine` plays with a session of relive's own. For an application of yours override `make_agent`, have its
sessions report to the machine (``observers=[self]``), and add rules that have it do things with ``self.run(…)``: what
it is to say goes into `said`, what it is to speak into `spoken`. What goes wrong is done to `host` or `server`, as in
``self.host.freeze(self.host.newest)``. Everything happens on a `SimLoop`, step by step:
between two rules time stands still, and `wait` lets it pass. After the last rule everything is calm, and nothing may be
missing but audio that a verdict told as dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, cast

import relive
from relive.core.table import TABLE
from relive.extras import extra
from relive.testing.host_tls import TlsHost
from relive.testing.loop import SimLoop
from relive.testing.server import FakeLiveServer
from relive.testing.server_model import EchoModel
from relive.testing.server_script import CLOSES, Limits, ServerScript, Updates
from relive.testing.simulation.embedding import make_client

with extra("testing", __name__):
    from hypothesis import strategies as st
    from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

if TYPE_CHECKING:
    from google.genai import Client

T = TypeVar("T")
_CALM = 120.0
_REFUSALS = 5
"Dials that are refused in the life of a machine: half of what a session may spend in a row."
_CAUSES = ("abnormal", "going_away", "unavailable", "internal_error", "deadline_expired", "operation_aborted")
_KNOWN = frozenset((source, source if row.dest == "=" else row.dest) for row in TABLE.rows for source in row.sources)


class Agent(Protocol):
    """What the machine talks to."""

    async def say(self, text: str) -> None:
        """Say something that the model answers. Need not wait for that."""
        ...

    async def speak(self, sound: bytes) -> None:
        """Let the model hear a chunk of sound."""
        ...


class RelayAgent:
    """A session, and somebody who listens to it.

    Args:
        session: to be talked through.
    """

    def __init__(self, session: relive.Session) -> None:
        self.session = session
        self.heard: list[str] = []
        "What the model said, turn by turn."

    async def say(self, text: str) -> None:
        """Send a turn."""
        await self.session.send_client_content(turns={"role": "user", "parts": [{"text": text}]})

    async def speak(self, sound: bytes) -> None:
        """Send a chunk of audio."""
        session: Any = self.session  # the SDK has no types for pictures here
        await session.send_realtime_input(audio={"data": sound, "mime_type": "audio/pcm;rate=16000"})

    async def listen(self) -> None:
        """Receive, to the end of the session."""
        with suppress(relive.ReliveError):
            while True:
                said = ""
                async for message in self.session.receive():
                    content = message.server_content
                    said = "" if content is not None and content.interrupted else said + (message.text or "")
                self.heard.append(said)


class LiveSessionMachine(RuleBasedStateMachine):
    """Rules, and what must be true between them."""

    script: ClassVar[ServerScript] = ServerScript(
        model=EchoModel(chunks=2, interval=0.5), updates=Updates(late=0.1), limits=Limits(), vad_silence=None
    )
    "How the server behaves."
    policy: ClassVar[relive.Policy] = relive.Policy(stable_after=0.0)
    "Of the session that `make_agent` opens. It does not give up, however soon what has come up is cut again."

    @initialize()
    def begin(self) -> None:
        """Open the world, and the session in it."""
        self.runner = asyncio.Runner(loop_factory=partial(SimLoop, max_time=100_000.0))
        self.loop = cast("SimLoop", self.runner.get_loop())
        self.server = FakeLiveServer(self.script)
        self.host = TlsHost(self.server)
        self.spoken: list[bytes] = []
        self.said: list[str] = []
        self.steps: list[tuple[str, str]] = []
        self.refusals = 0
        self._failed = asyncio.Event()
        "The model has failed, and the session been told of it in some way."
        self.broken = False
        "Context may have been lost, by what was done to handles."
        self.dropped = 0
        "Frames that verdicts told as dropped: audio that was too old to be sent again."
        self.runner.run(self.host.__aenter__())
        self.client = make_client(self.host)
        self.manager = self.make_agent(self.client)
        self.agent: Any = self.runner.run(self.manager.__aenter__())

    def make_agent(self, client: Client) -> AbstractAsyncContextManager[Agent]:
        """Open the application that is to be tested. Override it for one of yours.

        Its `relive.connect` has to be given ``observers=[self]``: a machine that is told of no step fails.
        """
        return self._relay(client)

    @asynccontextmanager
    async def _relay(self, client: Client) -> AsyncGenerator[RelayAgent]:
        async with relive.connect(client, model="m", policy=self.policy, observers=[self]) as session:
            agent = RelayAgent(session)
            listening = asyncio.ensure_future(agent.listen())
            yield agent
        await listening

    def transition(self, transition: relive.Transition) -> None:
        """Note a step of the session: the machine is its observer."""
        self.steps.append((transition.source, transition.dest))
        if self.server.model_failure is not None:
            self._failed.set()
        if transition.event == "ConnectionOpened" and transition.verdict is not None:
            self.dropped += transition.verdict.dropped

    def notice(self, notice: Any) -> None:
        """Observers are told of notices, too."""

    def run(self, what: Awaitable[T]) -> T:
        """Have something done, and let the world react to it."""

        async def done() -> T:
            async with asyncio.timeout(1000.0):
                result = await what
            for _ in range(20):
                await asyncio.sleep(0)
            return result

        main: Coroutine[Any, Any, T] = done()
        return self.runner.run(main)

    def act(self) -> None:
        """Perform what the server wants done, after acting on it."""

        async def flush() -> None:
            self.host.flush()

        self.run(flush())

    @property
    def now(self) -> float:
        """The time, in virtual seconds."""
        return self.loop.time()

    # What the user does.

    @rule()
    def say(self) -> None:
        """Say something that the model answers."""
        text = f"turn number {len(self.said) + 1}"
        self.said.append(text)
        self.run(self.agent.say(text))

    @rule(chunks=st.integers(1, 5))
    def speak(self, chunks: int) -> None:
        """Let the model hear something, each chunk unlike all others."""
        for _ in range(chunks):
            sound = f"sound {len(self.spoken) + 1}".encode()
            self.spoken.append(sound)
            self.run(self.agent.speak(sound))

    @rule(seconds=st.sampled_from((1.0, 0.1, 5.0, 30.0)))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.run(self._pass(seconds))

    async def _pass(self, seconds: float) -> None:
        # Not on when the model fails: the session then dials, asks and is dropped thousands of times a second.
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._failed.wait()
        self.model_answers()

    # What goes wrong.

    def _is_up(self) -> bool:
        return bool(self.server.live)

    @precondition(_is_up)
    @rule(time_left=st.sampled_from((10.0, 1.0, 0.0, None)))
    def go_away(self, time_left: float | None) -> None:
        """Have the server announce the end of the connection."""
        self.server.go_away(self.server.live[-1], time_left, self.now)
        self.act()

    @precondition(_is_up)
    @rule()
    def reset(self) -> None:
        """Reset the connection."""
        self.server.reset(self.server.live[-1], self.now)
        self.act()

    @precondition(_is_up)
    @rule(cause=st.sampled_from(_CAUSES))
    def close(self, cause: str) -> None:
        """Have the server close the connection."""
        self.server.close(self.server.live[-1], *CLOSES[cause], self.now)
        self.act()

    @precondition(_is_up)
    @rule()
    def expire(self) -> None:
        """Have the server forget all handles, and the connection with them."""
        self.broken = True
        self.server.expire_handles(self.now)
        self.reset()

    @precondition(_is_up)
    @rule(seconds=st.sampled_from((1.0, 3.0)))
    def hold(self, seconds: float) -> None:
        """Let nothing pass for a while; it comes afterwards."""
        links = self.loop.network.links
        links.hold()
        self.run(asyncio.sleep(seconds))
        links.release()
        self.act()

    @precondition(lambda machine: machine.refusals < _REFUSALS)
    @rule()
    def refuse(self) -> None:
        """Have the server refuse the next dial; not so often that a session may give up."""
        self.refusals += 1
        self.server.refuse_next(503)

    # What must be true.

    @invariant()
    def model_answers(self) -> None:
        """The model has not failed: if it has, nothing else can be told."""
        if self.server.model_failure is not None:
            raise self.server.model_failure

    @invariant()
    def states_are_legal(self) -> None:
        """Every step that was reported is one of the table, and some were."""
        assert self.steps or not self.server.sessions, (
            "no session reported its steps: make_agent must give observers=[self] to relive.connect"
        )
        strange = [step for step in self.steps if step not in _KNOWN]
        assert not strange, f"the table has no step {strange[0]}"

    @invariant()
    def order_is_kept(self) -> None:
        """What was consumed was said, in the order in which it was said, and once."""
        for kind, said in (("audio", self.spoken), ("content", self.said)):
            heard = self.heard_by_server(kind)
            made_up = [item for item in heard if item not in said]
            assert not made_up, f"of {kind} the server consumed {made_up[0]!r}, which was changed, or never said"
            left = iter(said)  # `in` goes on from where it was
            assert all(item in left for item in heard), f"of {kind} the server consumed {heard}, and said was {said}"

    def heard_by_server(self, kind: Any) -> list[Any]:
        """What the server consumed in its newest session."""
        sessions = self.server.sessions
        return list(sessions[-1].payloads(kind)) if sessions else []

    def teardown(self) -> None:
        """Let everything come to rest, and insist that nothing is missing."""
        if not hasattr(self, "agent"):
            return
        try:
            self.model_answers()
            self.run(self._pass(_CALM))
            self.order_is_kept()
            if not self.broken:
                lost = len(self.spoken) - len(self.heard_by_server("audio"))
                assert lost <= self.dropped, "not all that was spoken was consumed, or told as dropped"
                assert self.heard_by_server("content") == self.said, "not all that was said was consumed"
        finally:
            self.run(self.manager.__aexit__(None, None, None))
            self.run(self.client.aio.aclose())
            self.run(self.host.__aexit__(None, None, None))
            self.runner.close()
