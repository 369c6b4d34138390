"""Each policy of `profiles.py` is played through what it is made for, and the default policy through the same."""

import json

import attrs
from docs.examples.profiles import KIOSK, MOBILE, PHONE

from relive import Policy
from relive.testing.simulation import faults
from relive.testing.simulation.plan import Client, Plan, Service, Step
from relive.testing.simulation.simulate import simulate

DEFAULT = Policy()
DEAD_LINE = Plan(seconds=200.0, steps=(Step(fault=faults.Timeout(after=8.0), at=33.0),))
TUNNEL = Plan(seconds=600.0, steps=(Step(fault=faults.Flap(times=1, down=240.0), at=30.0),))
A_MORNING = Plan(
    seconds=4 * 3600.0,
    service=Service(connection=600.0, lead=60.0),
    steps=(Step(fault=faults.Flap(times=1, down=1800.0), at=3600.0),),
)


def play(plan: Plan, policy: Policy) -> list[tuple[float, str, str]]:
    """When the session went to which state, and on what; every promise is kept on the way."""
    settings = {
        field.name: getattr(policy, field.name)
        for field in attrs.fields(Policy)
        if getattr(policy, field.name) != field.default
    }
    outcome = simulate(attrs.evolve(plan, client=Client(policy=settings)), trace=True)
    assert not outcome.violations
    records = [json.loads(line) for line in outcome.trace]
    steps = [record for record in records if record.get("kind") == "transition"]
    return [(step["t"], step["what"].split()[-1], step["data"][0]) for step in steps]


def test_on_the_phone_a_dead_line_is_found_within_four_seconds() -> None:
    for policy, patience in ((PHONE, 4.0), (DEFAULT, 8.0)):
        steps = play(DEAD_LINE, policy)
        found = next(at for at, state, _ in steps if at > 33.0 and state == "RESUMING")
        assert found - 33.0 <= patience + 0.5
        assert steps[-1][1] == "CLOSED"


def test_on_the_phone_nobody_waits_for_minutes() -> None:
    steps = play(TUNNEL, PHONE)
    assert steps[-1][1] == "FAILED"
    assert steps[-1][0] < 30.0 + 35.0


def test_on_a_mobile_network_a_tunnel_is_survived_in_which_the_default_gives_up() -> None:
    assert play(TUNNEL, MOBILE)[-1][1] == "CLOSED"
    assert play(TUNNEL, DEFAULT)[-1][1] == "FAILED"


def test_a_kiosk_is_back_after_half_an_hour_and_leaves_before_it_is_told_to() -> None:
    steps = play(A_MORNING, KIOSK)
    assert steps[-1][1] == "CLOSED"
    assert {event for _, state, event in steps if state == "DRAINING"} == {"DeadlineReached(rotate)"}
    assert "GoAwayReceived" in {event for _, _, event in play(attrs.evolve(A_MORNING, steps=()), DEFAULT)}
