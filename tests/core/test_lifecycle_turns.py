"""The application sees each turn end exactly once, however many connections it took."""

from __future__ import annotations

import pytest
from tests.core.stories import CALM, Story, active, resumable

from relive.core import effects as do, events as ev
from relive.core.policy import Policy

IMPATIENT = Policy(probe=False, answer_timeout=None)


def ends(orders: tuple[do.Effect, ...]) -> list[do.Effect]:
    """What the application is told of its turn."""
    return [order for order in orders if isinstance(order, do.Interrupt | do.CompleteTurn | do.CancelCalls)]


def covered(policy: Policy = CALM) -> Story:
    """The model owes an answer to a question that the checkpoint covers."""
    return resumable(policy).asks().after(5.0).handle("h2")


def uncovered(policy: Policy = CALM) -> Story:
    """The model owes an answer to a question that will be replayed."""
    return resumable(policy).asks().after(5.0)


# The cut turn.


@pytest.mark.parametrize("output", [True, False], ids=["output", "no output yet"])
def test_an_open_turn_is_interrupted_at_once(output: bool) -> None:
    """P17: open from the frame that demands an answer."""
    story = uncovered()
    if output:
        story.outputs()
    assert ends(story.drops().orders) == [do.Interrupt()]


def test_a_voice_turn_is_open_from_its_first_output() -> None:
    """P17."""
    story = resumable().speaks()
    assert not story.life.snapshot().turn_open
    assert ends(story.outputs().drops().orders) == [do.Interrupt()]


def test_a_turn_that_is_over_is_not_interrupted() -> None:
    assert ends(uncovered().outputs().ends_turn().drops().orders) == []


def test_an_interruption_that_the_server_told_of_is_not_told_twice() -> None:
    """P17."""
    assert ends(uncovered().outputs().interrupts().drops().orders) == []


def test_an_interruption_before_any_output_is_not_told_twice() -> None:
    """P17."""
    assert ends(uncovered().interrupts().drops().orders) == []


def test_a_second_loss_does_not_interrupt_the_same_turn_again() -> None:
    """P17."""
    story = uncovered().drops().comes_up()
    assert ends(story.drops().orders) == []
    assert ends(story.reaches("retry").comes_up().outputs().drops().orders) == [do.Interrupt()]


def test_a_turn_whose_input_is_replayed_comes_back() -> None:
    """P17: its end is the server's."""
    story = uncovered().outputs().drops().comes_up()
    assert ends(story.orders) == []
    assert ends(story.outputs().ends_turn().orders) == []
    assert not story.life.snapshot().turn_open


def test_a_turn_whose_input_is_not_replayed_is_completed() -> None:
    """P17: a generation never goes on after a resume."""
    story = covered().drops().comes_up()
    assert ends(story.orders) == [do.CompleteTurn()]
    assert not story.life.snapshot().turn_open
    assert ends(story.after(60.0).drops().orders) == []


def test_a_turn_that_does_not_come_back_is_not_waited_for_because_more_was_asked() -> None:
    """P17: the application waits for two ends, and gets two."""
    story = covered()
    story.drops().asks("another", written=False)
    assert ends(story.comes_up().orders) == [do.CompleteTurn()]
    assert story.life.snapshot().turn_open
    story.outputs().ends_turn()
    assert not story.life.snapshot().turn_open


def test_frames_that_were_never_written_do_not_hold_up_the_end_of_a_cut_turn() -> None:
    """P17: a microphone that stays open is no reason to wait."""
    story = covered().drops()
    story.life.journal.accept("audio", "audio", story.now)
    assert ends(story.comes_up().orders) == [do.CompleteTurn()]


def test_audio_that_is_replayed_does_not_hold_up_the_end_of_a_turn_that_was_about_text() -> None:
    """P17."""
    story = covered().speaks().outputs().drops().comes_up()
    assert ends(story.orders) == [do.CompleteTurn()]


def test_a_voice_turn_comes_back_if_its_audio_is_replayed() -> None:
    """P17."""
    story = resumable().speaks().outputs().drops().comes_up()
    assert ends(story.orders) == []
    assert ends(story.outputs().ends_turn().orders) == []


def test_a_voice_turn_that_does_not_come_back_is_completed_in_time() -> None:
    """P17: if no output comes within answer_timeout."""
    story = resumable().speaks().outputs().drops().comes_up().reaches("answer")
    assert story.path == []
    assert ends(story.orders) == [do.CompleteTurn()]


def test_a_voice_turn_whose_audio_is_covered_is_completed() -> None:
    """P17."""
    story = resumable().speaks().outputs().after(5.0).handle("h2").drops().comes_up()
    assert ends(story.orders) == [do.CompleteTurn()]


def test_a_drain_does_not_wait_for_a_turn_that_did_not_come_back() -> None:
    """P7 P17."""
    story = resumable().speaks().outputs().drops().comes_up().handle("h2").goes_away()
    assert story.state == "DRAINING"
    assert story.reaches("answer").path == ["RESUMING"]
    assert ends(story.orders) == [do.CompleteTurn()]


def test_the_cut_turn_is_completed_after_the_context_was_lost() -> None:
    """P17 P19."""
    story = covered().drops().fails(1008, "BidiGenerateContent session not found").seeds().comes_up()
    assert ends(story.orders) == [do.CompleteTurn()]


def test_a_question_that_was_not_written_is_asked_on_the_next_connection() -> None:
    """P13 P17."""
    story = resumable().asks(written=False)
    assert ends(story.drops().orders) == [do.Interrupt()]
    assert ends(story.comes_up(written=False).orders) == []
    assert story.writes() == ["question"]


# Where the model may choose not to answer.


def test_without_a_timeout_a_voice_turn_is_not_waited_for() -> None:
    """P17: nobody could tell when to stop."""
    story = resumable(IMPATIENT).speaks().outputs().drops().comes_up()
    assert ends(story.orders) == [do.CompleteTurn()]


def test_without_a_timeout_a_question_that_is_replayed_keeps_its_turn() -> None:
    story = uncovered(IMPATIENT).drops().comes_up()
    assert ends(story.orders) == []
    assert story.life.snapshot().turn_open


def test_without_a_timeout_nothing_is_withheld() -> None:
    """P17: a repeat that never comes would cost the next answer."""
    assert not uncovered(IMPATIENT).outputs().ends_turn().drops().comes_up().life.withholding


# The repeated answer.


def repeated(policy: Policy = CALM) -> Story:
    """A turn was over for the application, and its question is replayed."""
    return uncovered(policy).outputs().ends_turn().drops().comes_up()


def test_a_repeated_answer_is_withheld_to_its_end() -> None:
    """P17: so that an application that sends once and receives once is never off by one."""
    story = repeated()
    assert story.life.withholding
    assert story.outputs().life.withholding
    assert not story.life.answering
    story.interrupts().ends_turn()
    assert not story.life.withholding
    assert not story.life.snapshot().turn_open


def test_the_answer_after_a_repeated_one_is_delivered() -> None:
    """P17."""
    story = repeated().asks("next").outputs().ends_turn()
    assert story.life.snapshot().turn_open
    assert story.outputs().life.answering
    assert not story.ends_turn().life.snapshot().turn_open


def test_the_answer_after_a_repeated_one_is_awaited_too() -> None:
    """P10: the end of a repeat is not the end of the wait."""
    story = repeated().asks("next").outputs().ends_turn()
    assert story.deadlines["answer"] == CALM.answer_timeout


def test_a_repeat_that_does_not_come_does_not_cost_the_next_answer() -> None:
    """P17: the next question would have ended its turn, if it had one."""
    story = repeated().reaches("answer")
    assert story.path == []
    assert story.deadlines == {}
    assert story.asks("next").after(1.0).outputs().life.answering
    assert not story.life.withholding
    assert not story.ends_turn().life.snapshot().turn_open


def test_a_repeat_that_stops_in_the_middle_does_not_cost_the_next_answer() -> None:
    """P17."""
    story = repeated().outputs().reaches("answer").asks("next").after(1.0).outputs()
    assert not story.life.withholding
    assert story.life.answering


def test_a_repeat_that_comes_after_all_is_kept_back() -> None:
    """P17: whoever repeats slowly has not forgotten."""
    story = repeated().reaches("answer").after(60.0).outputs()
    assert story.life.withholding
    assert story.deadlines["answer"] == CALM.answer_timeout
    assert not story.generates().ends_turn().life.withholding
    assert story.asks("next").outputs().life.answering


def test_a_repeat_that_is_interrupted_by_the_next_question_is_kept_back() -> None:
    """P17: what comes then, comes before anything can be about that question."""
    story = repeated().reaches("answer").asks("next").outputs().interrupts().ends_turn()
    assert ends(story.orders) == []
    assert story.life.snapshot().turn_open
    assert not story.life.withholding
    assert story.outputs().life.answering
    assert not story.ends_turn().life.snapshot().turn_open


def test_speech_that_is_not_answered_again_does_not_cost_the_next_answer() -> None:
    """P17: where one turn of speech ends and another begins, the server says, and it may say otherwise."""
    story = resumable().speaks(3.0).outputs().after(5.0).ends_turn().drops().comes_up()
    assert story.life.withholding
    assert not story.reaches("answer").life.withholding
    assert story.outputs().life.answering


def test_tool_calls_of_a_repeat_are_pending_like_any_other() -> None:
    """P17: withheld, except tool calls."""
    story = repeated().calls("c1")
    assert story.life.snapshot().pending == {"c1"}
    assert story.answers("c1").life.withholding
    assert story.deadlines["answer"] == CALM.answer_timeout


def test_a_repeat_of_which_nothing_was_covered_is_repeated_again() -> None:
    """P17: a second loss, a second repeat; the application still hears nothing of it."""
    story = repeated().outputs().drops()
    assert ends(story.orders) == []
    assert story.reaches("retry").comes_up().life.withholding


def test_a_covered_turn_is_not_repeated() -> None:
    story = uncovered().outputs().ends_turn().handle("h2").drops().comes_up()
    assert not story.life.withholding


def test_audio_after_a_question_does_not_make_its_answer_a_repeat() -> None:
    """P17: only the question itself brings its answer back."""
    story = covered().speaks().outputs().ends_turn().drops().comes_up()
    assert story.life.journal.waiting or story.life.journal.written
    assert not story.life.withholding


def test_a_voice_answer_is_a_repeat_if_its_audio_is_replayed() -> None:
    """P17."""
    story = resumable().speaks(3.0).outputs().after(5.0).ends_turn().drops().comes_up()
    assert story.life.withholding


def test_two_answers_to_the_same_audio_are_one_repeat() -> None:
    story = resumable().speaks(3.0).outputs().ends_turn().outputs().ends_turn().drops().comes_up()
    assert story.life.scene.situation.withhold == 1


def test_every_answer_whose_question_is_replayed_is_a_repeat_however_many() -> None:
    """P17: a server that gives no handle for long has all of them asked again."""
    story, many = resumable(), 100
    for number in range(many):
        story.asks(f"question {number}").outputs().ends_turn()
    assert story.drops().comes_up().life.scene.situation.withhold == many


def test_answers_whose_questions_are_covered_are_forgotten() -> None:
    story = uncovered().outputs().ends_turn().after(5.0).handle("h2").asks("another").outputs().ends_turn()
    assert story.life.scene.situation.answered == (story.life.journal.position,)


def test_repeats_are_delivered_where_the_policy_says_so() -> None:
    """P17."""
    assert not repeated(Policy(probe=False, withhold_repeats=False)).life.withholding


def test_a_turn_that_was_completed_for_the_application_does_not_come_back_to_it() -> None:
    """P17: it was told that the turn is over, so the answer would be one too many."""
    story = uncovered().reaches("answer").comes_up().handle("h3", index=0).reaches("answer")
    assert ends(story.orders) == [do.CompleteTurn()]
    assert story.drops().comes_up().life.withholding


def test_a_voice_turn_that_was_completed_for_the_application_does_not_come_back_to_it() -> None:
    """P17: no frame asked for it, so it is known by what had been heard when it began."""
    story = resumable().speaks(3.0).outputs().drops().comes_up().reaches("answer")
    assert ends(story.orders) == [do.CompleteTurn()]
    assert story.drops().comes_up().life.withholding


# Which question an answer is about.


def test_a_question_asked_during_an_answer_is_not_settled_by_its_end() -> None:
    story = uncovered().outputs().asks("second").outputs().ends_turn()
    assert story.life.snapshot().turn_open
    assert ends(story.drops().orders) == [do.Interrupt()]


def test_questions_asked_together_are_answered_together() -> None:
    story = resumable().asks("one").asks("two").after(1.0).outputs().ends_turn()
    assert not story.life.snapshot().turn_open


def test_a_question_that_cannot_have_arrived_is_not_answered() -> None:
    """P15: what was asked less than a round trip ago is still on its way."""
    story = resumable().tell(ev.Heard(1, 0.0, round_trip=1.0)).asks("one").after(0.9).asks("two").after(0.1)
    story.outputs().ends_turn()
    assert story.life.scene.situation.owed == (story.life.journal.position,)


def test_the_least_round_trip_counts_not_the_newest() -> None:
    story = resumable().tell(ev.Heard(1, 0.0, round_trip=0.1)).tell(ev.Heard(1, 0.0, round_trip=7.0))
    story.asks("one").after(0.5).asks("two").after(0.5).outputs().ends_turn()
    assert story.life.scene.situation.owed == ()


def test_an_interrupted_answer_settles_one_question() -> None:
    story = resumable().asks("one").asks("two").asks("three").outputs().interrupts().ends_turn()
    assert len(story.life.scene.situation.owed) == 2
    story.outputs().ends_turn()
    assert story.life.scene.situation.owed == ()


def test_a_question_that_may_not_have_arrived_stays_in_the_journal() -> None:
    """P15: the first question is proven by its answer, the second is not."""
    story = resumable().asks("one").asks("two").outputs().ends_turn().handle("h2")
    assert [entry.frame for entry in story.life.journal.written] == ["two"]


def test_an_empty_answer_is_an_answer() -> None:
    story = uncovered().ends_turn()
    assert not story.life.snapshot().turn_open


def test_the_end_of_something_else_does_not_answer_what_was_not_written() -> None:
    story = resumable().asks(written=False).ends_turn()
    assert story.life.snapshot().turn_open


def test_a_greeting_is_a_turn_without_a_question() -> None:
    story = active().outputs()
    assert story.life.snapshot().turn_open
    story.ends_turn()
    assert not story.life.snapshot().turn_open
    assert story.life.scene.situation.answered == ()


def test_output_is_told_once_until_something_can_change() -> None:
    """The runtime need not tell of every frame of an answer."""
    story = uncovered()
    assert not story.life.answering
    assert story.outputs().life.answering
    assert not story.interrupts().life.answering
    assert story.outputs().life.answering
    assert not story.ends_turn().life.answering
