"""An answer that begins is watched until all of it has come: what stalls is lost, what is played is not (P10)."""

from __future__ import annotations

import pytest
from tests.core.stories import CALM, Story, active, resumable

from relive.core import effects as do
from relive.core.policy import Policy

TIMEOUT = CALM.answer_timeout or 0.0
IMPATIENT = Policy(probe=False, answer_timeout=None)


def answering(policy: Policy = CALM) -> Story:
    """The model has begun to answer a question that would be replayed."""
    return resumable(policy).asks().after(5.0).outputs()


def ends(story: Story) -> list[do.Effect]:
    """What the application is told of its turn."""
    return [order for order in story.orders if isinstance(order, do.Interrupt | do.CompleteTurn | do.CancelCalls)]


# An answer that stalls.


def test_an_answer_that_begins_has_its_time_to_go_on() -> None:
    """P10."""
    assert answering().deadlines == {"answer": TIMEOUT}


def test_an_answer_that_stalls_ends_the_connection_and_is_asked_for_again() -> None:
    """P10 P17: the turn is rolled back; its question is in the journal."""
    story = answering().reaches("answer")
    assert story.path == ["RESUMING"]
    assert story.orders == (do.Abandon(1), do.Interrupt(), do.Open(2, "h1"))
    assert ends(story.comes_up()) == []
    assert not story.outputs().generates().ends_turn().life.snapshot().turn_open


def test_a_stalled_answer_is_no_fault_of_the_handle() -> None:
    """P3: it is not mute."""
    story = resumable().asks().drops().comes_up().outputs().reaches("answer")
    assert story.path == ["RESUMING"]
    drop = story.life.scene.situation.drop
    assert drop is not None
    assert drop.reason == "the answer did not go on"


def test_an_answer_to_speech_is_watched_as_well() -> None:
    """P10: nobody asked, but somebody spoke."""
    assert resumable().speaks().outputs().reaches("answer").path == ["RESUMING"]


def test_an_answer_stalls_in_a_drain_as_well() -> None:
    """P10."""
    story = answering().goes_away(500.0).reaches("answer")
    assert story.path == ["RESUMING"]
    assert do.HangUp(1) not in story.orders


def test_a_greeting_that_stalls_is_over_for_the_application() -> None:
    """P17: nothing is replayed that would bring it back."""
    story = active().handle("h1").outputs().reaches("answer")
    assert ends(story) == [do.Interrupt()]
    assert ends(story.comes_up()) == [do.CompleteTurn()]


def test_output_that_came_meanwhile_is_told_when_the_deadline_comes_and_not_before() -> None:
    """P10: an audio frame is no fact."""
    story = answering().after(TIMEOUT).goes_on(silent_for=2.0)
    assert story.deadlines["answer"] == TIMEOUT - 2.0
    assert story.reaches("answer").path == ["RESUMING"]


def test_a_deadline_that_is_put_off_is_never_due_at_once() -> None:
    """Whatever the rounding: that would spin."""
    assert answering().after(TIMEOUT).goes_on(silent_for=TIMEOUT).deadlines["answer"] > 0.0


def test_output_that_is_heard_where_nothing_is_awaited_arms_nothing() -> None:
    assert resumable().goes_on().deadlines == {}
    assert answering(IMPATIENT).goes_on().deadlines == {}


def test_where_the_model_may_choose_to_be_silent_it_may_also_stop() -> None:
    """P10: answer_timeout=None."""
    assert answering(IMPATIENT).generates().asks().deadlines == {}


def test_a_question_asked_during_a_stalled_answer_does_not_give_it_more_time() -> None:
    """P10: nor less; it is asked again with the other."""
    story = answering().after(20.0).asks("second")
    assert story.deadlines["answer"] == TIMEOUT - 20.0
    story.reaches("answer").comes_up(written=False)
    assert story.writes() == ["question", "second"]


def test_an_answer_is_not_overdue_while_tools_run_and_is_when_it_stops_afterwards() -> None:
    """P10."""
    story = resumable().speaks().outputs().calls("c1")
    assert story.deadlines == {}
    assert story.answers("c1").deadlines["answer"] == TIMEOUT
    assert story.reaches("answer").path == ["RESUMING"]


def test_an_interrupted_answer_whose_turn_does_not_end_is_overdue() -> None:
    """P10: the end of the turn follows an interruption at once, also of playback."""
    story = answering().after(5.0).interrupts()
    assert story.deadlines["answer"] == TIMEOUT - 5.0
    story = answering().generates().after(5.0).interrupts()
    assert story.deadlines["answer"] == TIMEOUT
    assert ends(story.reaches("answer")) == []


# Once is a fault of the connection, twice is not.


def test_an_answer_that_stalls_twice_is_over_and_costs_no_second_connection() -> None:
    """P11 P17: the turn is ended for the application, and its answer would be one too many."""
    story = answering().reaches("answer").comes_up().outputs().reaches("answer")
    assert story.path == []
    assert story.orders == (do.Interrupt(), do.CompleteTurn())
    assert not story.life.snapshot().turn_open
    assert story.deadlines == {}
    assert story.drops().comes_up().life.withholding


def test_an_answer_that_was_interrupted_and_stalls_again_is_not_interrupted_again() -> None:
    """P17."""
    story = answering().reaches("answer").comes_up().outputs().interrupts().reaches("answer")
    assert ends(story) == [do.CompleteTurn()]


def test_a_drain_goes_on_after_an_answer_that_stalled_twice() -> None:
    """P7."""
    story = answering().reaches("answer").comes_up().outputs().handle("h2").goes_away(500.0).reaches("answer")
    assert ends(story) == [do.Interrupt(), do.CompleteTurn()]
    assert story.path == ["RESUMING"]


def test_what_comes_of_an_answer_that_is_over_is_kept_back() -> None:
    """P17: its connection is still there, and the application has had the end of its turn."""
    story = answering().reaches("answer").comes_up().outputs().reaches("answer")
    assert story.deadlines == {}
    story.after(5.0).outputs()
    assert story.life.withholding
    assert not story.life.answering
    assert story.deadlines["answer"] == TIMEOUT
    assert not story.generates().ends_turn().life.withholding
    assert story.asks("next").outputs().life.answering
    assert not story.ends_turn().life.snapshot().turn_open


def test_an_answer_that_is_over_is_not_what_the_next_question_is_answered_with() -> None:
    """P17: the server interrupts the one for the other; the same if it had not begun."""
    for begun in (True, False):
        story = answering().reaches("answer").comes_up()
        story = story.outputs() if begun else story.handle("h2")
        story = story.reaches("answer").asks("next").interrupts().ends_turn()
        assert story.life.snapshot().turn_open
        assert ends(story.outputs().ends_turn()) == []
        assert not story.life.snapshot().turn_open


def test_an_answer_that_is_over_does_not_hold_up_a_drain() -> None:
    """P7: nothing is lost with it."""
    story = answering().reaches("answer").comes_up().outputs().handle("h2").reaches("answer").after(10.0)
    assert story.goes_away(500.0).path == ["DRAINING", "RESUMING"]


def test_a_server_that_has_forgotten_the_answer_answers_the_next_question() -> None:
    """P17: it says nothing of the old one, so what it says is about the new one."""
    story = answering().reaches("answer").comes_up().outputs().reaches("answer").asks("next").after(2.0).outputs()
    assert story.life.answering
    assert not story.ends_turn().life.snapshot().turn_open


def test_what_comes_after_all_is_kept_back_to_its_end_whatever_is_asked_meanwhile() -> None:
    """P17: an answer is never heard in part; a server may go on with the one before it turns to the next."""
    story = answering().reaches("answer").comes_up().outputs().reaches("answer").after(5.0).outputs()
    story.asks("next").after(10.0).outputs()
    assert story.life.withholding
    assert not story.generates().ends_turn().life.withholding
    assert story.outputs().life.answering
    assert not story.ends_turn().life.snapshot().turn_open


def test_what_comes_after_all_and_stops_again_is_given_up_again() -> None:
    """P10 P17."""
    story = answering().reaches("answer").comes_up().outputs().reaches("answer").after(5.0).outputs().reaches("answer")
    assert story.path == []
    assert story.deadlines == {}
    assert story.asks("next").interrupts().ends_turn().outputs().life.answering


def test_the_next_question_after_that_costs_a_connection_again() -> None:
    """P10: the connection may be mute."""
    story = answering().reaches("answer").comes_up().outputs().asks("next").reaches("answer")
    assert ends(story) == [do.Interrupt(), do.CompleteTurn()]
    assert story.deadlines["answer"] == TIMEOUT
    assert story.reaches("answer").path == ["RESUMING"]


def test_what_one_turn_has_cost_is_not_held_against_the_next() -> None:
    """P10."""
    story = answering().reaches("answer").comes_up().outputs().ends_turn()
    assert story.asks("next").outputs().reaches("answer").path == ["RESUMING"]


# An answer that is played.


@pytest.mark.parametrize("seconds", [90.0, 900.0])
def test_an_answer_of_which_all_has_come_may_be_played_for_any_time(seconds: float) -> None:
    """P10: the end of the turn comes with the end of playback."""
    story = answering().generates()
    assert story.deadlines == {}
    assert ends(story.after(seconds).ends_turn()) == []
    assert not story.life.snapshot().turn_open


def test_output_after_the_end_of_generation_does_not_begin_a_wait() -> None:
    """P10: it may be the last of it."""
    assert answering().generates().outputs().deadlines == {}


def test_a_turn_of_which_nothing_but_the_end_is_generated_is_still_owed() -> None:
    """P10: nothing is played, so its end has to come."""
    assert resumable().asks().after(5.0).generates().deadlines["answer"] == TIMEOUT - 5.0


def test_a_question_behind_playback_has_its_time() -> None:
    """P10: from when it was demanded, or from the end of generation."""
    story = answering().generates().after(50.0).asks("second")
    assert story.deadlines["answer"] == TIMEOUT
    assert story.reaches("answer").path == ["RESUMING"]
    story = answering().after(5.0).asks("second").after(5.0).generates()
    assert story.deadlines["answer"] == TIMEOUT


def test_a_question_behind_playback_costs_a_connection_once() -> None:
    """P10 P11: the service may answer it after playback, and would be cut for ever."""
    story = answering().generates().asks("second").reaches("answer").comes_up()
    assert story.outputs().asks("third").generates().deadlines == {}
    assert story.ends_turn().deadlines["answer"] == TIMEOUT
    assert story.outputs().ends_turn().life.scene.situation.owed == ()


def test_tools_that_have_run_are_spoken_about_also_when_all_had_come() -> None:
    """P10."""
    story = answering().calls("c1", "c2").generates()
    assert story.answers("c1").deadlines == {}
    assert story.answers("c2").deadlines["answer"] == TIMEOUT


# A repeat that is withheld.


def repeated() -> Story:
    """A turn was over for the application, its question is replayed, and the repeat has begun."""
    return answering().ends_turn().drops().comes_up().outputs()


def test_a_repeat_may_be_played_for_any_time() -> None:
    """P17: else its end would be taken for that of another turn."""
    story = repeated().generates()
    assert story.deadlines == {}
    assert story.after(90.0).life.withholding
    assert not story.ends_turn().life.withholding


def test_a_question_behind_a_repeat_that_is_played_is_awaited() -> None:
    """P10."""
    story = repeated().generates().asks("next")
    assert story.deadlines["answer"] == TIMEOUT
    assert story.after(60.0).reaches("answer").path == ["RESUMING"]


def test_a_cut_turn_behind_a_repeat_is_cut_again_and_not_ended() -> None:
    """P17: it never had its turn."""
    story = answering().ends_turn().asks("second").after(1.0).drops().comes_up()
    story.outputs().generates().after(60.0).reaches("answer")
    assert story.path == ["RESUMING"]
    assert ends(story) == []
    assert story.comes_up().outputs().generates().deadlines == {}
    assert story.ends_turn().deadlines["answer"] == TIMEOUT


def test_a_repeat_that_is_interrupted_has_its_turn_ended_soon() -> None:
    """P10."""
    story = repeated().generates().after(5.0).interrupts()
    assert story.deadlines["answer"] == TIMEOUT
    assert story.reaches("answer").path == []
    assert story.deadlines == {}
