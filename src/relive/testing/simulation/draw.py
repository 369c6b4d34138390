"""Draws plans: the n-th plan of a seed, alike in every process.

A plan is an ordinary conversation of at least ten minutes, with faults of any kind at any time or in any state, and one
*scene*: a small story that leads to a corner of the machine where chance alone would seldom come. The scenes are dealt
like cards, so that a thousand plans visit each of them often, whatever the seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import attrs

from relive.testing.server_script import CLOSES
from relive.testing.simulation import faults as f
from relive.testing.simulation.plan import (
    AudioSchedule,
    Client,
    Conversation,
    Plan,
    PlanError,
    Service,
    Step,
    Turn,
)  # fmt: skip
from relive.testing.simulation.scenes import DECK, SCENES, Deal

Chance: TypeAlias = random.Random

SECONDS: Final = 600.0
"Of a default session."
_STATES: Final = ("ACTIVE", "DRAINING", "RESUMING", "WAITING", "HANDLE_EXPIRED", "CONNECTING")
_FATAL: Final = frozenset({"bad_key", "bad_token", "unknown_model", "wrong_operation", "unknown_name", "not_json"})
"Closes after which a session is given up when it is being opened: seldom drawn, or most sessions would end early."
_PASSING: Final = tuple(sorted(CLOSES.keys() - _FATAL))


@attrs.frozen
class Profile:
    """How rough it gets."""

    least: int
    "Faults a session, at least"
    most: int
    "and at most, apart from its scene."
    scenes: bool
    "Whether there is one."
    about: str
    slow: bool = False
    "Whether the model thinks for about as long as an answer is waited for, or longer."
    wild: bool = False
    "Whether people, networks, services and policies may be unlike any that are to be expected."


PROFILES: Final = MappingProxyType({
    "none": Profile(0, 0, scenes=False, about="nothing goes wrong but that connections end"),
    "light": Profile(0, 2, scenes=False, about="a fault now and then"),
    "default": Profile(0, 4, scenes=True, about="a few faults, and a scene"),
    "heavy": Profile(6, 14, scenes=True, about="one fault after the other, and a scene"),
    "slow": Profile(0, 4, scenes=True, slow=True, about="the default, with a model that thinks longer than we wait"),
    "wild": Profile(0, 4, scenes=False, wild=True, about="a few faults, and nothing that could not be otherwise"),
})  # fmt: skip


def draw(seed: int, index: int, *, profile: str = "default", rate: float = 1.0) -> Plan:
    """Draw the plan of a session of a campaign.

    Args:
        seed: of the campaign.
        index: of the session in it, from 0.
        profile: how rough it gets, a name in `PROFILES`.
        rate: frames of audio a second, each way.

    Raises:
        PlanError: there is no such profile.
        ValueError: the rate is none, or too high.
    """
    how = PROFILES.get(profile)
    if how is None:
        raise PlanError("profile", f"there is no profile {profile!r}; there are {', '.join(PROFILES)}")
    chance = random.Random(f"{seed}:{index}:plan")
    plan = _ordinary(chance, rate, _WILD if how.wild else _USUAL)
    steps = tuple(_step(chance, plan) for _ in range(chance.randint(how.least, how.most)))
    plan = attrs.evolve(plan, steps=steps)
    if how.scenes:
        name, nth = _dealt(seed, index)
        plan = SCENES[name](plan, Deal(nth, chance))
    if how.slow:
        plan = _slowed(chance, plan)
    return attrs.evolve(plan, steps=tuple(sorted(plan.steps, key=lambda step: step.at)))


def _dealt(seed: int, index: int) -> tuple[str, int]:
    """Deal a scene: each card once, in an order that the seed makes, and then again. Returns its variant as well."""
    times, place = divmod(index, len(DECK))
    name, copy = _deck(seed, times)[place]
    return name, times * DECK.count(name) + copy + random.Random(f"{seed}:{name}").randrange(1000)


@cache
def _deck(seed: int, times: int) -> tuple[tuple[str, int], ...]:
    cards = [(name, copy) for name in sorted(SCENES) for copy in range(DECK.count(name))]
    random.Random(f"{seed}:{times}:deck").shuffle(cards)
    return tuple(cards)


@attrs.frozen(kw_only=True)
class _Manner:
    """What conversations, services and policies are drawn from. As often as a value stands there, as likely it is."""

    lead: tuple[float | None, ...]
    begin: tuple[float, ...]
    connection: tuple[float, ...]
    setup: tuple[float, ...]
    latency: tuple[float, ...]
    thinking: tuple[float, ...]
    late: tuple[float, ...]
    every: tuple[float | None, ...]
    answer: tuple[float, ...]
    tools: tuple[int, ...]
    tool_time: tuple[float, ...]
    pause: tuple[float, ...]
    barge_in: tuple[float | None, ...]
    video: tuple[int, ...]
    hook: tuple[Literal["none", "seed", "refuse", "raise"], ...]
    policy: dict[str, tuple[Any, ...]]


_USUAL: Final = _Manner(
    lead=(None, 0.0, 2.0, 10.0, 30.0, 50.0),
    begin=(0.5, 0.5, 3.0),
    connection=(80.0, 120.0, 180.0, 240.0),
    setup=(0.0, 0.05, 0.3),
    latency=(0.0, 0.0, 0.0, 0.04),
    thinking=(0.0, 0.3, 1.0),
    late=(0.0, 0.1, 1.5),
    every=(None, None, 5.0),
    answer=(4.0, 12.0, 20.0, 25.0),
    tools=(0, 0, 1, 2),
    tool_time=(0.5, 2.0, 8.0),
    pause=(0.5, 2.0, 6.0),
    barge_in=(None, None, None, 3.0),
    video=(0, 0, 0, 1),
    hook=("none", "none", "seed", "seed", "raise"),
    policy={
        "rotate_after": (45.0, 100.0),
        "answer_timeout": (8.0, None),
        "late_handle": (0.2, 5.0),
        "handle_strikes": (1, 3),
        "retry_attempts": (3, 6),
        "withhold_repeats": (False,),
        "coverage_margin": (2.0,),
        "replay_audio": (2.0, 30.0),
        "deliver_go_away": (True,),
        "deliver_malformed": (True,),
        "journal_limit": (20_000,),
        "probe": (False,),
        "drain_margin": (0.0, 3.0),
    },
)
_WILD: Final = _Manner(
    lead=(None, 0.0, 2.0, 15.0),
    begin=(0.001, 0.5, 8.0),
    connection=(20.0, 60.0, 120.0),
    setup=(0.0, 0.05, 0.3, 3.0),
    latency=(0.0, 0.0, 0.04, 1.0),
    thinking=(0.0, 0.3, 1.0, 12.0, 35.0),
    late=(0.0, 0.1, 1.5, 6.0),
    every=(None, None, 1.0, 5.0),
    answer=(0.0, 0.5, 4.0, 12.0, 25.0, 80.0),
    tools=(0, 0, 1, 2, 5),
    tool_time=(0.0, 0.5, 8.0, 40.0),
    pause=(0.01, 0.5, 2.0, 20.0),
    barge_in=(None, None, None, 0.01, 1.0, 3.0),
    video=(0, 0, 1, 4),
    hook=("none", "seed", "raise", "refuse"),
    policy={
        **_USUAL.policy,
        "rotate_after": (15.0, 45.0),
        "rotate_patience": (0.0, 5.0),
        "answer_timeout": (8.0, 20.0, None),
        "late_handle": (0.0, 0.2, 5.0),
        "retry_attempts": (1, 3),
        "retry_base": (5.0,),
        "retry_time": (10.0,),
        "stable_after": (0.0, 60.0),
        "coverage_margin": (0.0, 2.0),
        "replay_audio": (0.0, 2.0),
        "audio_age": (2.0,),
        "journal_limit": (200, 20_000),
        "output_limit": (500,),
        "drain_margin": (0.0, 3.0, 20.0),
        "close_grace": (0.0, 2.0),
        "handle_ttl": (20.0,),
        "probe_after": (0.5, 10.0),
        "open_timeout": (1.0,),
        "setup_timeout": (1.0,),
        "seed_timeout": (0.5,),
        "compress": (False,),
        "transparent": (False,),
    },
)


def _ordinary(chance: Chance, rate: float, manner: _Manner) -> Plan:
    lead = chance.choice(manner.lead)
    return Plan(
        seed=chance.getrandbits(32),
        seconds=SECONDS,
        talk=Conversation(
            audio=_audio(chance, rate),
            turns=tuple(_turn(chance, manner) for _ in range(chance.randint(2, 5))),
            begin=chance.choice(manner.begin),
        ),
        service=Service(
            backend=chance.choice(("vertex", "vertex", "developer")),
            connection=chance.choice(manner.connection),
            lead=lead,
            setup=chance.choice(manner.setup),
            latency=chance.choice(manner.latency),
            thinking=chance.choice(manner.thinking),
            late=chance.choice(manner.late),
            every=chance.choice(manner.every),
            while_busy=chance.choice(("silent", "empty", "not_resumable", "handle")),
        ),
        client=Client(
            store=chance.random() < 0.8,
            hook=chance.choice(manner.hook),
            policy=_policy(chance, manner),
        ),
    )


def _slowed(chance: Chance, plan: Plan) -> Plan:
    settings = dict(plan.client.policy)
    if chance.random() < 0.5:
        settings["answer_timeout"] = 8.0
    client = attrs.evolve(plan.client, policy=settings)
    wait = client.make_policy().answer_timeout or 8.0
    thinking = wait + chance.choice((-0.5, 0.5, 2.0, 5.0, 15.0, wait + 1.0))
    return attrs.evolve(plan, service=attrs.evolve(plan.service, thinking=thinking), client=client)


def _audio(chance: Chance, rate: float) -> AudioSchedule:
    if chance.random() < 0.15:
        return AudioSchedule(rate=rate, open=chance.choice((20.0, 45.0)), shut=chance.choice((5.0, 30.0)))
    return AudioSchedule(rate=rate)


def _turn(chance: Chance, manner: _Manner) -> Turn:
    kind = chance.choice(("typed", "typed", "spoken", "marked", "text"))
    tools = chance.choice(manner.tools) if kind == "typed" else 0
    return Turn(
        kind=kind,
        answer=chance.choice(manner.answer),
        tools=tools,
        tool_time=chance.choice(manner.tool_time) if tools else 1.0,
        pause=chance.choice(manner.pause),
        barge_in=chance.choice(manner.barge_in),
        video=chance.choice(manner.video),
    )


def _policy(chance: Chance, manner: _Manner) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, values in manner.policy.items():
        if chance.random() < 0.06:
            found[name] = chance.choice(values)
    return found


def _step(chance: Chance, plan: Plan) -> Step:
    times = chance.choice((1, 1, 1, 2, 3))
    return Step(
        fault=fault(chance),
        at=min(round(chance.uniform(1.0, plan.chaos), 1), plan.chaos - 0.1),
        state=chance.choice(_STATES) if chance.random() < 0.4 else "",
        delay=chance.choice((0.0, 0.0, 0.1, 1.0)),
        times=times,
        every=chance.choice((0.2, 2.0, 15.0)) if times > 1 else 10.0,
    )


def fault(chance: Chance, name: str = "") -> f.Fault:
    """Draw a fault: the one with this name (of `DRAWN`), or any."""
    return _FAULTS[name or chance.choice(DRAWN)](chance)


def _way(chance: Chance) -> f.Way:
    return chance.choice(f.WAYS)


_FAULTS: Final[dict[str, Callable[[Chance], f.Fault]]] = {
    "Latency": lambda c: f.Latency(c.choice((0.05, 0.3, 2.0)), c.choice((0.0, 0.2)), _way(c), c.choice((5.0, 40.0))),
    "Bandwidth": lambda c: f.Bandwidth(c.choice((300.0, 2000.0)), _way(c), c.choice((5.0, 20.0))),
    "Slicer": lambda c: f.Slicer(c.choice((16, 64)), c.choice((0.005, 0.05)), _way(c), c.choice((5.0, 20.0))),
    "Hold": lambda c: f.Hold(_way(c), c.choice((0.5, 3.0, 7.0, 15.0))),
    "Timeout": lambda c: f.Timeout(c.choice((None, 1.0, 30.0))),
    "HalfOpen": lambda c: f.HalfOpen(c.choice((0.0, 2.0, None))),
    "ResetPeer": lambda c: f.ResetPeer(c.choice((0.0, 0.5))),
    "LimitData": lambda c: f.LimitData(c.choice((0, 300, 5000))),
    "Truncate": lambda c: f.Truncate(c.choice(("up", "down"))),
    "SlowClose": lambda c: f.SlowClose(c.choice((0.1, 0.25, 1.0)), 60.0),
    "Clog": lambda c: f.Clog(c.choice((0.5, 5.0, 20.0))),
    "RefuseDial": lambda c: f.RefuseDial(c.choice((503, 429, 500, None)), c.randint(1, 3)),
    "HangDial": lambda c: f.HangDial(c.randint(1, 2)),
    "Flap": lambda c: f.Flap(c.randint(1, 3), c.choice((0.5, 3.0)), c.choice((1.0, 12.0))),
    "GoAway": lambda c: f.GoAway(
        c.choice((None, 0.0, 0.5, 5.0, 20.0, 60.0, "soon", "7", "-3s")), c.choice(("close", "silence", "never"))
    ),
    "Close": lambda c: f.Close(c.choice(_PASSING)),
    "Silence": lambda _: f.Silence(),
    "HangSetup": lambda _: f.HangSetup(1),
    "SlowSetup": lambda c: f.SlowSetup(c.choice((1.0, 6.0, 25.0)), 30.0),
    "CloseInSetup": lambda c: f.CloseInSetup(c.choice(_PASSING), c.randint(1, 2)),
    "CloseAfterSetup": lambda c: f.CloseAfterSetup(c.choice(_PASSING), c.choice((0.0, 0.5, 4.0)), c.randint(1, 2)),
    "MuteAfterSetup": lambda c: f.MuteAfterSetup(c.choice((0.0, 0.5, 4.0)), 1),
    "ExpireHandles": lambda _: f.ExpireHandles(),
    "RejectHandles": lambda c: f.RejectHandles(c.choice(("invalid_handle", "entity_not_found", "invalid_argument"))),
    "PoisonHandles": lambda c: f.PoisonHandles(c.choice(("die", "mute")), c.choice((0.1, 2.0))),
    "WithholdHandles": lambda c: f.WithholdHandles(c.choice((5.0, 60.0))),
    "LateHandles": lambda c: f.LateHandles(c.choice((0.5, 4.0)), 60.0),
    "WrongIndices": lambda c: f.WrongIndices(c.choice(("missing", "repeated", "backwards", "too_high")), 60.0),
    "Duplicate": lambda c: f.Duplicate(c.randint(1, 3)),
    "Unsolicited": lambda c: f.Unsolicited(c.choice(f.UNSOLICITED)),
    "Garbage": lambda c: f.Garbage(c.choice(f.GARBAGE)),
    "RestartServer": lambda c: f.RestartServer(c.choice(("kept", "lost"))),
    "Crash": lambda c: f.Crash(c.choice(("kept", "kept", "lost", "stale")), c.choice((0.0, 1.0, 20.0))),
    "SlowStore": lambda c: f.SlowStore(c.choice((0.5, 3.0, 10.0)), 60.0),
    "FailingStore": lambda _: f.FailingStore(60.0),
    "StepWall": lambda c: f.StepWall(c.choice((-3600.0, 60.0, 3600.0, 7300.0))),
    "StopReading": lambda c: f.StopReading(c.choice((1.0, 5.0, 40.0))),
    "Burst": lambda c: f.Burst(c.choice((5, 100))),
    "SlowHook": lambda c: f.SlowHook(c.choice((1.0, 4.0, 20.0)), 60.0),
    "Stray": lambda c: f.Stray(c.choice(f.FACTS[:-2])),
}
DRAWN: Final = tuple(sorted(_FAULTS))
"Names of the faults that can be drawn: all but what needs a herd, and what ends a simulation."
