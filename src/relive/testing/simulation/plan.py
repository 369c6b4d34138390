"""A plan: all that a simulation does, as data. The same plan makes the same history.

A plan says who talks how, what the service is like, what the policy is, and, as steps, what goes wrong when. All
chance in a run (latencies, ids, backoff) is drawn from the plan's seed, in separate streams. In and out of JSON:
`Plan.to_json` and `Plan.from_json`, which names the place of anything it cannot read.

What is no number, or asks for more than `bounds` allow, raises `ValueError` where it is made; what does not go together
in a plan, and what no policy can be, raises `PlanError`.
"""

from __future__ import annotations

import random
from copy import copy
from typing import Any, Final, Literal, TypeAlias

import attrs
from attrs.validators import deep_iterable, in_, instance_of

from relive.core.closes import Dropped, Judgement
from relive.core.policy import Policy
from relive.errors import ReliveError, SettingError
from relive.testing.simulation.bounds import (
    DAY,
    EVER,
    HERD,
    LEAST,
    MANY,
    MESSAGES,
    OFTEN,
    Number,
    amount,
    duration,
    frames_a_second,
    how_often,
    lasts,
)
from relive.testing.simulation.faults import FAULTS, Fault

UNKNOWN: Final = "not-known-to-this-server"
"The handle of `Client.handle`."
_TURN: Final = 10.0  # messages that a turn, or a connection, costs as much as, whatever is said in it
VERSION: Final = 1
"Of the format. A plan of a newer one is refused."

TurnKind: TypeAlias = Literal["typed", "spoken", "marked", "text"]
Stream: TypeAlias = Literal["network", "server", "backoff", "user"]
_SETTINGS: Final = tuple(field.name for field in attrs.fields(Policy) if field.name != "classify")
STATES: Final = (
    "", "IDLE", "CONNECTING", "ACTIVE", "DRAINING", "RESUMING", "WAITING", "HANDLE_EXPIRED", "CLOSED", "FAILED",
)  # fmt: skip


class PlanError(ReliveError):
    """A plan cannot be read, or asks for what does not exist."""

    def __init__(self, where: str, what: str) -> None:
        self.where = where
        "The place in the plan: ``$.steps[2].fault.delay``."
        self.what = what
        super().__init__(where, what)

    def __str__(self) -> str:
        return f"this plan cannot be used: {self.what} (at {self.where})"


@attrs.frozen(kw_only=True)
class AudioSchedule:
    """When the microphone sends, and how fast."""

    rate: float = frames_a_second()
    "Frames a second; 0 for none at all. The model speaks as fast."
    open: float = amount(1e9, LEAST, EVER)
    "Seconds that the microphone is open, and then"
    shut: float = duration(0.0)
    "seconds that it is not."


@attrs.frozen(kw_only=True)
class Turn:
    """What the user does in one turn, and how the model takes it."""

    kind: TurnKind = attrs.field(default="typed", validator=in_(("typed", "spoken", "marked", "text")))
    "Typed content; speech ended by the end of the audio stream; speech between activity marks; realtime text."
    answer: float = duration(16.0)
    "Seconds that the model's answer takes."
    tools: int = attrs.field(default=0, validator=Number(0, MANY, whole=True))
    "Tools that the model calls first, all at once. Typed turns only: a voice cannot ask this model for them."
    tool_time: float = duration(1.0)
    "Seconds that the tools take."
    pause: float = amount(3.0, OFTEN, EVER)
    "Seconds between the end of this turn and the next."
    barge_in: float | None = amount(None, OFTEN, EVER, or_none=True)
    "Seconds of answer after which the user goes on to the next turn, without waiting; None: hears it to the end."
    video: int = attrs.field(default=0, validator=Number(0, MANY, whole=True))
    "Frames of video shown with it."


@attrs.frozen(kw_only=True)
class Conversation:
    """Who says what when. The turns are taken in order, and from the beginning again, as long as there is time."""

    audio: AudioSchedule = attrs.field(default=AudioSchedule(), validator=instance_of(AudioSchedule))
    turns: tuple[Turn, ...] = attrs.field(
        default=(Turn(), Turn(kind="spoken"), Turn(kind="marked")),
        converter=tuple,
        validator=deep_iterable(instance_of(Turn)),
    )
    begin: float = lasts(0.5)
    "Seconds before the first word."
    patience: float = amount(90.0, OFTEN, EVER)
    "Seconds after which a user who hears nothing goes on to the next turn."


@attrs.frozen(kw_only=True)
class Service:
    """What the service is like when nothing goes wrong."""

    backend: Literal["vertex", "developer"] = attrs.field(default="vertex", validator=in_(("vertex", "developer")))
    "Vertex reports message indices, the Developer API does not."
    connection: float | None = amount(200.0, OFTEN, EVER, or_none=True)
    "Seconds that a connection lives; None: for ever. Ten minutes in the real one."
    lead: float | None = amount(50.0, 0.0, EVER, or_none=True)
    "Seconds of notice (GoAway) before that; None: no notice."
    setup: float = duration(0.05)
    "Seconds that a setup takes."
    latency: float = duration(0.0)
    "Seconds that everything takes each way."
    thinking: float = duration(0.3)
    "Seconds before an answer begins."
    late: float = duration(0.1)
    "Seconds between the end of a turn and the handle that covers it."
    every: float | None = amount(None, OFTEN, EVER, or_none=True)
    "Seconds between two handles, apart from those after turns; None: only those."
    while_busy: Literal["silent", "empty", "not_resumable", "handle"] = attrs.field(
        default="silent", validator=in_(("silent", "empty", "not_resumable", "handle"))
    )
    "What updates say during a turn."
    session: float | None = amount(900.0, OFTEN, EVER, or_none=True)
    "Seconds that a session without compression lives; with video an eighth of it or so. None: for ever."


@attrs.frozen(kw_only=True)
class Client:
    """What relive is told. `policy` names settings of `relive.Policy`.

    Raises:
        PlanError: `policy` names what is no setting, or gives one a value that it cannot have.
    """

    compressed: bool = attrs.field(default=True, validator=instance_of(bool))
    "Whether the context is compressed, so that a session has no limit."
    store: bool = attrs.field(default=True, validator=instance_of(bool))
    "Whether there is a store."
    handle: bool = attrs.field(default=False, validator=instance_of(bool))
    "Whether the first session begins with a handle that the application has from elsewhere, and that is not known."
    eager: bool = attrs.field(default=False, validator=instance_of(bool))
    "Whether the application sends before its session is up."
    hook: Literal["none", "seed", "refuse", "raise"] = attrs.field(
        default="none", validator=in_(("none", "seed", "refuse", "raise"))
    )
    "What the application says to a loss of context."
    classify: Literal["none", "blame"] = attrs.field(default="none", validator=in_(("none", "blame")))
    "Whether the application has a say in what an end means: it may blame the handle for a resume without an answer."
    policy: dict[str, Any] = attrs.field(factory=dict[str, Any], converter=copy, validator=instance_of(dict))
    "Settings that differ from the default; all but `classify`, which is a function."

    def __attrs_post_init__(self) -> None:
        for name in self.policy:
            if name not in _SETTINGS:
                there = ", ".join(_SETTINGS)
                raise PlanError(f"$.client.policy.{name}", f"there is no setting {name!r}; there are {there}")
        try:
            self.make_policy()
        except SettingError as error:
            raise PlanError(f"$.client.policy.{error.name}", str(error)) from error

    def make_policy(self) -> Policy:
        """The policy."""
        return Policy(**self.policy, classify=_blame if self.classify == "blame" else None)


def _blame(drop: Dropped, judgement: Judgement) -> Judgement:
    """Blame the handle for a setup that was not answered."""
    return "handle_dead" if drop.phase == "opening" and drop.code is None else judgement


@attrs.frozen(kw_only=True)
class Step:
    """Something goes wrong: at a time or, once that has come, as soon as the session is in a state."""

    fault: Fault = attrs.field(validator=instance_of(tuple(FAULTS.values())))
    at: float = duration(0.0)
    """Seconds since the beginning; before the chaos of its plan is over. What breaks connections breaks those that are
    up at that time: to have it wait for one, name a `state`."""
    state: str = attrs.field(default="", validator=in_(STATES))
    "The state to wait for; empty: none. If it does not come before the chaos is over, the step is left out."
    delay: float = duration(0.0)
    "Seconds in that state."
    times: int = how_often()
    "How often, as long as there is chaos, and"
    every: float = lasts(10.0)
    "at least so many seconds apart."


@attrs.frozen(kw_only=True)
class Plan:
    """A simulation, as data.

    Raises:
        PlanError: a step would never strike, because the chaos is over by then; or there is too much of it all.
        ValueError: something is no number, or out of bounds.
    """

    seed: int = attrs.field(default=0, validator=instance_of(int))
    "Of all chance."
    seconds: float = amount(600.0, LEAST, DAY)
    "How long the conversation is, chaos included. What it takes to come to rest is added to it."
    calm: float = duration(60.0)
    "How many of its last seconds are without faults."
    herd: int = attrs.field(default=1, validator=Number(1, HERD, whole=True))
    "Sessions that share the server and the network."
    talk: Conversation = attrs.field(default=Conversation(), validator=instance_of(Conversation))
    service: Service = attrs.field(default=Service(), validator=instance_of(Service))
    client: Client = attrs.field(factory=Client, validator=instance_of(Client))
    steps: tuple[Step, ...] = attrs.field(default=(), converter=tuple, validator=deep_iterable(instance_of(Step)))
    "What goes wrong."

    def __attrs_post_init__(self) -> None:
        for number, step in enumerate(self.steps):
            if step.at >= self.chaos:
                over = f"faults are over at {self.chaos:g} s (seconds {self.seconds:g} - calm {self.calm:g})"
                raise PlanError(f"$.steps[{number}].at", f"at {step.at:g} s it would never strike: {over}")
        if (messages := _messages(self)) > MESSAGES:
            much = f"its sessions would say and hear some {messages:,.0f} messages, and {MESSAGES:,} is the most"
            less = "fewer `seconds`, a smaller `herd`, a lower `talk.audio.rate`, or a `client.policy` that probes"
            raise PlanError("$", f"{much}: {less}, or rotates, less often")

    @property
    def chaos(self) -> float:
        """Seconds until faults end; 0.0 if all of it is calm."""
        return max(0.0, self.seconds - self.calm)

    def stream(self, name: Stream) -> random.Random:
        """A stream of chance of its own, so that a change in one does not shift the others."""
        return random.Random(f"{self.seed}:{name}")

    def to_json(self, *, indent: int | None = None, terse: bool = True) -> str:
        """As JSON; `terse` leaves out what has its default."""
        from relive.testing.simulation.plan_json import dumps

        return dumps(self, indent=indent, terse=terse)

    @staticmethod
    def from_json(text: str | bytes) -> Plan:
        """Read a plan.

        Raises:
            PlanError: it is not JSON, of a newer version, or names what does not exist; says where.
        """
        from relive.testing.simulation.plan_json import loads

        return loads(text)


def _messages(plan: Plan) -> float:
    """How much is said and heard in a plan, about: audio or probes, handles, connections, questions and answers."""
    talk, service, policy = plan.talk, plan.service, plan.client.make_policy()
    rate, every, asked, took = talk.audio.rate, service.every, 0.0, 0.0
    for turn in talk.turns:
        cut = EVER if turn.barge_in is None else turn.barge_in
        asked += _TURN + turn.tools + turn.video + min(turn.answer, cut) * (rate or 1.0)
        took += min(talk.patience, 2 * service.latency + service.thinking + min(turn.pause + turn.answer, cut))
    always = max(rate, 1.0 / policy.probe_after if policy.probe else 0.0)  # only what is silent is probed
    always += (1.0 / every if every else 0.0) + (_TURN / policy.rotate_after if policy.rotate_after else 0.0)
    return plan.herd * (plan.seconds * always + (max(1.0, plan.seconds / took) * asked if took else 0.0))


__all__ = ["FAULTS", "AudioSchedule", "Client", "Conversation", "Plan", "PlanError", "Service", "Step", "Turn"]
