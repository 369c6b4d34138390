"""What is counted and measured of sessions, as OpenTelemetry's reader gets it."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
import pytest
from tests.scenarios.test_states import QUICK, eventful
from tests.scenarios.world import simulated, world
from tests.telemetry.readings import COMMON, Readings

import relive
from relive.core.effects import Verdict
from relive.ports import Notice, Stats
from relive.testing.server import FakeLiveServer
from relive.testing.server_script import ServerScript

NOTHING = Stats(**{field.name: 0 for field in attrs.fields(Stats)})


def step(source: str, dest: str, event: str, at: float, verdict: Verdict | None = None) -> relive.Transition:
    return relive.Transition(source, dest, event, at, 1, verdict)


@simulated
async def test_an_ordinary_life_in_numbers() -> None:
    readings = Readings()
    async with world(policy=QUICK, observers=[readings.observer(conversation="ada")]) as w:
        await eventful(w)
        stats = w.session.stats
    points = readings.points
    assert points("relive.connections") == {
        "verdict=fresh": 1,
        "verdict=resumed": 2,
        "reason=rejected verdict=not_restored": 1,
    }
    assert points("relive.connection.losses") == {"error.type=network": 1, "error.type=1011": 1}
    assert points("relive.dial.failures") == {"error.type=503": 1, "error.type=1008": 1}
    assert points("relive.dial.duration") == {"state=CONNECTING": (2, 0.0), "state=RESUMING": (2, 0.0)}
    assert points("relive.go_away.lead") == {"": (1, 30.0)}
    assert points("relive.session.duration") == {"state=CLOSED": (1, 9.24)}
    assert points("relive.notices") == {"notice=dialled": 6, "notice=go_away": 1, "notice=lost": 2,
                                        "notice=handle_quarantined": 1}  # fmt: skip
    assert points("relive.frames.accepted") == {"": stats.frames_accepted}
    assert points("relive.frames.delivered") == {"": stats.frames_delivered}
    assert points("relive.store.errors") == {}


@simulated
async def test_the_gap_of_a_handover_lasts_until_frames_flow_again_and_names_what_began_it() -> None:
    readings = Readings()
    async with world(policy=QUICK, observers=[readings.observer()]) as w:
        await eventful(w)
    waited = readings.points("relive.state.duration")["state=WAITING"][1]
    assert waited > 0
    assert readings.points("relive.handover.gap") == {
        "event=SafePointReached verdict=resumed": (1, 0.0),
        "event=ConnectionDropped verdict=resumed": (1, waited),
        "event=ConnectionDropped reason=rejected verdict=not_restored": (1, 0.0),
    }


@simulated
async def test_time_in_state_adds_up_to_the_session_and_nobody_is_left_in_one() -> None:
    readings = Readings()
    async with world(policy=QUICK, observers=[readings.observer()]) as w:
        await eventful(w)
        during = readings.points("relive.sessions")
    assert during["state=ACTIVE"] == 1
    assert sum(during.values()) == 1
    spent = readings.points("relive.state.duration")
    assert spent["state=ACTIVE"][0] == 4
    whole = readings.points("relive.session.duration")["state=CLOSED"][1]
    assert sum(seconds for _, seconds in spent.values()) == pytest.approx(whole, abs=0.01)
    assert set(readings.points("relive.sessions").values()) == {0}


@simulated
async def test_a_failed_session_is_counted_with_its_cause() -> None:
    readings = Readings()
    server = FakeLiveServer(ServerScript(models=frozenset({"another"})))
    with pytest.raises(relive.SessionFailed):
        async with world(server=server, observers=[readings.observer()]):
            pass
    assert readings.points("relive.session.duration") == {"error.type=fatal state=FAILED": (1, 0.0)}
    assert readings.points("relive.dial.failures") == {"error.type=1008": 1}
    assert set(readings.points("relive.sessions").values()) == {0}


def test_counts_follow_the_stats_and_what_a_session_keeps_is_given_back() -> None:
    readings = Readings()
    one, other = readings.observer(), readings.observer()
    for observer in (one, other):
        observer.transition(step("IDLE", "CONNECTING", "ConnectRequested", 0.0))
    stats = attrs.evolve(
        NOTHING, frames_accepted=9, replayed_audio=4, replayed_video=1, replayed_reliable=2, frames_uncertain=2,
        dropped_audio=3, dropped_video=1, dropped_answers=5, forgotten=6, store_errors=7, observer_overflows=8,
        journal_bytes=1000,
    )  # fmt: skip
    one.counted(stats)
    one.counted(stats)
    other.counted(attrs.evolve(stats, journal_bytes=10))
    points = readings.points
    assert points("relive.frames.dropped") == {"lane=audio": 6, "lane=video": 2, "lane=tool_response": 10}
    assert points("relive.frames.replayed") == {"lane=audio": 8, "lane=video": 2, "lane=reliable": 4}
    for name, value in {"accepted": 18, "uncertain": 4, "forgotten": 12}.items():
        assert points(f"relive.frames.{name}") == {"": value}
    assert points("relive.store.errors") == {"": 14}
    assert points("relive.observer.overflows") == {"": 16}
    assert points("relive.journal.size") == {"": 1010}
    one.transition(step("CONNECTING", "CLOSED", "CloseRequested", 1.0))
    one.counted(stats)
    assert points("relive.journal.size") == {"": 10}


def test_a_handles_age_is_measured_when_it_is_to_be_resumed_from() -> None:
    readings = Readings()
    observer = readings.observer()
    for dest, age in (("ACTIVE", 1.0), ("RESUMING", 7.0), ("ACTIVE", 7.5), ("RESUMING", None)):
        observer.transition(step("", dest, "ConnectionOpened", 0.0))
        observer.counted(attrs.evolve(NOTHING, handle_age=age))
        observer.counted(attrs.evolve(NOTHING, handle_age=age))
    assert readings.points("relive.handle.age") == {"": (1, 7.0)}


def test_saves_are_measured() -> None:
    readings = Readings()
    readings.observer().notice(Notice("saved", "", 0.0, 1, 0.25))
    assert readings.points("relive.store.save.duration") == {"": (1, 0.25)}


def test_a_reason_with_a_number_in_it_is_no_label() -> None:
    """Of ``resumed_with_gap`` the reason says how many frames are missing: a time series for each would be too many."""
    readings = Readings()
    verdict = Verdict("resumed_with_gap", "17 frames could not be kept")
    readings.observer().transition(step("RESUMING", "ACTIVE", "ConnectionOpened", 0.0, verdict))
    assert readings.points("relive.connections") == {"verdict=resumed_with_gap": 1}


def test_an_observer_that_missed_transitions_still_counts_each_session_once() -> None:
    readings = Readings()
    observer = readings.observer()
    observer.transition(step("IDLE", "CONNECTING", "ConnectRequested", 0.0))
    observer.transition(step("RESUMING", "ACTIVE", "ConnectionOpened", 5.0))
    observer.transition(step("WAITING", "CLOSED", "CloseRequested", 6.0))
    assert set(readings.points("relive.sessions").values()) == {0}
    assert readings.points("relive.state.duration") == {"state=CONNECTING": (1, 5.0), "state=ACTIVE": (1, 1.0)}


@simulated
async def test_no_label_names_a_session() -> None:
    readings = Readings()
    async with world(policy=QUICK, observers=[readings.observer(conversation="ada")]) as w:
        await eventful(w)
    every: list[Any] = [point for metric in readings.metrics().values() for point in metric.data.data_points]
    names = {name for point in every for name in point.attributes}
    assert names == {*COMMON, "error.type", *(f"relive.{name}" for name in ("event", "notice", "reason", "state",
                                                                           "verdict"))}  # fmt: skip
    assert "ada" not in {value for point in every for value in point.attributes.values()}
    assert len(every) < 60


@simulated
async def test_seconds_have_buckets_for_seconds() -> None:
    readings = Readings()
    async with world(observers=[readings.observer()]):
        await asyncio.sleep(1.0)
    metric = readings.metrics()["relive.dial.duration"]
    assert metric.unit == "s"
    (point,) = metric.data.data_points
    assert (point.explicit_bounds[0], point.explicit_bounds[-1]) == (0.01, 7200.0)
