"""A connection is lost: what is rolled back, what is tried, and when it is enough."""

from __future__ import annotations

import pytest
from tests.core.stories import CALM, active, resumable, resumed, session

from relive.core import effects as do, events as ev
from relive.core.policy import Policy

QUOTA = "You exceeded your current quota, please check your plan"
INVALID = "Request contains an invalid argument."


def test_a_stable_connection_that_is_dropped_is_resumed_at_once() -> None:
    """P11."""
    story = resumable().drops()
    assert story.path == ["RESUMING"]
    assert story.orders == (do.Abandon(1), do.Open(2, "h1"))


def test_a_connection_that_dies_young_is_waited_for() -> None:
    """P11."""
    story = resumed().drops()
    assert story.path == ["WAITING"]
    assert story.orders == (do.Abandon(2),)
    assert story.reaches("retry").orders == (do.Open(3, "h1"),)


def test_the_budget_is_full_again_after_a_stable_connection() -> None:
    """P11."""
    policy = Policy(probe=False, retry_attempts=3)
    story = resumable(policy)
    for _ in range(20):
        story.drops().comes_up().drops().reaches("retry").comes_up().after(policy.stable_after)
    assert story.state == "ACTIVE"


def test_a_server_that_accepts_and_drops_exhausts_the_budget() -> None:
    """P11: accept, die, accept … ends."""
    story = session(Policy(probe=False, retry_attempts=4)).opens()
    while story.state != "FAILED":
        story.comes_up().handle(f"h{story.number}").drops()
        if story.state == "WAITING":
            story.reaches("retry")
    assert story.number == 4
    assert story.did(do.Fail)[0].failure.cause == "gave_up"


def test_quota_is_waited_for_also_after_a_stable_connection() -> None:
    """P11."""
    story = resumable().drops(1011, QUOTA)
    assert story.path == ["WAITING"]
    assert story.deadlines["retry"] >= CALM.quota_delay


def test_a_fatal_end_is_not_retried() -> None:
    """P11 P22."""
    story = resumable().drops(1008, "Method doesn't allow unregistered callers")
    assert story.path == ["FAILED"]
    assert [type(order) for order in story.orders] == [do.Abandon, do.Fail, do.Shut]


def test_a_silent_connection_is_probed_and_then_dropped() -> None:
    """P10."""
    policy = Policy()
    story = resumable(policy).tell(ev.Heard(1, 0.0))
    assert story.deadlines["probe"] == policy.probe_after
    assert story.reaches("probe").orders == (do.Probe(1),)
    assert story.deadlines["silence"] == policy.probe_timeout
    assert story.reaches("silence").path == ["RESUMING"]


def test_a_sign_of_life_ends_the_wait_for_one() -> None:
    """P10."""
    policy = Policy()
    story = resumable(policy).reaches("probe").tell(ev.Heard(1, 1.0, round_trip=0.1))
    assert "silence" not in story.deadlines
    assert story.deadlines["probe"] == policy.probe_after - 1.0


def test_an_old_sign_of_life_has_the_connection_probed_soon_but_not_in_a_circle() -> None:
    """P10."""
    policy = Policy()
    assert 0.0 < resumable(policy).tell(ev.Heard(1, 60.0)).deadlines["probe"] < policy.probe_after


def test_a_sign_of_life_arms_nothing_where_probing_is_off() -> None:
    assert resumable().tell(ev.Heard(1, 0.0)).deadlines == {}


def test_an_answer_that_is_owed_for_too_long_ends_the_connection() -> None:
    """P10."""
    story = resumable().asks()
    assert story.deadlines["answer"] == CALM.answer_timeout
    story.reaches("answer")
    assert story.path == ["RESUMING"]
    assert story.orders == (do.Abandon(1), do.Interrupt(), do.Open(2, "h1"))


def test_an_answer_is_not_awaited_longer_because_more_is_asked() -> None:
    """P10."""
    story = resumable().asks().after(20.0).asks()
    assert story.deadlines["answer"] == (CALM.answer_timeout or 0) - 20.0


def test_no_answer_is_overdue_while_tools_run() -> None:
    """P10: the server waits for us; it owes again when the tools are done."""
    story = resumable().asks().calls("c1", "c2").asks()
    assert "answer" not in story.deadlines
    assert "answer" not in story.answers("c1").deadlines
    story.answers("c2")
    assert story.deadlines["answer"] == CALM.answer_timeout
    assert story.after(20.0).outputs().deadlines["answer"] == CALM.answer_timeout


def test_an_answer_is_owed_again_when_the_server_cancels_the_tools() -> None:
    """P10."""
    story = resumable().asks().calls("c1").cancels("c1")
    assert story.deadlines["answer"] == CALM.answer_timeout


def test_an_answer_is_not_awaited_where_the_model_may_choose() -> None:
    """P10."""
    assert resumable(Policy(probe=False, answer_timeout=None)).asks().deadlines == {}


def test_the_next_answer_is_awaited_from_the_end_of_the_last() -> None:
    """P10."""
    story = resumable().asks().outputs().asks().after(20.0).ends_turn()
    assert story.deadlines["answer"] == CALM.answer_timeout
    assert story.life.snapshot().turn_open


# Handles that lead nowhere.


def test_a_handle_that_the_server_does_not_know_is_never_sent_again() -> None:
    """P3 P19."""
    story = resumable().drops().fails(1008, "BidiGenerateContent session not found")
    assert story.path == ["HANDLE_EXPIRED"]
    assert story.orders == (do.Abandon(2), do.Quarantine("h1", "rejected"), do.AskSeed("rejected"))
    assert story.seeds().orders == (do.Open(3, None),)
    assert str(story.comes_up().life.verdict) == "not_restored(rejected)"


def test_a_handle_whose_sessions_die_young_is_tried_only_so_often() -> None:
    """P3: handle_strikes."""
    story = resumed().drops(1011, "Internal error occurred.")
    assert story.path == ["WAITING"]
    story.reaches("retry").comes_up().drops(1011, "Internal error occurred.")
    assert story.path == ["HANDLE_EXPIRED"]
    assert story.did(do.Quarantine) == [do.Quarantine("h1", "quarantined")]


def test_a_handle_that_is_offered_again_keeps_its_strikes() -> None:
    """P3: the same handle does not prove itself by being sent."""
    story = resumed().handle("h1").drops(1011, "Internal error occurred.")
    story.reaches("retry").comes_up().handle("h1").drops(1011, "Internal error occurred.")
    assert story.path == ["HANDLE_EXPIRED"]


def test_a_newer_handle_is_not_judged_by_the_death_of_the_session_that_gave_it() -> None:
    """P3: what it was resumed from is one thing, what it gave another."""
    story = resumed().handle("h2").drops(1008, "BidiGenerateContent session not found")
    assert story.path == ["WAITING"]
    assert story.reaches("retry").orders == (do.Open(3, "h2"),)


def test_a_resumed_session_that_stays_mute_is_a_strike() -> None:
    """P3 P17: and its turn, which was cut before, is over for the application."""
    story = resumable(Policy(probe=False, handle_strikes=1)).asks().drops().comes_up().reaches("answer")
    assert story.path == ["HANDLE_EXPIRED"]
    assert story.orders == (
        do.Abandon(2), do.CompleteTurn(), do.Quarantine("h1", "quarantined"), do.AskSeed("quarantined"))  # fmt: skip


def test_a_question_that_nobody_answers_does_not_cost_one_connection_after_the_other() -> None:
    """P10 P11 P17: once is a fault of the connection, twice is not; the application is told that the turn is over."""
    story = active().asks().handle("h1").reaches("answer").comes_up()
    story.handle("h2").reaches("answer")
    assert story.path == []
    assert story.orders == (do.CompleteTurn(),)
    assert not story.life.snapshot().turn_open
    assert story.deadlines == {}


def test_a_refusal_that_may_be_the_setups_fault_is_decided_by_a_fresh_attempt() -> None:
    """P3: if that comes up, it was the handle."""
    story = session().opens("mine").fails(1007, INVALID)
    assert story.path == ["HANDLE_EXPIRED"]
    assert story.orders == (do.Abandon(1), do.AskSeed("quarantined"))
    story.seeds()
    assert story.orders == (do.Open(2, None),)
    story.comes_up()
    assert story.life.verdict == do.Verdict("not_restored", "quarantined")
    assert story.life.scene.situation.condemned == {"mine"}


def test_a_refusal_that_was_the_setups_fault_does_not_cost_the_handle() -> None:
    """P3: it may be used again with a better setup."""
    story = session().opens("mine").fails(1007, INVALID).seeds().fails(1007, INVALID)
    assert story.state == "FAILED"
    assert story.did(do.Quarantine) == []


def test_a_configuration_that_has_come_up_before_is_not_doubted() -> None:
    """P3."""
    story = resumable().drops().fails(1007, INVALID)
    assert story.did(do.Quarantine) == [do.Quarantine("h1", "quarantined")]


def test_a_handle_grows_old_only_while_no_connection_is_up() -> None:
    """P3: its time runs from the end of the last connection."""
    policy = Policy(probe=False, handle_ttl=600.0, retry_time=float("inf"), retry_cap=2000.0, retry_base=2000.0)
    story = resumable(policy).after(10_000.0).drops()
    assert story.path == ["RESUMING"]
    story.fails().reaches("retry")
    assert story.path == ["HANDLE_EXPIRED"]
    assert story.orders == (do.Quarantine("h1", "expired"), do.AskSeed("expired"))


@pytest.mark.parametrize("step", [-1e6, 3600.0])
def test_a_clock_that_steps_does_not_cost_a_connection_that_is_up_its_handle(step: float) -> None:
    """P3: the wall clock is only for the age of handles."""
    story = resumable()
    story.wall += step
    assert story.drops().path == ["RESUMING"]


# A poison frame.


def test_a_frame_that_kills_two_connections_is_named() -> None:
    """The frame is condemned, not the handle: the session fails, saying which."""
    story = resumable()
    position = story.accepts("poison")
    assert story.drops(1007, INVALID).path == ["RESUMING"]
    story.comes_up().drops(1007, INVALID)
    assert story.path == ["FAILED"]
    (failed,) = story.did(do.Fail)
    assert failed.failure.cause == "poisoned"
    assert f"frame {position} " in failed.failure.detail
    assert story.did(do.Quarantine) == []


def test_another_frame_is_another_suspect() -> None:
    story = resumable()
    story.accepts("one")
    story.drops(1007, INVALID).comes_up().handle("h2", index=1).after(60.0)
    story.accepts("two")
    assert story.drops(1007, INVALID).path == ["RESUMING"]


def test_audio_alone_is_no_poison() -> None:
    story = resumable().speaks().drops(1007, INVALID).comes_up().after(60.0).drops(1007, INVALID)
    assert story.path == ["RESUMING"]


def test_a_budget_that_ends_with_bad_input_blames_no_frame_that_did_it_once() -> None:
    """The frame is named only if it ended two connections."""
    story = resumable(Policy(probe=False, retry_attempts=2)).drops().comes_up().handle("h2")
    story.accepts("innocent?")
    story.drops(1006).reaches("retry").comes_up().handle("h3")
    story.accepts("late")
    assert story.drops(1007, "Invalid JSON payload").state == "FAILED"
    assert story.did(do.Fail)[0].failure.cause == "gave_up"
