"""Context is lost: the application decides how to go on. Every loss passes through HANDLE_EXPIRED."""

from __future__ import annotations

import pytest
from tests.core.stories import CALM, Story, active, resumable, resumed, session

from relive.core import effects as do, events as ev
from relive.core.policy import Policy

GONE = (1008, "BidiGenerateContent session not found")


def expired(policy: Policy = CALM) -> Story:
    """A session whose handle the server has just refused."""
    return resumable(policy).drops().fails(*GONE)


def test_the_application_is_asked_once_and_for_so_long() -> None:
    """P19."""
    story = expired()
    assert story.did(do.AskSeed) == [do.AskSeed("rejected")]
    assert story.deadlines == {"seed": CALM.seed_timeout}


def test_a_seed_goes_first_and_the_journal_after_it() -> None:
    """P19."""
    story = resumable()
    story.accepts("uncovered")
    story.drops().fails(*GONE)
    story.accepts("waiting", written=False)
    story.seeds("seed 1", "seed 2")
    assert story.orders == (do.Open(3, None, seeded=True),)
    assert story.comes_up(written=False).writes() == ["seed 1", "seed 2", "uncovered", "waiting"]


def test_a_seed_makes_a_conversation() -> None:
    """P19: losing it is a loss of context again."""
    story = expired().seeds("seed").comes_up().after(60.0).drops()
    assert story.path == ["HANDLE_EXPIRED"]
    assert story.did(do.AskSeed) == [do.AskSeed("no_handle")]


def test_a_seed_outlives_an_attempt_that_fails() -> None:
    story = expired().seeds("seed").fails().reaches("retry")
    assert story.orders == (do.Open(4, None, seeded=True),)
    assert story.comes_up(written=False).writes() == ["seed"]


def test_a_seed_is_written_once_only() -> None:
    """P19: what is left of it when the connection dies is not sent after the next one."""
    story = expired().seeds("seed 1", "seed 2").comes_up(written=False)
    story.life.journal.write(story.now)
    story.after(60.0).drops().seeds("other").comes_up(written=False)
    assert story.writes() == ["other"]


def test_a_resumed_session_is_never_seeded() -> None:
    """P19: not even with what was left to write when its predecessor died."""
    story = expired().seeds("seed 1", "seed 2").comes_up(written=False)
    story.life.journal.write(story.now)
    story.after(60.0).handle("h3").drops()
    assert story.orders[-1] == do.Open(4, "h3")
    assert story.comes_up(written=False).writes() == []


def test_no_answer_means_a_fresh_session_without_a_seed() -> None:
    """P19."""
    story = expired().reaches("seed")
    assert story.orders == (do.CancelSeed(), do.Open(3, None))
    assert str(story.comes_up().life.verdict) == "not_restored(rejected)"


def test_an_application_may_refuse_to_go_on() -> None:
    """P19 P22."""
    story = expired().tell(ev.SeedRefused())
    assert story.path == ["FAILED"]
    (failed,) = story.did(do.Fail)
    assert failed.failure.cause == "seed_refused"
    assert "rejected" in failed.failure.detail
    assert story.did(do.Shut) == [do.Shut(flush=False)]


def test_an_application_may_refuse_while_the_old_connection_is_being_closed() -> None:
    """P19 P21."""
    story = active().asks().goes_away(0.0).reaches("drain").tell(ev.SeedRefused())
    assert story.path == ["FAILED"]
    assert story.is_closed().told == []


def test_an_answer_that_comes_too_late_changes_nothing() -> None:
    """P19."""
    story = expired().reaches("seed")
    before = story.life.snapshot()
    assert story.seeds("late").told == []
    assert story.tell(ev.SeedRefused()).told == []
    assert story.life.snapshot() == before


def test_a_fresh_session_waits_for_the_old_connection_to_be_closed() -> None:
    """P9."""
    story = active().asks().goes_away(0.0).reaches("drain").seeds("seed")
    assert story.path == ["CONNECTING"]
    assert story.did(do.Open) == []
    assert story.is_closed().did(do.Open) == [do.Open(2, None, seeded=True)]


def test_the_old_connection_may_be_closed_before_the_application_answers() -> None:
    """P9 P17."""
    story = active().asks().goes_away(0.0).reaches("drain").is_closed()
    assert story.orders == (do.Interrupt(),)
    assert story.seeds().orders == (do.Open(2, None),)


def test_a_fresh_session_after_a_young_one_has_to_wait() -> None:
    """P11: losing the context is no way around the budget."""
    story = expired().seeds().comes_up().asks().drops().seeds()
    assert story.path == ["WAITING"]
    assert story.reaches("retry").did(do.Open) == [do.Open(4, None)]


def test_losing_the_context_over_and_over_exhausts_the_budget() -> None:
    """P11."""
    story = expired(Policy(probe=False, retry_attempts=4))
    for _ in range(100):
        story.seeds()
        if story.state == "WAITING":
            story.reaches("retry")
        if story.state == "FAILED":
            break
        story.comes_up().asks().drops()
    assert story.did(do.Fail)[0].failure.cause == "gave_up"
    assert story.number <= 5


def test_a_context_that_is_lost_while_waiting_is_asked_about_once() -> None:
    """P19."""
    story = resumable(Policy(probe=False, handle_ttl=600.0, retry_time=float("inf"))).drops().fails()
    story.after(600.0).reaches("retry")
    assert story.path == ["HANDLE_EXPIRED"]
    story.seeds()
    assert story.path == ["WAITING"]
    assert story.reaches("retry").path == ["CONNECTING"]


def test_the_verdict_of_a_lost_context_is_never_fresh() -> None:
    """P19."""
    story = active().asks().drops()
    assert story.did(do.AskSeed) == [do.AskSeed("no_handle")]
    assert str(story.seeds().comes_up().life.verdict) == "not_restored(no_handle)"


def test_the_next_connection_has_a_verdict_of_its_own() -> None:
    story = expired().seeds().comes_up().handle("h3").after(60.0).drops().comes_up()
    assert str(story.life.verdict) == "resumed"


def test_quota_is_waited_for_also_after_a_loss_of_context() -> None:
    """P11."""
    story = active().asks().drops(1011, "You exceeded your current quota").seeds()
    assert story.path == ["WAITING"]
    assert story.deadlines["retry"] >= CALM.quota_delay


def test_a_session_at_its_limit_begins_afresh() -> None:
    """P20: the close of a session limit is no network fault, and its handle is not condemned."""
    story = resumable(compressed=False).after(840.0).drops(1007, "Request contains an invalid argument.")
    assert story.path == ["HANDLE_EXPIRED"]
    assert story.did(do.Quarantine) == []
    assert story.did(do.AskSeed) == [do.AskSeed("session_limit")]


def test_a_handle_judged_dead_where_there_is_none_is_a_loss_like_any_other() -> None:
    """A user's own judgement may say so of a session that was given no handle."""
    policy = Policy(probe=False, classify=lambda _drop, _ours: "handle_dead")
    story = active(policy).asks().drops()
    assert story.orders == (do.Abandon(1), do.Interrupt(), do.AskSeed("rejected"))


@pytest.mark.parametrize("told", [True, False])
def test_closing_ends_the_wait_for_the_application(told: bool) -> None:
    """P19 P21."""
    story = expired().closes()
    assert story.path == ["CLOSED"]
    assert story.orders == (do.Shut(flush=False),)
    assert story.deadlines == {}
    assert (story.seeds("x") if told else story.tell(ev.SeedRefused())).told == []


# Closing.


def test_closing_keeps_the_handle_for_another_process() -> None:
    """P21: its age counts from now."""
    story = resumable().after(100.0).closes()
    assert story.path == ["CLOSED"]
    (saved,) = story.did(do.Save)
    assert (saved.checkpoint.handle, saved.checkpoint.wall) == ("h1", story.wall)


def test_closing_flushes_what_is_unwritten() -> None:
    """P13."""
    story = active()
    story.accepts("last words", written=False)
    assert story.closes().orders == (do.Shut(flush=True),)


@pytest.mark.parametrize(
    "story",
    [
        session(),
        session().opens(stored=True),
        session().opens(),
        session().opens("mine"),
        session().opens().fails(),
        active().goes_away(),
        resumed(),
    ],
    ids=["idle", "loading", "connecting", "resuming", "waiting", "draining", "active"],
)
def test_closing_works_in_every_state(story: Story) -> None:
    """P21."""
    told = story.closes()
    assert told.path == ["CLOSED"]
    assert told.orders[-1] == do.Shut(flush=False)
    assert told.deadlines == {}
    assert told.life.final


def test_what_is_sent_after_the_end_changes_nothing() -> None:
    story = active().closes()
    story.accepts("too late", demands_answer=True)
    assert story.told == []
    assert not story.life.snapshot().turn_open
