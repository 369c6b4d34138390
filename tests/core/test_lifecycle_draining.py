"""A doomed connection is used up to the first safe point, or to its deadline."""

from __future__ import annotations

import pytest
from tests.core.stories import CALM, Story, active, resumable, resumed, session

from relive.core import effects as do, events as ev, guards
from relive.core.policy import Policy


def busy(policy: Policy = CALM) -> Story:
    """A session whose model owes an answer."""
    return resumable(policy).asks()


def test_a_notice_leads_to_draining() -> None:
    """P6: frames keep flowing both ways."""
    story = busy().goes_away(50.0)
    assert story.path == ["DRAINING"]
    assert story.orders == (do.Prepare(),)
    assert story.deadlines["drain"] == 50.0 - CALM.drain_margin
    story.accepts("more")
    assert [entry.frame for entry in story.life.journal.written] == ["question", "more"]


@pytest.mark.parametrize(("second", "left"), [(10.0, 10.0 - CALM.drain_margin), (90.0, 50.0 - CALM.drain_margin)])
def test_a_second_notice_may_move_the_deadline_earlier_never_later(second: float, left: float) -> None:
    """P6."""
    assert busy().goes_away(50.0).goes_away(second).deadlines["drain"] == left


def test_a_safe_point_on_entry_is_taken_at_once() -> None:
    """P7: tested on entry."""
    story = resumable().goes_away()
    assert story.path == ["DRAINING", "RESUMING"]
    assert story.orders == (do.Prepare(), do.HangUp(1))


def test_a_resume_dials_only_after_the_old_connection_is_closed() -> None:
    """P9."""
    story = resumable().goes_away()
    assert story.did(do.Open) == []
    assert story.is_closed().orders == (do.Open(2, "h1"),)


def test_the_end_of_the_turn_and_its_handle_make_a_safe_point() -> None:
    """P7."""
    story = busy().goes_away().outputs().ends_turn()
    assert story.state == "DRAINING"
    assert story.handle("h2").path == ["RESUMING"]
    assert story.is_closed().orders == (do.Open(2, "h2"),)


def test_a_handle_from_before_the_end_of_the_turn_is_no_safe_point() -> None:
    """P7: the checkpoint must be newer, also if both came in the same instant."""
    story = busy().goes_away().outputs().handle("h2").ends_turn()
    assert story.state == "DRAINING"


def test_a_handle_that_does_not_come_is_awaited_only_for_so_long() -> None:
    """P7: late_handle."""
    story = busy().goes_away().outputs().ends_turn()
    assert story.deadlines["late_handle"] == CALM.late_handle
    assert story.reaches("late_handle").path == ["RESUMING"]


def test_a_late_handle_is_awaited_also_if_the_turn_ended_before_the_notice() -> None:
    """P7."""
    story = busy().outputs().ends_turn().after(CALM.late_handle / 2).goes_away()
    assert story.state == "DRAINING"
    assert story.reaches("late_handle").path == ["RESUMING"]


@pytest.mark.parametrize("moment", [0.1 + 0.2, 1 / 3, 0.7, 1e-9])
def test_rounding_does_not_make_the_late_handle_miss_its_own_deadline(moment: float) -> None:
    """P7."""
    story = busy()
    story.now += moment
    story.outputs().ends_turn().after(moment).goes_away()
    assert story.reaches("late_handle").state == "RESUMING"


def test_a_session_that_is_not_resumable_now_waits_for_its_late_handle() -> None:
    """P1 P7."""
    story = resumable().asks().outputs().ends_turn().handle("h2").withholds().goes_away()
    assert story.state == "DRAINING"
    assert story.handle("h3").state == "RESUMING"


@pytest.mark.parametrize(
    "blocked",
    [
        lambda story: story.accepts("unwritten", written=False),
        lambda story: story.accepts("activity start", opens_turn=True),
        lambda story: story.asks(),
        lambda story: story.outputs(),
        lambda story: story.calls("c1"),
    ],
    ids=["unwritten frame", "open user turn", "owed answer", "open answer", "pending tool call"],
)
def test_what_would_be_lost_blocks_the_safe_point(blocked: object) -> None:
    """P7: until the deadline, which holds in any case."""
    story = resumable()
    blocked(story)  # pyright: ignore[reportCallIssue]
    story.handle("h2").goes_away(30.0)
    assert story.path == ["DRAINING"]
    assert story.reaches("drain").path == ["RESUMING"]


def test_the_last_frame_on_the_wire_makes_a_safe_point() -> None:
    """P7: tested after every fact."""
    story = resumable()
    story.accepts("unwritten", written=False)
    story.goes_away()
    story.writes()
    assert story.tell(ev.JournalFlushed(1)).path == ["RESUMING"]


def test_a_user_turn_that_ends_is_over_when_it_is_answered() -> None:
    """P7."""
    story = resumable()
    story.accepts("activity start", opens_turn=True)
    story.goes_away()
    story.accepts("activity end", demands_answer=True)
    assert story.outputs().ends_turn().handle("h2").path == ["RESUMING"]


def test_the_tools_that_ran_make_a_safe_point_when_their_turn_is_over() -> None:
    """P7."""
    story = busy().calls("c1").goes_away().answers("c1").outputs().ends_turn()
    assert story.handle("h2").path == ["RESUMING"]


@pytest.mark.parametrize("time_left", [0.0, CALM.drain_margin])
def test_a_notice_without_time_is_left_at_once(time_left: float) -> None:
    """P7: on its own timer, also when the server has fallen silent."""
    story = busy().goes_away(time_left)
    assert story.deadlines["drain"] == 0.0
    assert story.reaches("drain").path == ["RESUMING"]


def test_a_drain_without_a_handle_asks_the_application() -> None:
    """P7 P19: there was a conversation, and no handle leads back to it."""
    story = active().asks().goes_away().reaches("drain")
    assert story.path == ["HANDLE_EXPIRED"]
    assert story.orders == (do.HangUp(1), do.AskSeed("no_handle"))


def test_a_drain_with_nothing_to_lose_opens_afresh() -> None:
    story = active().goes_away().reaches("drain")
    assert story.path == ["CONNECTING"]
    assert story.is_closed().orders == (do.Open(2, None),)


def test_a_drain_of_a_connection_that_just_came_up_pays_for_the_next() -> None:
    """P11: every opening spends budget unless its predecessor was stable."""
    story = session().opens().comes_up().handle("h1").goes_away()
    assert story.state == "RESUMING"
    assert story.is_closed().path == ["WAITING"]
    assert story.reaches("retry").orders == (do.Open(2, "h1"),)


def test_a_server_that_keeps_sending_us_away_exhausts_the_budget() -> None:
    """P11: accept, send away, accept … ends."""
    story = session(Policy(probe=False, retry_attempts=4)).opens()
    for _ in range(100):
        story.comes_up().handle("h1").goes_away(0.0).is_closed()
        if story.state == "FAILED":
            break
        story.reaches("retry")
    (failed,) = story.did(do.Fail)
    assert (failed.failure.cause, failed.failure.drop) == ("gave_up", None)
    assert story.number == 4


# What the old connection says until it is closed.


def test_what_the_old_connection_still_says_counts() -> None:
    """P9: frames read until then are delivered; a handle among them is used."""
    story = busy().goes_away(0.0).reaches("drain").outputs().ends_turn().handle("h2")
    assert story.state == "RESUMING"
    story.tell(ev.Heard(1, 0.0)).tell(ev.JournalFlushed(1)).goes_away(10.0).withholds()
    assert story.is_closed().orders == (do.Open(2, "h2"),)


def test_a_turn_that_does_not_end_before_the_close_is_rolled_back_once() -> None:
    """P17."""
    story = busy().goes_away(0.0).reaches("drain").outputs().is_closed()
    assert story.orders == (do.Interrupt(), do.Open(2, "h1"))


def test_a_handle_that_comes_on_the_way_out_saves_the_context() -> None:
    """P19: context is lost only if no handle comes at all."""
    story = active().asks().goes_away().reaches("drain").handle("late")
    assert story.path == ["RESUMING"]
    assert story.did(do.CancelSeed) == [do.CancelSeed()]
    assert story.is_closed().orders == (do.Interrupt(), do.Open(2, "late"))
    assert str(story.comes_up().life.verdict) == "resumed"


def test_a_handle_that_comes_after_the_application_has_answered_saves_the_context_too() -> None:
    """P19: its seed is not used, since a resumed session is never seeded."""
    story = active().asks().goes_away().reaches("drain").seeds("seed").handle("late")
    assert story.path == ["RESUMING"]
    assert story.did(do.CancelSeed) == []
    assert story.is_closed().did(do.Open) == [do.Open(2, "late")]
    assert "seed" not in story.comes_up(written=False).writes()


def test_output_on_the_way_out_is_a_conversation_to_be_lost() -> None:
    """P19: no way leads from a conversation to a fresh connection around HANDLE_EXPIRED."""
    story = active().goes_away().reaches("drain").outputs().is_closed()
    assert story.path == ["HANDLE_EXPIRED"]
    assert story.orders == (do.Interrupt(), do.AskSeed("no_handle"))


def test_output_on_the_way_out_does_not_ask_the_application_twice() -> None:
    """P19: asked once per loss."""
    story = active().asks().goes_away().reaches("drain").seeds().outputs().is_closed()
    assert story.did(do.AskSeed) == []
    assert story.did(do.Open) == [do.Open(2, None)]


def test_a_condemned_handle_that_is_offered_again_is_no_handle() -> None:
    """P3."""
    story = resumed().drops(1008, "session not found").seeds().comes_up().after(60.0).asks()
    story.handle("h1")
    assert story.orders == ()
    assert not story.life.snapshot().resumable
    assert story.goes_away().reaches("drain").path == ["HANDLE_EXPIRED"]
    assert story.handle("h1").path == []


# Without any notice.


def test_a_connection_of_some_age_is_left_by_ourselves() -> None:
    """P8."""
    policy = Policy(probe=False, rotate_after=300.0)
    story = busy(policy).outputs().ends_turn().handle("h2")
    assert story.reaches("rotate").path == ["DRAINING", "RESUMING"]


def test_such_a_drain_waits_for_a_safe_point_for_so_long() -> None:
    """P8: rotate_patience; a notice from the server can only shorten it."""
    policy = Policy(probe=False, rotate_after=300.0, answer_timeout=None)
    story = busy(policy).reaches("rotate")
    assert story.path == ["DRAINING"]
    assert story.deadlines["drain"] == policy.rotate_patience
    assert story.goes_away(3600.0).deadlines["drain"] == policy.rotate_patience
    assert story.reaches("drain").path == ["RESUMING"]


def test_a_connection_without_a_handle_is_not_left_by_ourselves() -> None:
    """P8 P19: that would lose the conversation for nothing."""
    policy = Policy(probe=False, rotate_after=300.0)
    story = active(policy).reaches("rotate")
    assert story.path == []
    assert story.deadlines["rotate"] == policy.rotate_after
    assert story.handle("h1").reaches("rotate").path == ["DRAINING", "RESUMING"]


def test_a_turn_that_was_cut_ends_before_a_connection_is_left_by_ourselves() -> None:
    """P8 P17: else one that takes longer than that is cut for ever."""
    policy = Policy(probe=False, rotate_after=300.0, answer_timeout=None)
    story = busy(policy).outputs().reaches("rotate").reaches("drain").is_closed().comes_up().outputs()
    assert story.reaches("rotate").path == []
    assert story.deadlines["rotate"] == policy.rotate_after
    assert story.ends_turn().asks().reaches("rotate").path == ["DRAINING"]


def test_an_answer_to_a_call_that_nobody_made_does_not_hold_up_a_drain() -> None:
    """P7 P16: it is taken back, so nothing is unwritten."""
    story = active().goes_away(500.0)
    story.accepts("context", written=False)
    assert story.handle("h1").path == []
    story.writes()
    assert story.answers("nobody's", written=False).path == ["RESUMING"]
    assert story.life.journal.waiting == []


# When another process may go on from here, without our journal.


def settled(story: Story) -> bool:
    return guards.settled(story.life.scene)


def test_a_session_in_which_nothing_was_said_may_be_left_at_once() -> None:
    story = session()
    assert settled(story)
    story.accepts("first", written=False)
    assert not settled(story)  # nobody else has it


def test_a_conversation_that_no_handle_leads_to_is_not_left() -> None:
    assert not settled(active().asks())


def test_what_a_handle_covers_is_nobodys_loss_and_media_are_a_gap() -> None:
    story = resumable()
    assert settled(story)
    story.accepts("more")
    assert not settled(story)
    assert settled(story.after(5.0).handle("h2"))
    assert settled(story.speaks())


def test_a_turn_is_let_end_and_covered_first() -> None:
    story = busy().outputs()
    assert not settled(story)
    assert not settled(story.ends_turn())
    assert settled(story.after(5.0).handle("h2"))
