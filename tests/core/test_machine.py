"""The engine and the transaction around it: an exception leaves no trace, and what cannot be asked for is refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.stories import CALM, Story, active, resumable, session

from relive.core import effects as do, events as ev, situation
from relive.core.closes import Dropped, Judgement
from relive.core.lifecycle import Lifecycle
from relive.core.machine import engine_for
from relive.core.policy import Policy
from relive.core.schema import STAY, Row
from relive.core.table import TABLE
from relive.errors import CommandError


def remembered(story: Story) -> tuple[object, ...]:
    journal = story.life.journal
    return (situation.save(story.life.scene.situation), list(journal.waiting), list(journal.written), journal.index,
            repr(journal.counts))  # fmt: skip


class Boom(Exception):
    pass


def raises(_scene: Any, _event: Any) -> Any:
    raise Boom


def raises_late(scene: Any, _event: Any) -> None:
    scene.stage(lambda: raises(None, None))


def asks_what_is_not_there(_scene: Any, _event: Any) -> None:
    raise KeyError("nothing")


@pytest.mark.parametrize("state", ["CONNECTING", "ACTIVE", "CLOSED"])
def test_a_session_is_opened_once(state: str) -> None:
    """Commands, and only commands, can be wrong: the error says what was asked, and in which state."""
    story = session().opens()
    if state != "CONNECTING":
        story.comes_up()
    if state == "CLOSED":
        story.closes()
    before = remembered(story)
    with pytest.raises(CommandError, match=f"cannot ConnectRequested: the session is {state}"):
        story.opens()
    assert remembered(story)[1:] == before[1:]
    assert story.state == state


def test_a_session_is_opened_once_also_while_the_store_is_asked() -> None:
    """P4: loading happens in IDLE, once."""
    story = session().opens(stored=True)
    for again in (ev.ConnectRequested(stored=True), ev.ConnectRequested("h1")):
        with pytest.raises(CommandError, match="the session is IDLE"):
            story.tell(again)
    assert story.loads().path == ["CONNECTING"]


def test_closing_twice_is_no_error() -> None:
    """P21."""
    story = active().closes()
    assert story.closes().told == []


@pytest.mark.parametrize("how", ["guard", "action", "change of the journal", "key error"])
def test_an_exception_leaves_no_trace(how: str) -> None:
    """Situation, journal and orders are as they were, and the next fact is handled as if nothing had been."""
    names = {"action": "raises", "change of the journal": "raises_late", "key error": "asks_what_is_not_there"}
    actions = {"raises": raises, "raises_late": raises_late, "asks_what_is_not_there": asks_what_is_not_there}
    when = "raises_too" if how == "guard" else "always"
    done = ("arm_drain", "prepare", names[how]) if how in names else ()
    table = TABLE.extend(
        rows=(Row[Any, Any, Any]("ACTIVE", ev.GoAwayReceived, "DRAINING", when, done),),
        guards={"raises_too": raises, "always": lambda _scene, _event: True},
        actions=actions,
    )
    story = active(table=table).asks()
    before = remembered(story)
    with pytest.raises(KeyError if how == "key error" else Boom):
        story.goes_away()
    after = remembered(story)
    assert after == before
    assert story.outputs().orders == ()


def test_a_key_error_of_an_action_is_not_taken_for_a_wrong_command() -> None:
    rows = (Row[Any, Any, Any]("ACTIVE", ev.JournalFlushed, STAY, "always", ("look",)),)
    actions = {"look": asks_what_is_not_there}
    table = TABLE.extend(rows=rows, guards={"always": lambda _scene, _event: True}, actions=actions)
    with pytest.raises(KeyError, match="nothing"):
        active(table=table).tell(ev.JournalFlushed(1))


def test_one_engine_serves_all_sessions_of_a_table() -> None:
    assert engine_for(TABLE) is engine_for(TABLE)
    assert repr(engine_for(TABLE)) == f"<Engine: {len(TABLE.states)} states, {len(TABLE)} rows>"
    one, other = active(), session()
    assert (one.state, other.state) == ("ACTIVE", "IDLE")


def test_a_fact_that_the_table_does_not_know_is_refused_with_its_name() -> None:
    class Unheard:
        pass

    with pytest.raises(CommandError, match="cannot Unheard: the session is IDLE"):
        session().tell(Unheard())  # pyright: ignore[reportArgumentType]


# Fencing: what is not about the newest connection, or cannot be true of it, changes nothing.


@pytest.mark.parametrize(
    "fact",
    [
        ev.ConnectionDropped(1, Dropped(1006)),
        ev.CheckpointReceived(1, "late"),
        ev.GoAwayReceived(1, 0.0),
        ev.ConnectionClosed(2),
        ev.OpenFailed(2, Dropped(1011)),
        ev.DialStarted(2),
        ev.ConnectionOpened(2),
        ev.ConnectionOpened(3),
        ev.SafePointReached(2),
        ev.DeadlineReached("drain"),
        ev.DeadlineReached("retry"),
    ],
)
def test_a_fact_that_cannot_be_true_of_the_newest_connection_is_ignored(fact: Any) -> None:
    story = resumable().drops().comes_up()
    assert story.number == 2
    before = remembered(story)
    assert story.tell(fact).told == []
    assert remembered(story) == before


def test_an_attempt_that_was_given_up_is_not_heard_again() -> None:
    story = session().opens().dials().reaches("opening")
    assert story.state == "WAITING"
    for fact in (ev.ConnectionOpened(1), ev.OpenFailed(1, Dropped(1011)), ev.DialStarted(1)):
        assert story.tell(fact).told == []


def test_a_deadline_does_not_come_before_its_time() -> None:
    story = active().goes_away(50.0)
    story.after(story.deadlines["drain"] - 0.5)
    assert story.tell(ev.DeadlineReached("drain")).told == []
    assert story.reaches("drain").path == ["CONNECTING"]


# A user's own judgement.


def judged(*said: Any) -> Policy:
    answers = list(said)

    def classify(_drop: Dropped, _ours: Judgement) -> Judgement:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Policy(probe=False, classify=classify)


def test_a_user_has_the_last_word_on_what_an_end_means() -> None:
    """P11."""
    story = resumable(judged("fatal")).drops(1006)
    assert story.state == "FAILED"


@pytest.mark.parametrize("nonsense", ["", "maybe", None, 7, [], ValueError("no idea")])
def test_a_user_who_has_nothing_to_say_does_not_harm_the_session(nonsense: object) -> None:
    """P11: nonsense and exceptions count as our own judgement."""
    assert resumable(judged(nonsense)).drops(1006).path == ["RESUMING"]


def test_a_user_is_shown_the_phase_and_our_judgement() -> None:
    seen: list[tuple[str, str]] = []

    def classify(drop: Dropped, ours: Judgement) -> Judgement:
        seen.append((drop.phase, ours))
        return ours

    policy = Policy(probe=False, classify=classify)
    resumable(policy).drops(1006).comes_up().drops(1011, "Internal error occurred.")
    assert seen == [("steady", "retry"), ("resumed", "handle_doubted")]


def test_a_user_is_not_asked_where_no_connection_has_ended() -> None:
    asked: list[Dropped] = []

    def classify(drop: Dropped, ours: Judgement) -> Judgement:
        asked.append(drop)
        return ours

    policy = Policy(probe=False, classify=classify)
    story = active(policy).speaks(0.5).outputs().drops(1006)
    asked.clear()
    story.tell(ev.SeedAnswered()).comes_up().reaches("answer")
    assert story.state == "ACTIVE"
    assert asked == []


def test_a_user_is_not_asked_about_a_cut_turn_that_does_not_come_back() -> None:
    """P17: the turn is completed, and the connection is none the worse for it."""
    asked: list[Dropped] = []

    def classify(drop: Dropped, _ours: Judgement) -> Judgement:
        asked.append(drop)
        return "retry" if len(asked) == 1 else "fatal"

    policy = Policy(probe=False, classify=classify)
    story = resumable(policy).asks("second").outputs().drops(1006).comes_up().handle("h2").reaches("answer")
    assert story.orders == (do.CompleteTurn(),)
    assert story.state == "ACTIVE"
    assert len(asked) == 1


def test_a_lifecycle_shows_itself_without_a_handle() -> None:
    """P5."""
    story = resumable()
    shown = repr(story.life) + repr(story.life.snapshot()) + repr(story.life.scene)
    assert "ACTIVE" in repr(story.life)
    assert "h1" not in shown
    assert story.life.snapshot().resumable


def test_what_was_ordered_shows_no_handle() -> None:
    """P5."""
    story = resumable().drops()
    assert story.told
    assert "h1" not in repr(story.told)


def test_a_transition_is_reported_once_with_the_verdict_of_its_connection() -> None:
    """P23."""
    story = resumable()
    (lost,) = [report.transition for report in story.drops().did(do.Report)]
    assert (lost.source, lost.dest, lost.event, lost.connection, lost.verdict) == (
        "ACTIVE", "RESUMING", "ConnectionDropped", 2, None)  # fmt: skip
    assert story.life.verdict is None
    (up,) = [report.transition for report in story.comes_up().did(do.Report)]
    assert (up.at, up.connection, str(up.verdict)) == (story.now, 2, "resumed")
    assert str(story.life.verdict) == "resumed"


def test_the_earliest_deadline_comes_first() -> None:
    assert Lifecycle(CALM).deadline is None
    story = active(Policy(rotate_after=300.0))
    probe, rotate = story.deadlines["probe"], story.deadlines["rotate"]
    assert probe < rotate
    assert story.life.deadline == (story.now + probe, "probe")
