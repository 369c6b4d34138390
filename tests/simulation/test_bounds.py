"""Plans that cannot be meant: refused where they are made, with the place, and never played in silence or for ever."""

from __future__ import annotations

import json
from math import inf, nan
from typing import Any, cast

import attrs
import pytest
from hypothesis import find, given, settings

from relive.testing import strategies
from relive.testing.simulation import faults as f
from relive.testing.simulation.bounds import Number
from relive.testing.simulation.campaign import Campaign
from relive.testing.simulation.draw import draw
from relive.testing.simulation.outcome import Level
from relive.testing.simulation.plan import (
    AudioSchedule,
    Client,
    Conversation,
    Plan,
    PlanError,
    Service,
    Step,
    Turn,
)
from relive.testing.simulation.shrink import shrink
from relive.testing.simulation.simulate import play, simulate
from relive.testing.simulation.socket_level import SCALE, scaled

KINDS = (Plan, AudioSchedule, Turn, Conversation, Service, Step, *f.FAULTS.values())
NUMBERS = [
    (kind, field.name)
    for kind in KINDS
    for field in attrs.fields(kind)
    if field.type not in ("str", "bool") and any(word in str(field.type) for word in ("float", "int"))
    if (kind, field.name) != (Plan, "seed")
]
REALS = [(kind, name) for kind, name in NUMBERS if "float" in str(attrs.fields_dict(kind)[name].type)]


def made(kind: type, **fields: Any) -> Any:
    return kind(**({"fault": f.Close()} if kind is Step else {}), **fields)


@pytest.mark.parametrize(("kind", "name"), NUMBERS, ids=lambda value: getattr(value, "__name__", value))
def test_a_number_is_a_number_and_has_an_upper_bound(kind: type, name: str) -> None:
    for wrong in (nan, inf, -inf, -1e99, 1e99, 10**30, True, [1]):
        with pytest.raises(ValueError, match=rf"^{kind.__name__}: '{name}' must be .*number from .* to .*, and is "):
            made(kind, **{name: wrong})


@pytest.mark.parametrize(
    ("kind", "name", "wrong"),
    [
        (f.Latency, "delay", -0.1),
        (f.Hold, "seconds", 0.0),
        (f.GoAway, "time_left", -1.0),
        (f.RefuseDial, "status", 42),
        (f.RefuseDial, "times", 10**9),
        (f.Flap, "times", 1.5),
        (f.Burst, "frames", 10**9),
        (f.Crash, "down", 5000.0),
        (f.Bandwidth, "rate", 1e-320),
        (AudioSchedule, "rate", 1e9),
        (AudioSchedule, "rate", 1e-320),
        (Turn, "pause", 1e-9),
        (Service, "every", 1e-9),
        (Step, "times", 10**9),
        (Plan, "herd", 10**6),
        (Plan, "herd", 1.5),
        (Plan, "seconds", 1e6),
        (Campaign, "rate", 1e9),
    ],
)
def test_what_would_hang_or_mean_nothing_is_refused(kind: type, name: str, wrong: float) -> None:
    with pytest.raises(ValueError, match=f"'{name}' must be .*, and is {wrong!r}$"):
        made(kind, **{name: wrong})


@pytest.mark.parametrize(("kind", "name"), REALS, ids=lambda value: getattr(value, "__name__", value))
def test_a_whole_number_is_a_real_one_where_nothing_is_counted(kind: type, name: str) -> None:
    assert repr(getattr(made(kind, **{name: 200}), name)) == "200.0"


def test_plans_that_are_equal_are_alike_whole_numbers_or_not() -> None:
    steps = (Step(fault=f.Hold(seconds=10), at=30), Step(fault=f.GoAway(5), at=60, delay=1))
    whole = Plan(seconds=90, calm=20, talk=Conversation(turns=(Turn(answer=4, pause=2),), begin=1), steps=steps)
    again = Plan.from_json(whole.to_json())
    assert again == whole
    assert again.to_json() == whole.to_json()
    assert simulate(again, "core").sha256 == simulate(whole, "core").sha256
    assert Plan.from_json(json.dumps({"version": 1, "seconds": 90, "calm": 20})).to_json() == (
        Plan(seconds=90.0, calm=20.0).to_json()
    )
    fast = scaled(whole)
    assert (fast.seconds, fast.chaos, fast.steps[0].at) == (90.0 / SCALE, 70.0 / SCALE, 30.0 / SCALE)
    assert cast("f.Hold", fast.steps[0].fault).seconds == 10.0 / SCALE


def test_in_json_a_number_out_of_bounds_has_its_place() -> None:
    burst = {"fault": {"fault": "Burst", "frames": 10**9}}
    with pytest.raises(PlanError, match=r"from 0 to 1e\+09, and is 1000000000000[0]* \(at \$\.service\.late\)"):
        Plan.from_json(json.dumps({"version": 1, "service": {"late": 10**400}}))
    with pytest.raises(PlanError, match=r"from 1 to 10,000, and is 1000000000 \(at \$\.steps\[1\]\.fault\.frames\)"):
        Plan.from_json(json.dumps({"version": 1, "steps": [{"fault": {"fault": "Close"}}, burst]}))


def test_bounds_are_inclusive_and_zero_is_right_where_it_means_none() -> None:
    assert f.Burst(10_000).frames == 10_000
    assert AudioSchedule(rate=0.0).rate == 0.0
    assert f.GoAway("-3s").time_left == "-3s"
    rate: Any = attrs.fields(AudioSchedule).rate.validator
    assert isinstance(rate, Number)
    for right in (rate.least, rate.most):
        assert AudioSchedule(rate=right).rate == right


def test_each_number_may_be_right_and_all_of_them_together_too_much() -> None:
    audio = AudioSchedule(rate=50.0)
    too_much: tuple[dict[str, Any], ...] = (
        {"herd": 1000, "talk": Conversation(audio=audio)},
        {"seconds": 86_400.0, "talk": Conversation(audio=audio)},
        {"talk": Conversation(turns=(Turn(answer=1e9),))},
        {"herd": 1000, "service": Service(every=0.01)},
        {"seconds": 86_400.0, "client": Client(policy={"probe_after": 0.01})},
        {"seconds": 86_400.0, "client": Client(policy={"rotate_after": 0.01})},
    )
    for plan in too_much:
        with pytest.raises(PlanError, match=r"messages, and 2,000,000 is the most: .*\(at \$\)"):
            Plan(**plan)
    assert Plan(herd=1000).herd == 1000
    assert Plan(seconds=86_400.0).chaos == 86_340.0
    assert Plan(seconds=86_400.0, client=Client(policy={"probe": False, "probe_after": 0.01})).chaos == 86_340.0


@pytest.mark.parametrize(
    ("policy", "name", "said"),
    [
        ({"bravery": 1}, "bravery", r"there is no setting 'bravery'; there are drain_margin, .*, transparent"),
        ({"classify": None}, "classify", "there is no setting 'classify'; there are drain_margin, .*"),
        ({"retry_attempts": 0}, "retry_attempts", "retry_attempts is 0, but must be a whole number, at least 1"),
        ({"probe_after": "inf"}, "probe_after", "probe_after is .*inf'?, but must be .*"),
        *(
            ({name: 1e-300}, name, f"{name} is 1e-300, but must be finite and at least 0.001")
            for name in ("probe_after", "rotate_after", "retry_cap")  # all that a session would do, for ever
        ),
    ],
)
def test_a_policy_that_no_session_could_have_is_refused_with_the_name_of_the_setting(
    policy: dict[str, Any], name: str, said: str
) -> None:
    with pytest.raises(PlanError, match=rf"^this plan cannot be used: {said} \(at \$\.client\.policy\.{name}\)$"):
        Plan.from_json(json.dumps({"version": 1, "client": {"policy": policy}}))
    with pytest.raises(PlanError, match=rf"\(at \$\.client\.policy\.{name}\)$"):
        Client(policy=policy)


def test_what_is_done_to_the_settings_of_one_plan_is_done_to_no_other() -> None:
    settings: dict[str, Any] = {"handle_strikes": 3}
    plan, other = Plan(), Plan(client=Client(policy=settings))
    plan.client.policy["rotate_after"] = settings["handle_strikes"] = 20
    assert (Plan().client.policy, other.client.policy) == ({}, {"handle_strikes": 3})
    assert Plan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize("level", ["core", "runtime"])
def test_a_policy_at_its_least_comes_to_an_end(level: Level) -> None:
    policy = {"probe_after": 0.001, "rotate_after": 0.001, "retry_base": 0.001, "retry_cap": 0.001}
    plan = Plan(
        seconds=4.0, calm=1.0, client=Client(policy=policy), service=Service(setup=0.0), steps=(Step(fault=f.Flap()),)
    )
    assert simulate(plan, level=level).violations == ()


@pytest.mark.parametrize("seconds", [30.0, 60.0, 90.0])
def test_a_step_that_would_never_strike_is_refused_and_named(seconds: float) -> None:
    late = Step(fault=f.Close(), at=30.0)
    with pytest.raises(PlanError, match=r"at 30 s it would never strike: faults are over .*\(at \$\.steps\[0\]\.at\)"):
        Plan(seconds=seconds, steps=(late,))
    with pytest.raises(PlanError, match=r"\(at \$\.steps\[1\]\.at\)"):
        attrs.evolve(Plan(seconds=91.0, steps=(Step(fault=f.Close()), late)), seconds=max(seconds, 61.0))
    said = json.dumps({"version": 1, "seconds": seconds, "steps": [{"fault": {"fault": "Close"}, "at": 30.0}]})
    with pytest.raises(PlanError, match=r"\(at \$\.steps\[0\]\.at\)"):
        Plan.from_json(said)
    assert Plan(seconds=seconds).steps == ()  # nobody waits for a fault of it


def test_a_step_strikes_up_to_the_last_moment_of_chaos() -> None:
    plan = Plan(seconds=90.0, calm=60.0, steps=[Step(fault=f.Close(), at=29.999)])
    assert simulate(plan).faults == {"Close": 1}
    assert Plan.from_json(plan.to_json()) == plan


def test_a_plan_that_is_drawn_for_the_last_moment_strikes_before_it() -> None:
    assert draw(1, 742, profile="light").steps[-1].at == 539.9  # drawn as 540.0


def test_strategies_leave_no_step_out_and_refuse_to_draw_any_where_there_is_no_time() -> None:
    @settings(max_examples=300, database=None, derandomize=True, deadline=None)
    @given(strategies.plans(("Close",), seconds=62.5))
    def short(plan: Plan) -> None:
        assert all(step.at < 2.5 for step in plan.steps)

    short()
    with pytest.raises(PlanError, match="no room for faults: `seconds` must be more than `calm`"):
        find(strategies.plans(seconds=60.0), lambda _: True)
    assert find(strategies.plans((), seconds=60.0), lambda _: True).steps == ()


def test_shrinking_never_asks_for_a_plan_that_cannot_be_made() -> None:
    late = Step(fault=f.Close(), at=95.5, times=1000, every=1000.0)
    plan = Plan(seconds=156.0, steps=(late, attrs.evolve(late, at=94.0)))
    tried: list[Plan] = []
    shrunk = shrink(plan, lambda smaller: bool(tried.append(smaller)) or any(s.at > 90.0 for s in smaller.steps))
    assert shrunk.plan == Plan(seconds=156.0, steps=(Step(fault=f.Close(), at=95.5),))  # 96 would be too late
    assert all(step.at < smaller.chaos for smaller in tried for step in smaller.steps)


def test_a_plan_at_its_bounds_can_be_played_two_hundred_times_faster() -> None:
    plan = Plan(
        talk=Conversation(audio=AudioSchedule(rate=200.0), turns=(Turn(pause=0.01),)),
        steps=(Step(fault=f.Bandwidth(1e9), at=539.999),),
    )
    fast = scaled(plan)
    assert fast.talk.audio.rate == 200.0 * SCALE
    assert fast.talk.turns[0].pause == 0.01 / SCALE
    assert plan.talk.turns[0].pause == 0.01


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_model_speaks_as_fast_as_everything_else_two_hundred_times_faster(rate: float) -> None:
    talk = Conversation(audio=AudioSchedule(rate=rate), turns=(Turn(),), patience=1e4)
    history = play(Plan(seconds=30.0, calm=30.0, talk=talk), "sockets")
    assert history.clients[0].user.asked[0].chunks == 16  # one a second


def test_a_policy_at_its_least_is_no_shorter_two_hundred_times_faster() -> None:
    fast = scaled(Client(policy=dict.fromkeys(("lease_ttl", "probe_after", "retry_cap", "rotate_after"), 0.001)))
    assert fast.make_policy().probe_after == 0.001
    assert fast.make_policy().late_handle == 1.0 / SCALE


def test_a_duration_of_a_policy_is_shorter_two_hundred_times_faster_also_if_it_is_a_whole_number() -> None:
    settings: dict[str, Any] = {"late_handle": 2, "retry_attempts": 400, "rotate_after": None}
    fast = scaled(Client(policy=settings)).make_policy()
    assert (fast.late_handle, fast.retry_attempts, fast.rotate_after) == (2 / SCALE, 400, None)
