"""Tool calls: what the resumed session can know, and what the application is told."""

from __future__ import annotations

import json

from tests.core.stories import Story, resumable, resumed

from relive.core import effects as do, events as ev
from relive.core.policy import Policy


def written(story: Story) -> list[list[str]]:
    """The calls answered by each frame that goes out."""
    frames = [json.loads(frame) for frame in story.writes() if b"tool" in str(frame).encode()]
    return [[response["id"] for response in frame["tool_response"]["function_responses"]] for frame in frames]


def test_a_pending_call_that_the_checkpoint_does_not_know_is_cancelled() -> None:
    """P16 P17: first the calls, then the turn."""
    story = resumable().asks().calls("c2", "c1").drops()
    assert story.orders[1:3] == (do.CancelCalls(("c1", "c2")), do.Interrupt())
    assert story.life.snapshot().pending == frozenset()


def test_a_pending_call_that_the_checkpoint_knows_stays_pending() -> None:
    """P16."""
    story = resumable().asks().calls("c1").handle("h2").calls("c2").drops()
    assert story.did(do.CancelCalls) == [do.CancelCalls(("c2",))]
    story.comes_up().answers("c1", written=False)
    assert written(story) == [["c1"]]


def test_a_response_to_a_call_that_was_rolled_back_is_not_sent() -> None:
    """P16."""
    story = resumable().asks().calls("c1").drops().answers("c1", written=False)
    assert written(story.comes_up(written=False)) == []
    assert story.life.journal.counts.dropped_answers == 1


def test_a_response_to_an_unknown_call_is_not_sent_either_once_a_connection_is_up() -> None:
    """P16: from a batch only the unknown ids are removed."""
    story = resumed().calls("c1").answers("c1", "ghost", written=False)
    assert written(story) == [["c1"]]
    assert story.life.journal.counts.trimmed_answers == 1


def test_a_response_that_is_binary_is_read_like_any_other() -> None:
    """P16."""
    story = resumed().calls("c1")
    frame = b'{"tool_response": {"function_responses": [{"id": "c1"}, {"id": "ghost"}]}}'
    position = story.life.journal.accept(frame, "reliable", story.now, frozenset({"c1", "ghost"}))
    story.tell(ev.InputAccepted(position, answers=frozenset({"c1", "ghost"})))
    assert written(story) == [["c1"]]


def test_a_call_that_was_answered_after_the_checkpoint_is_rolled_back_too() -> None:
    """P16: its tool may have had an effect, and the call may come again."""
    story = resumable().asks().calls("c1").answers("c1").drops()
    assert story.did(do.CancelCalls) == [do.CancelCalls(("c1",))]
    assert "c1" not in str(story.comes_up(written=False).writes())


def test_a_call_whose_answer_the_checkpoint_covers_is_done_with() -> None:
    """P16."""
    story = resumable().asks().calls("c1").answers("c1").outputs().ends_turn().after(5.0).handle("h2").drops()
    assert story.did(do.CancelCalls) == []


def test_a_call_whose_answer_the_checkpoint_does_not_cover_is_answered_again() -> None:
    """P16: the resumed session knows the call, and waits for its answer."""
    story = resumable().asks().calls("c1").answers("c1").handle("h2", index=2).drops()
    assert story.did(do.CancelCalls) == []
    assert written(story.comes_up(written=False)) == [["c1"]]


def test_a_call_that_the_server_cancels_is_not_pending() -> None:
    story = resumable().asks().calls("c1", "c2").cancels("c1", "ghost")
    assert story.life.snapshot().pending == {"c2"}


def test_calls_of_a_lost_session_are_cancelled_with_it() -> None:
    """P16 P17 P19: also those that the handle would have known."""
    story = resumable().asks().calls("c1").handle("h2").drops()
    assert story.did(do.CancelCalls) == []
    story.fails(1008, "BidiGenerateContent session not found")
    assert story.orders[-2:] == (do.CancelCalls(("c1",)), do.AskSeed("rejected"))
    assert story.seeds().comes_up().life.snapshot().pending == frozenset()


def test_a_fresh_session_is_sent_no_tool_response() -> None:
    """P19."""
    story = resumable().asks().calls("c1").drops().answers("c1", written=False)
    story.fails(1008, "BidiGenerateContent session not found").seeds().comes_up(written=False)
    assert written(story) == []


def test_a_call_that_runs_across_a_resume_is_waited_for() -> None:
    """P10 P17: its turn is not declared over meanwhile."""
    story = resumable(Policy(probe=False)).asks().calls("c1").after(5.0).handle("h2").drops().comes_up()
    assert story.did(do.CompleteTurn) == []
    assert story.life.snapshot().pending == {"c1"}
    assert "answer" not in story.deadlines
    assert "answer" in story.answers("c1").deadlines
    assert not story.outputs().ends_turn().life.snapshot().turn_open


def test_a_call_that_was_answered_while_no_connection_was_up_goes_on_too() -> None:
    """P16 P17."""
    story = resumable().asks().calls("c1").after(5.0).handle("h2").drops().answers("c1", written=False)
    assert story.comes_up(written=False).did(do.CompleteTurn) == []
    assert written(story) == [["c1"]]
