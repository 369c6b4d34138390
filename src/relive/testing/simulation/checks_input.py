"""Input: P13–P16, from what was accepted, what was consumed on the surviving timeline, and what was counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from relive.testing.simulation.checks_facts import HANDS_OFF, LIVE, MUTING, Facts, Story
from relive.testing.simulation.checks_timeline import Account, Books, keep_books, responses
from relive.testing.simulation.outcome import Violation

_SLOW_UP: Final = frozenset({"Latency", "Bandwidth", "Slicer", "Hold", "SlowClose", "Swizzle", "Clog", "ClogSocket"})
"Faults that let a frame be on its way for longer than a round trip that was measured before."


def _slow(facts: Facts) -> bool:
    """Whether a frame may have been on its way for long; over real sockets nobody can tell."""
    return bool(facts.faults & _SLOW_UP) or facts.history.scale is not None


def input_is_kept(facts: Facts) -> Iterator[Violation]:
    """P13 P14 P15: what was accepted is consumed, in order and, with indices, once; or its loss is counted.

    Counted is what was dropped, superseded or forgotten, and what the journal still held when the session ended, if
    that ended badly. Of a process that crashed nothing is known, but that nothing may be doubled or shuffled. Without
    indices what was sent again is counted as uncertain; and no handle proves that what the network held up longer than
    a round trip is in it (a documented loss).
    """
    for client in range(len(facts.history.clients)):
        books = keep_books(facts, client)
        for kind in books.foreign[:1]:
            yield Violation("P14", f"the server consumed {kind} that nobody sent", facts.history.ended, client)
        for account in books.accounts:
            yield from _lost(facts, account)
            yield from _doubled(facts, account)
            yield from _overstated(facts, books, account)
            if account.shuffled:
                story = account.story
                yield story.wrong("P13", story.ended, f"{account.shuffled} items were consumed in another order")


def _lost(facts: Facts, account: Account) -> Iterator[Violation]:
    story = account.story
    stats = story.life.stats
    if story.life.crashed or not account.lost or stats is None:
        return
    if not facts.indexed and _slow(facts):
        return
    missing = unexplained(facts, story, account.lost)
    if missing:
        yield story.wrong(
            "P13",
            story.ended,
            f"{dict(account.lost)} never consumed, the first is item {account.first_lost}; {missing}",
        )


def unexplained(facts: Facts, story: Story, lost: Counter[str]) -> str:
    """What the counts allow of what was lost, by kinds, if that is not all; else nothing.

    What is counted as dropped is audio or video: that explains the loss of nothing else.
    """
    stats = story.life.stats
    audio = max(0, lost["audio"] - stats.dropped_audio)
    video = max(0, lost["video"] - stats.dropped_video)
    reliable = lost.total() - lost["audio"] - lost["video"]
    allowed = stats.forgotten + (0 if left_well(facts, story) else stats.frames_waiting + stats.frames_uncovered)
    if audio + video + reliable <= allowed:
        return ""
    return f"counted as dropped: {stats.dropped_audio} audio, {stats.dropped_video} video, {allowed} others or unsent"


def left_well(facts: Facts, story: Story) -> bool:
    """Whether the session ended in use, nothing unsent, on a connection on which the server heard us take our leave.

    Whose close frame has not arrived may have more on its way, also if the host ends all connections at the very end.
    """
    closing = story.moves[-1] if story.moves else None
    if closing is None or closing.data[0] not in LIVE or closing.data[1] != "CLOSED":
        return False
    if facts.faults & (MUTING | HANDS_OFF) or story.life.stats.frames_waiting:
        return False
    admitted = list(facts.admitted(story))
    return bool(admitted) and admitted[-1][1].client_code is not None


def _doubled(facts: Facts, account: Account) -> Iterator[Violation]:
    story, stats = account.story, account.story.life.stats
    if not account.doubled or stats is None or "WrongIndices" in facts.faults:
        return
    if account.doubled > stats.frames_uncertain:
        yield story.wrong(
            "P14" if facts.indexed else "P15",
            story.ended,
            f"{account.doubled} items consumed more than once, the first is item {account.first_doubled}; "
            f"{stats.frames_uncertain} were said to be uncertain",
        )


def _overstated(facts: Facts, books: Books, account: Account) -> Iterator[Violation]:
    """What is reported as dropped did not arrive: where nothing was forgotten, no session lost, and nothing unsure."""
    story, stats = account.story, account.story.life.stats
    if len(books.accounts) > 1 or books.sessions != 1 or stats is None or not facts.indexed:
        return
    if stats.forgotten or not left_well(facts, story):
        return
    dropped = stats.dropped_audio, stats.dropped_video
    if dropped != (account.lost["audio"], account.lost["video"]):
        yield story.wrong("P14", story.ended, f"{dropped} audio and video frames reported dropped, lost {account.lost}")


def no_stray_responses(facts: Facts) -> Iterator[Violation]:
    """P16: no tool response reaches a session that cannot know its call.

    With an exception, which is documented: a call that was pending when a handle came counts as known to it.
    """
    for client in range(len(facts.history.clients)):
        strays = [(session, call) for session in facts.sessions(client) for call in session.stray_tool_responses]
        for session, call in strays:
            if call not in session.unsolicited_calls and not _under_a_handle(facts, client, call):
                yield Violation("P16", f"a response to {call} reached a session that never called", 0.0, client)


def _under_a_handle(facts: Facts, client: int, call: str) -> bool:
    for story in facts.of_client(client):
        called: int | None = None
        for record in story.kinds["read"]:
            if record.what == "toolCall" and call in (record.data or ()):
                called = record.conn
            elif record.what == "sessionResumptionUpdate" and called == record.conn and record.data and record.data[0]:
                return True
    return False


def responses_are_kept(facts: Facts) -> Iterator[Violation]:
    """P13 P16: a tool response is consumed, or was withdrawn and counted; a batch may have been trimmed."""
    for story in facts.stories:
        sent = responses(story)
        stats = story.life.stats
        if not sent or story.life.crashed or stats is None or (not facts.indexed and _slow(facts)):
            continue
        consumed = {
            call
            for session in facts.sessions(story.client)
            for item in (*session.consumed, *session.rolled_back)
            if item.kind == "tool_response"
            for call in item.payload
        }
        missing = sum(consumed.isdisjoint(response.item.ids) for response in sent)
        allowed = stats.dropped_answers + stats.forgotten
        if not left_well(facts, story):
            allowed += stats.frames_waiting + stats.frames_uncovered
        if missing > allowed:
            yield story.wrong("P16", story.ended, f"{missing} tool responses never came, {allowed} were accounted for")


def wrong_indices_are_told(facts: Facts) -> Iterator[Violation]:
    """P14: an index that goes backwards, or lies beyond everything that was ever sent, is reported.

    Judged while the session was in use: what is said by a connection that is being left may be ignored. What lies
    behind a number that may itself have been too high is left to the machine, which knows how much was written by then.
    """
    if not facts.numbered:
        return
    inflated = any(fault.what == "WrongIndices" and fault.data["anomaly"] == "too_high" for fault in facts.struck)
    for story in facts.stories:
        if story.life.crashed or (story.life.stats is not None and story.life.stats.observer_overflows):
            continue
        ledger = story.ledger
        most = len(ledger.audio) + len(ledger.sent) + ledger.audio_failed + len(story.kinds["open"])
        told = sum(notice.what == "index_anomaly" for notice in story.kinds["notice"])
        heard = {step.at for step in story.steps if step.what == "CheckpointReceived" and step.data[0] in LIVE}
        newest: dict[int, int] = {}
        wrong = 0
        for read in story.kinds["read"]:
            if read.what != "sessionResumptionUpdate" or not read.data or not read.data[0] or read.data[2] is None:
                continue
            index = int(read.data[2])
            if newest.get(read.conn, 0) <= index <= most:
                newest[read.conn] = 0 if inflated else index
            else:
                wrong += read.at in heard
        if wrong > told:
            yield story.wrong("P14", story.ended, f"{wrong} message indices could not be true, {told} were reported")


CHECKS: Final = (input_is_kept, wrong_indices_are_told, no_stray_responses, responses_are_kept)
