"""Plays a plan against an application: its own code, its own sessions, the SDK, and everything that goes wrong.

`play_agent` runs an application on virtual time. It gets a `google.genai.Client` whose Live API is a fake server in
memory, over the unmodified websocket library, and uses `relive.connect` as it always does. `hold_agent` holds it to
relive's promises and to claims of its own, and says how to see again what went wrong.

An application may have as many sessions as it likes, at a time or one after the other; each is judged by itself. A step
of a plan that waits for a state strikes the connections of the session that comes into it, any other those of all.

Chaos brings what concerns the network, the server, the wall clock and the process (`APPLICABLE`). Faults of parts that
only our own simulations have (their store, hook, user) are left out, and noted as such.

When a process crashes its connections are reset, nothing is saved from then on, no lease is let go, and all its tasks
are cancelled; the application is called anew after a while. Python cannot stop in the middle: what is in a `finally` is
still run, up to where it waits, and what was left to `call_later` is called. What a process leaves running when the
application returns ends likewise.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

import attrs

from relive.testing.host_tls import TlsHost
from relive.testing.loop import SimLoop
from relive.testing.loop_halts import Halt
from relive.testing.server import FakeLiveServer
from relive.testing.server_model import Model, ModelFailed
from relive.testing.simulation.faults import FAULTS
from relive.testing.simulation.history import History
from relive.testing.simulation.live import RECOVERY, most_steps
from relive.testing.simulation.outcome import Violation
from relive.testing.simulation.plan import Plan
from relive.testing.simulation.script import script_of
from relive.testing.simulation.surroundings import insist_on_a_plan, insist_on_no_loop, quiet

if TYPE_CHECKING:
    from google.genai import Client

    from relive.testing.simulation.embedding_watch import Watch

Agent: TypeAlias = "Callable[[Client], Awaitable[object]]"
"An application, an async function: given a client it does its work, and returns when that is done."
Claim: TypeAlias = "Callable[[AgentHistory], object]"
"A function, not an async one: raises `AssertionError` if a history is not as it should be. What it returns is ignored."

LEFT_OUT: Final = frozenset(
    {"SlowStore", "FailingStore", "SlowHook", "StopReading", "Clog", "Burst", "Stray", "Hangup"}
)
"Faults of what an application has for itself, or not at all."
APPLICABLE: Final = tuple(name for name in FAULTS if name not in LEFT_OUT)
"Names of the faults that are brought upon an application."
_KEY: Final = "none"
_HANDLE: Final = re.compile(r'"handle": ?("(?:[^"\\]|\\.)+")')
"In the frame that begins a connection."
_STEPS: Final = 10.0
"So many times the steps of a simulation without the SDK: it takes more of them for a frame."


class AgentHistory(History):
    """What happened to an application."""

    def __init__(self, plan: Plan, server: FakeLiveServer) -> None:
        super().__init__(plan, server)
        self.returned: Any = None
        "What the application returned."
        self.error: BaseException | None = None
        "What it raised; of a skipped test (`pytest.skip`) that."
        self.late = ""
        "Where it waited when it was stopped: it had not come to an end long after the faults had, or could not."
        self.runs = 0
        "How often it was called: once more than it crashed."
        self.again: Literal["", "here", "elsewhere"] = ""
        "Where it was run again to the same effect: here alone, or in another process as well."
        self.watch: Watch
        self.violations: tuple[Violation, ...] = ()
        "Promises of relive's that were not kept."
        self._frames: deque[tuple[int, str]] = deque()

    def sent(self, conn: int, frame: str | bytes, now: float) -> None:
        """The server was sent a frame."""
        text = frame if isinstance(frame, str) else frame.decode(errors="replace")
        if text.startswith('{"setup"'):
            text = _HANDLE.sub(self._hide, text)
        self._frames.append((len(self.records), f"at {now:.6f} s, connection {conn} is sent {text}"))

    def _hide(self, found: re.Match[str]) -> str:
        """A handle in a frame, without telling it."""
        return f'"handle": "{self.name(json.loads(found[1]))}"'

    def account(self) -> list[str]:
        """All that must be the same when it is run again: the trace, the frames in it, and how it ended.

        Handles appear by fingerprint, as they do in traces.
        """
        header, *lines = self.lines()
        found, frames = [header], self._frames.copy()
        for number, line in enumerate(lines):
            while frames and frames[0][0] <= number:
                found.append(frames.popleft()[1])
            found.append(line)
        how = "late" if self.late else "well" if self.error is None else f"with {type(self.error).__name__}"
        return [*found, *(line for _, line in frames), f"at {self.ended:.6f} s it ended {how}"]

    @property
    def gave_up(self) -> bool:
        """Whether the application ended because relive had given a session up: no way back, or a final refusal.

        It may have given up several: a group of such errors and nothing else counts as well.
        """
        from relive.errors import SessionFailed

        return self.error is not None and BaseExceptionGroup("", [self.error]).split(SessionFailed)[1] is None

    @property
    def cut_short(self) -> int:
        """Turns that relive ended itself, because their answer had stopped twice."""
        return sum(record.what == "turn_complete" for record in self.of("made"))

    @property
    def states(self) -> list[str]:
        """The states that its sessions went through, in order, all sessions together."""
        return self.states_of(None)

    def states_of(self, session: int | None) -> list[str]:
        """Likewise of one session: they are counted from 0, in the order in which they were begun."""
        return [record.data[1] for record in self.of("step", session) if record.data[0] != record.data[1]]


def play_agent(agent: Agent, plan: Plan, *, model: Model | None = None) -> AgentHistory:
    """Run an application through a plan, and return what happened.

    Args:
        agent: the application, an async function. It must not depend on anything but its client and its event loop. Of
            the client only the Live API works: nothing answers to what goes over HTTP, such as `generate_content`.
        plan: what the service is like, and what goes wrong. Who says what (`talk`), with which settings (`client`), in
            how many sessions (`herd`), and how long the model thinks (`service.thinking`) is the application's affair,
            and its model's: these are not used.
        model: answers; by default one that echoes. If it failed, ``history.server.model_failure`` says how.

    What relive logs meanwhile is left out, unless the logger ``relive`` has been given a level.

    Raises:
        TypeError: the application is no async function, or the plan no plan.
        LoopIsRunning: it was called inside an event loop.
    """
    from relive.testing.simulation.embedding_checks import check
    from relive.testing.simulation.embedding_play import Play, Server

    insist_on_no_loop("play_agent")
    insist_on_a_plan(plan)
    server = Server(_script(plan, model), seed=plan.stream("server").getrandbits(32))
    history = AgentHistory(plan, server)
    server.told = history.sent
    play = Play(agent, history)
    make_loop = partial(SimLoop, max_time=plan.seconds + 2 * RECOVERY + 1000.0, max_steps=_STEPS * most_steps(plan))
    try:
        with quiet(), asyncio.Runner(loop_factory=make_loop) as runner:
            try:
                runner.run(play.run())
            except Halt as stuck:
                play.halted(stuck)
    except Halt:
        pass  # whoever cannot be cancelled is cut off when the loop is closed
    except SystemExit as error:  # asyncio lets it pass, out of all that there is
        history.error, history.ended = error, play.now()
    if play.over:
        history.violations = check(history)
    return history


def hold_agent(
    agent: Agent,
    plan: Plan,
    *claims: Claim,
    model: Model | None = None,
    twice: bool = False,
) -> AgentHistory:
    """Run an application through a plan, and hold it to relive's promises and to claims of its own.

    One that opens no session has not been held to anything, and that is wrong as well.

    Args:
        agent: as for `play_agent`.
        plan: likewise.
        claims: called with the history, one after the other; see `Claim`.
        model: as for `play_agent`. If it fails nothing else is looked at.
        twice: run it again, and insist that the same happens and the same is sent: once here and, if `pickle` can send
            it there, once in a process with another hash seed, which takes a second or two. See `embedding_again`.

    Raises:
        AssertionError: something is not as it should be; says what, and how to see it again. What the application, the
            model or a claim raised is its cause.
        TypeError: the application or a claim is not the kind of function that it should be, or the plan no plan.
        LoopIsRunning: it was called inside an event loop.
        RuntimeError: the other process died.
        BaseException: what is for whoever runs the test, and no failure: `assume` of Hypothesis, `pytest.skip`, Ctrl-C.
    """
    from relive.testing.simulation.embedding_again import run_again
    from relive.testing.simulation.embedding_tell import tell_agent

    insist_on_no_loop("hold_agent")
    history = play_agent(agent, plan, model=model)
    try:
        if history.server.model_failure is not None:
            raise history.server.model_failure
        if history.error is not None and _is_for_the_runner(history.error):
            raise history.error
        if twice:
            run_again(agent, history, model)
        _insist(history)
        for claim in claims:
            _ask(claim, history)
    except (AssertionError, ModelFailed) as error:
        said = tell_agent(agent, history, str(error), claims=claims, model=model, twice=twice)
        raise AssertionError(said) from error.__cause__ or error
    return history


def _insist(history: AgentHistory) -> None:
    """Insist that an application came to its end, and that there were promises, which were kept.

    Raises:
        AssertionError: it is not so; says what, and from what it came.
    """
    from relive.testing.simulation.embedding_tell import named, told

    wrong: list[str] = []
    if history.late:
        wrong.append(f"the application has not come to its end by {history.ended:.0f} s: {history.late}")
    elif history.error is not None and not history.gave_up:
        wrong.append(f"the application raised {told(history.error)}")
    wrong += [named(history, broken) for broken in history.violations[:5]]
    if not (wrong or history.clients):
        wrong.append("the application opened no session with relive.connect: there is nothing to hold to a promise")
    if wrong:
        raise AssertionError("\n".join(wrong)) from history.error


def _ask(claim: Claim, history: AgentHistory) -> None:
    """Ask whether a claim holds.

    Raises:
        AssertionError: it does not, or cannot tell: then what it raised is the cause.
        TypeError: it is async.
    """
    from relive.testing.simulation.embedding_tell import name_of, told

    try:
        said = claim(history)
    except AssertionError as error:
        if str(error):
            raise
        raise AssertionError(f"the claim {name_of(claim)} does not hold") from error
    except BaseException as error:
        if _is_for_the_runner(error):
            raise
        raise AssertionError(f"the claim {name_of(claim)} raised {told(error)}") from error
    if inspect.isawaitable(said):
        if inspect.iscoroutine(said):
            said.close()
        raise TypeError(f"a claim is no async function, for all is over when it is asked: {name_of(claim)} is one")


def _is_for_the_runner(error: BaseException) -> bool:
    """Whether this is a word to whoever runs the test, such as `assume` of Hypothesis or `pytest.skip`, and no failure.

    `pytest.fail` raises what is no `Exception` either, but is one.
    """
    homes = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}  # pytest's say that they are builtins
    word = bool(homes & {"hypothesis", "unittest", "_pytest"}) and type(error).__name__ != "Failed"
    return word or isinstance(error, KeyboardInterrupt)


async def speech(seconds: float, *, rate: float = 10.0) -> AsyncGenerator[bytes]:
    """What a microphone hears in so many seconds: chunks of sound, `rate` a second, each unlike the others."""
    for number in range(round(seconds * rate)):
        await asyncio.sleep(1.0 / rate)
        yield number.to_bytes(2, "little") * 160


def make_client(host: TlsHost, *, vertex: bool = True) -> Client:
    """Make a client of the SDK whose Live API is this host. Vertex alone reports message indices."""
    from google.genai import Client

    options = host.http_options()
    # The SDK would read the system's certificates, which takes as long as a minute of conversation.
    for name in ("client_args", "async_client_args"):
        options[name] = {**options.get(name, {}), "verify": host.ssl_client_context()}
    return Client(vertexai=vertex, api_key=_KEY, http_options=cast("Any", options))


def _script(plan: Plan, model: Model | None) -> Any:
    from relive.testing.server_model import EchoModel

    return attrs.evolve(script_of(plan), model=model or EchoModel(), vad_silence=0.8)
