"""How a session begins, and how a connection comes up."""

from __future__ import annotations

import pytest
from tests.core.stories import CALM, active, resumable, resumed, session

from relive.core import effects as do, events as ev
from relive.core.checkpoint import Checkpoint
from relive.core.policy import Policy

FRESH = do.Verdict("fresh")


def stored(handle: str = "kept", age: float = 60.0, **more: object) -> Checkpoint:
    return Checkpoint(handle, "model", "backend", wall=session().wall - age, **more)  # pyright: ignore[reportArgumentType]


# From nothing.


def test_a_session_without_a_handle_and_a_store_opens_afresh() -> None:
    story = session().opens()
    assert story.path == ["CONNECTING"]
    assert story.orders == (do.Open(1, None),)


def test_a_connection_that_comes_up_is_written_and_probed() -> None:
    story = session(Policy()).opens().dials().tell(ev.ConnectionOpened(1))
    assert story.path == ["ACTIVE"]
    assert story.orders == (do.Write(1), do.Probe(1))
    assert story.life.verdict == FRESH


def test_what_is_sent_before_the_first_connection_waits_for_it() -> None:
    """P13."""
    story = session()
    story.accepts("one", written=False)
    story.opens()
    story.accepts("two", written=False)
    assert story.writes() == []
    assert story.comes_up(written=False).writes() == ["one", "two"]
    assert story.life.verdict == FRESH


# From a handle.


def test_a_handle_of_the_caller_is_resumed_unchecked() -> None:
    """P2: it wins over the store."""
    story = session().opens("mine", stored=True)
    assert story.path == ["RESUMING"]
    assert story.orders == (do.Open(1, "mine"),)
    assert story.comes_up().life.verdict == do.Verdict("resumed")


def test_an_empty_handle_is_no_handle() -> None:
    assert session().opens("").orders == (do.Open(1, None),)


def test_a_store_is_asked_first() -> None:
    story = session().opens(stored=True)
    assert story.state == "IDLE"
    assert story.orders == (do.Load(),)
    assert story.deadlines == {"load": CALM.load_timeout}


def test_a_stored_handle_is_resumed() -> None:
    """P2."""
    story = session().opens(stored=True).loads(stored())
    assert story.path == ["RESUMING"]
    assert story.orders == (do.Open(1, "kept"),)
    assert story.deadlines == {}


def test_an_empty_store_means_a_fresh_session() -> None:
    story = session().opens(stored=True).loads()
    assert story.orders == (do.Open(1, None),)
    assert str(story.comes_up().life.verdict) == "fresh"


@pytest.mark.parametrize("mismatch", ["model", "backend", "quarantined"])
def test_a_stored_handle_that_does_not_match_is_not_used(mismatch: str) -> None:
    """P2 P19: the application is asked, and the verdict says why."""
    story = session().opens(stored=True).loads(stored() if mismatch != "quarantined" else None, mismatch)
    assert story.path == ["HANDLE_EXPIRED"]
    assert story.orders == (do.AskSeed(mismatch),)
    assert str(story.seeds().comes_up().life.verdict) == f"not_restored({mismatch})"


@pytest.mark.parametrize(("held", "mismatch"), [("kept", ""), ("kept", "model"), ("", "")])
def test_a_handle_that_another_process_condemned_is_no_handle(held: str, mismatch: str) -> None:
    """P3: whatever else the store holds."""
    story = session().opens(stored=True).loads(stored() if held else None, mismatch, dead=("dead", "another"))
    story = story.seeds().comes_up() if mismatch else story.comes_up()
    assert story.handle("dead").orders == ()
    assert not story.life.snapshot().resumable
    assert story.handle("live").did(do.Save)


def test_a_stored_handle_that_is_too_old_is_not_used_again() -> None:
    """P3: it is quarantined, so that no other process tries it."""
    story = session().opens(stored=True).loads(stored(age=CALM.handle_ttl))
    assert story.orders == (do.Quarantine("kept", "expired"), do.AskSeed("expired"))


@pytest.mark.parametrize("how", ["fails", "is mute"])
def test_a_store_that_cannot_be_read_may_have_held_a_conversation(how: str) -> None:
    """P4 P19."""
    story = session().opens(stored=True)
    story = story.tell(ev.CheckpointNotLoaded()) if how == "fails" else story.reaches("load")
    assert story.path == ["HANDLE_EXPIRED"]
    assert str(story.seeds().comes_up().life.verdict) == "not_restored(store_unavailable)"


def test_a_store_that_answers_too_late_changes_nothing() -> None:
    """P4: loading happens in IDLE, once."""
    story = session().opens(stored=True).reaches("load").seeds()
    before = story.life.snapshot()
    for late in (ev.CheckpointLoaded(stored()), ev.CheckpointNotLoaded()):
        assert story.tell(late).told == []
    assert story.life.snapshot() == before


# What can go wrong.


def test_the_limiter_may_take_its_time() -> None:
    """P10: waiting for it does not count; then the dial and the setup have theirs."""
    story = session().opens().after(1000.0)
    assert story.deadlines == {}
    assert story.dials().deadlines == {"opening": CALM.open_timeout + CALM.setup_timeout}


def test_a_setup_without_an_answer_is_given_up_and_tried_again() -> None:
    """P10 P11."""
    story = session().opens().dials().reaches("opening")
    assert story.path == ["WAITING"]
    assert story.orders == (do.Abandon(1),)
    assert story.reaches("retry").orders == (do.Open(2, None),)


def test_waits_grow_and_end() -> None:
    """P11: exponential, capped, bounded in attempts."""
    policy = Policy(probe=False, retry_attempts=8, retry_cap=4.0)
    story, waits = session(policy).opens(), list[float]()
    while story.fails().state == "WAITING":
        waits.append(story.deadlines["retry"])
        story.reaches("retry")
    assert waits == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0, 4.0]
    assert story.number == policy.retry_attempts
    (failed,) = story.did(do.Fail)
    assert failed.failure.cause == "gave_up"
    assert "8 attempts" in failed.failure.detail
    assert story.orders[-1] == do.Shut(flush=False)


def test_jitter_is_the_part_of_the_wait_that_the_runtime_draws() -> None:
    """P11 P24."""
    story = session().opens()
    story.jitter = 0.0
    assert story.fails().deadlines == {"retry": 0.0}


def test_a_recovery_is_bounded_in_time() -> None:
    """P11."""
    story = session(Policy(probe=False, retry_time=5.0)).opens().after(4.0).fails()
    assert story.state == "WAITING"
    assert story.reaches("retry").after(1.0).fails().state == "FAILED"


def test_a_session_is_bounded_in_openings() -> None:
    """P11: in total, also if every connection was stable."""
    story = resumable(Policy(probe=False, retry_total=3))
    story.drops().comes_up().after(60.0).drops().comes_up().after(60.0)
    assert story.number == 3
    assert story.drops().state == "FAILED"


def test_quota_waits_longer() -> None:
    """P11."""
    story = session().opens().fails(1011, "You exceeded your current quota, please check your plan")
    assert story.deadlines["retry"] >= CALM.quota_delay


def test_a_cause_that_will_not_pass_is_not_retried() -> None:
    """P11 P22."""
    story = session().opens().fails(1007, "API key not valid. Please pass a valid API key.")
    assert story.path == ["FAILED"]
    (failed,) = story.did(do.Fail)
    assert failed.failure.cause == "fatal"
    assert failed.failure.drop is not None
    assert failed.failure.detail
    assert story.deadlines == {}


# How it came up.


def test_a_resumed_session_is_not_resumable_until_its_first_update() -> None:
    """P1."""
    story = resumed()
    assert not story.life.snapshot().resumable
    assert story.handle("h2").life.snapshot().resumable


def test_what_no_checkpoint_covers_is_written_again_in_order() -> None:
    """P13 P15: the reliable lane always."""
    story = resumable()
    for text in ("a", "b"):
        story.accepts(text)
    story.accepts("c", written=False)
    story.drops().comes_up(written=False)
    assert story.life.verdict == do.Verdict("resumed", replayed=2)
    assert story.writes() == ["a", "b", "c"]


def test_frames_near_a_handle_are_replayed_as_uncertain() -> None:
    """P15: a handle without an index does not prove that every frame before it is in it."""
    story = active()
    story.accepts("old")
    story.after(10.0).accepts("in flight")
    story.after(CALM.coverage_margin / 2).handle("h1").after(0.1).accepts("after")
    story.drops().comes_up(written=False)
    assert story.life.verdict == do.Verdict("resumed", replayed=2, uncertain=1)
    assert story.writes() == ["in flight", "after"]


def test_a_handle_that_may_have_waited_covers_only_what_was_written_before_it_could() -> None:
    """P15: our reader was held up; who knows when the server gave it?"""
    story = active()
    story.accepts("heard")
    held_since = story.after(10.0).now
    story.after(5.0).accepts("who knows")
    story.after(20.0).tell(ev.CheckpointReceived(1, "h1", held_since=held_since))
    story.drops().comes_up(written=False)
    assert story.writes() == ["who knows"]


def test_a_frame_of_the_instant_in_which_a_handle_came_is_uncertain() -> None:
    """P15: nobody can tell which of the two was first."""
    story = active()
    story.handle("h1").accepts("with it")
    assert story.drops().comes_up(written=False).life.verdict == do.Verdict("resumed", replayed=1, uncertain=1)


def test_a_frame_that_was_uncertain_once_stays_uncertain() -> None:
    """P15: being replayed does not make it certain."""
    story = active()
    story.accepts("in flight")
    story.after(0.1).handle("h1").drops().comes_up().after(60.0).drops().comes_up()
    assert story.life.verdict == do.Verdict("resumed", replayed=1, uncertain=1)


def test_a_measured_round_trip_widens_the_margin() -> None:
    """P15."""
    story = active().tell(ev.Heard(1, 0.0, round_trip=4.0))
    story.accepts("in flight")
    story.after(3.0).handle("h1").drops().comes_up()
    assert story.life.verdict == do.Verdict("resumed", replayed=1, uncertain=1)


def test_with_an_index_nothing_is_uncertain() -> None:
    """P14."""
    story = active()
    for text in ("one", "two", "three"):
        story.accepts(text)
    story.handle("h1", index=2).drops().comes_up(written=False)
    assert story.life.verdict == do.Verdict("resumed", replayed=1)
    assert story.writes() == ["three"]


def test_writes_are_numbered_anew_on_each_connection() -> None:
    """P14: a replayed frame takes the next number of the connection that it is replayed on."""
    story = active()
    story.accepts("one")
    story.accepts("two")
    story.handle("h1", index=1).drops().comes_up().handle("h2", index=1)
    assert story.did(do.Warn) == []
    assert list(story.life.journal.written) == []


@pytest.mark.parametrize("index", [1, 4])
def test_an_index_that_cannot_be_true_covers_nothing(index: int) -> None:
    """P14: behind the last one, or beyond what was written; also after another that could not be true."""
    story = active()
    for text in ("one", "two", "three"):
        story.accepts(text)
    story.after(0.1).handle("h1", index=2)
    for _ in range(2):
        story.handle("h2", index=index)
        assert [warning.what for warning in story.did(do.Warn)] == ["index_anomaly"]
        assert [entry.frame for entry in story.life.journal.written] == ["three"]
    assert story.life.scene.situation.checkpoint is not None
    story.drops().comes_up()
    assert story.life.verdict == do.Verdict("resumed", replayed=1, uncertain=1)


def test_what_was_forgotten_is_told_once_as_a_gap() -> None:
    """P13."""
    story = resumable(Policy(probe=False, journal_limit=10))
    story.accepts("12345678")
    story.accepts("87654321")
    story.drops().comes_up()
    verdict = story.life.verdict
    assert verdict is not None
    assert (verdict.kind, verdict.dropped, verdict.replayed) == ("resumed_with_gap", 1, 1)
    assert "1 frames" in str(verdict)
    story.after(60.0).drops().comes_up()
    assert str(story.life.verdict) == "resumed"


def test_a_connection_that_nothing_was_said_on_is_replaced_by_a_fresh_one() -> None:
    """P19: no context is lost where there was none."""
    story = active().drops()
    assert story.path == ["CONNECTING"]
    assert story.comes_up().life.verdict == FRESH


def test_the_earliest_deadline_is_told_whichever_was_armed_first() -> None:
    life = active().life
    for deadlines in ((("probe", 2.0), ("answer", 3.0)), (("answer", 3.0), ("probe", 2.0))):
        life.scene.situation.deadlines = deadlines
        assert life.deadline == (2.0, "probe")
