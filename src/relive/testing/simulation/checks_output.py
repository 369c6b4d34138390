"""Output: P17 and P18, from what the application heard, what was read, and what was counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from math import inf
from operator import attrgetter
from typing import Final

from relive.testing.simulation.checks_connections import is_loss
from relive.testing.simulation.checks_facts import EPS, LIVE, Facts, Story
from relive.testing.simulation.history import Record
from relive.testing.simulation.outcome import Violation
from relive.testing.simulation.user import Exchange

NOISE: Final = frozenset({"Duplicate", "Unsolicited", "Garbage"})
"Faults by which a server says what nothing called for: turns then end that nobody began."

_HEARD_AS: Final = {
    "interrupted": "interrupted",
    "toolCall": "calls",
    "turnComplete": "over",
    "turn_complete": "over",
}
"Keys of frames that were read, and names of those that were made, by what the application notes of them."

_PATIENCE: Final = 100.0
"Seconds that an answer may take to begin, after all faults."


def certain(facts: Facts, client: int) -> bool:
    """Whether each answer of the server is certainly the answer to one question of the user's.

    It is not if the server says things twice, or out of turn (what it says is delivered); if the machine is told of a
    question that nobody asked; if questions may have been asked twice (no message indices, or wrong ones; counted as
    uncertain) or forgotten (counted); or if the model may choose not to answer. Nor is it if a connection is lost while
    two questions are open, or were and no handle has come since (they are asked again at once, and may be answered
    together, or the one be cut by the other), or if speech is repeated to a service that reports no message indices:
    what ended it is no question.
    """
    if facts.faults & NOISE or "WrongIndices" in facts.faults or facts.policy.answer_timeout is None:
        return False
    if facts.misled:
        return False
    stories = facts.of_client(client)
    ledger = facts.history.clients[client]
    steps = [step for story in stories for step in story.kinds["step"]]
    handles = [step.at for step in steps if step.what == "CheckpointReceived"]
    asked = sorted((*ledger.user.asked, *ledger.user.forgotten), key=attrgetter("asked"))
    if _overlapped(asked, [step.at for step in steps if is_loss(step)], handles):
        return False
    spoken = any(sent.item.kind == "stream_end" for sent in ledger.sent)
    if spoken and facts.plan.service.thinking >= facts.policy.answer_timeout:
        return False  # speech whose answer was given up may be answered after all: nobody demanded it by name
    if spoken and not facts.indexed and sum(len(story.life.verdicts) for story in stories) > 1:
        return False
    counts = [story.life.stats for story in stories]
    return not any(stats is None or stats.frames_uncertain or stats.forgotten for stats in counts)


def _overlapped(asked: list[Exchange], losses: list[float], handles: list[float]) -> bool:
    """Whether a connection was lost that may have had both of two questions asked again that were open at a time."""
    for earlier, later in pairwise(asked):
        ended = inf if earlier.ended is None else earlier.ended
        if later.asked <= ended:
            until = inf if later.ended is None else next((at for at in handles if at > later.ended), inf)
            if any(earlier.asked <= at <= until for at in losses):
                return True
    return False


def turns_end_once(facts: Facts) -> Iterator[Violation]:
    """P17: each turn of the user ends once: no end comes that nobody waits for. Whether one comes, `answers_come` asks.

    Unless repeats are not to be withheld, or it is not `certain` what is repeated.
    """
    if not facts.policy.withhold_repeats:
        return
    for ledger in facts.history.clients:
        user, story = ledger.user, facts.of_client(ledger.number)[-1]
        if not certain(facts, ledger.number):
            continue
        if user.stray_ends:
            yield story.wrong("P17", story.ended, f"{user.stray_ends} turns ended that nobody had begun")


def answers_are_whole(facts: Facts) -> Iterator[Violation]:
    """P17: an answer is heard whole or, if it was cut, not at all since then; never in part, never with a part twice.

    How long an answer is its question says, if it was typed; to speech it is one of those that the model gives.
    """
    if not facts.policy.withhold_repeats:
        return
    turns = facts.plan.talk.turns
    interval = 1.0 / (facts.plan.talk.audio.rate or 1.0)
    spoken = {max(1, round(turn.answer / interval)) for turn in turns}
    for ledger in facts.history.clients:
        if not certain(facts, ledger.number):
            continue
        asked = {sent.item.number: sent.item for sent in ledger.sent if sent.item.asks}
        story = facts.of_client(ledger.number)[-1]
        for exchange in ledger.user.asked[: ledger.user.ended]:
            item = asked.get(exchange.number)
            if item is None or exchange.ended is None or (exchange.cut and not exchange.chunks):
                continue
            whole = {max(1, round(_seconds(item.text) / interval))} if item.text else spoken
            if exchange.chunks not in whole:
                yield story.wrong(
                    "P17",
                    exchange.ended,
                    f"of the answer to item {exchange.number} {exchange.chunks} chunks were heard, not "
                    f"{' or '.join(map(str, sorted(whole)))}; it was cut {exchange.cut} times",
                )


def answers_are_not_cut_for_nothing(facts: Facts) -> Iterator[Violation]:
    """P17: a turn that ends with nothing heard was ended by us, or by the user, who asked the next question.

    Where all questions are typed: the server interrupts itself for nothing else. An application that is off by one
    hears nothing any more, since each question cuts the answer to the last.
    """
    if any(turn.kind not in ("typed", "text") for turn in facts.plan.talk.turns) or not facts.policy.withhold_repeats:
        return
    for ledger in facts.history.clients:
        user, stories = ledger.user, facts.of_client(ledger.number)
        if not certain(facts, ledger.number) or any(story.life.crashed for story in stories):
            continue
        nexts = [exchange.asked for exchange in user.asked[1:]] + [inf]
        empty = [
            exchange
            for exchange, asked_next in zip(user.asked[: user.ended], nexts, strict=False)
            if exchange.cut and not exchange.chunks and exchange.ended is not None and exchange.ended < asked_next
        ]
        completed = sum(record.what == "turn_complete" for story in stories for record in story.kinds["made"])
        if len(empty) > completed:
            what = f"{len(empty)} turns ended with nothing heard, {completed} of them were completed by us"
            yield stories[-1].wrong("P17", empty[completed].ended or 0.0, what)


def answers_come(facts: Facts) -> Iterator[Violation]:
    """P17: at rest no typed question is without the end of its turn: it was answered, or cut and completed.

    Judged where the session was in use at its end and the user has waited long; not if the service itself dropped a
    question, as it does with those that wait for the end of a turn that is then interrupted, nor without probes.
    """
    if not facts.policy.probe:
        return
    for ledger in facts.history.clients:
        user, story = ledger.user, facts.of_client(ledger.number)[-1]
        if len(user.asked) <= user.ended or not certain(facts, ledger.number) or story.life.state != "CLOSED":
            continue
        closed = story.moves[-1]
        asked = {sent.item.number: sent.item for sent in ledger.sent if sent.item.text and sent.fate == "ok"}
        dropped = any(
            answer.ended == "interrupted" and not (answer.spoken or answer.written or answer.calls)
            for session in facts.sessions(ledger.number)
            for answer in session.emitted
        )
        for exchange in user.asked[user.ended :]:
            item = asked.get(exchange.number)
            if item is None or closed.data[0] != "ACTIVE" or dropped:
                break
            if closed.at - exchange.asked > _PATIENCE + 2.0 * _seconds(item.text):
                yield story.wrong("P17", closed.at, f"item {item.number}, sent at {exchange.asked:.1f} s, "
                                  "was not answered, and its turn did not end")  # fmt: skip
                break


def _seconds(text: str) -> float:
    return float(text.partition("\n")[0].partition(" a")[2] or 0.0)


def losses_are_told(facts: Facts) -> Iterator[Violation]:
    """P17: on a loss the calls that the next connection cannot know are cancelled, the open turn interrupted; at once.

    At once: before the application hears anything of another connection.
    """
    for story in facts.stories:
        if story.life.crashed or not story.moves:
            continue
        answers = story.answers
        pending: set[str] = set()
        due: set[str] = set()
        due_at = 0.0
        for record in story.walk:
            if record.kind == "read":
                _read(record, pending)
            elif record.kind == "sent":
                pending.difference_update(answers.get(record.data[0], ()))
            elif record.kind == "heard":
                if record.what == "cancelled":
                    due.difference_update(record.data or ())
                    pending.difference_update(record.data or ())
                elif due and record.what == "calls" and record.at > due_at:
                    break
            elif record.kind == "step" and is_loss(record):
                due_at = due_at if due else record.at
                due, pending = due | pending, set[str]()
        if due and "StopReading" not in facts.faults:
            yield story.wrong("P17", due_at, f"calls {sorted(due)} were rolled back, and the application was not told")


def losses_are_told_in_order(facts: Facts) -> Iterator[Violation]:
    """P17: first the calls that were rolled back, then that the turn is interrupted; if it does not come back, its end.

    It certainly does not if nothing is written again, nothing waits, and no tool runs for it. Judged where the
    application receives at once; calls that go with the context itself are told when that is lost.
    """
    if "StopReading" in facts.faults or facts.misled:
        return
    for story in facts.stories:
        verdicts = iter(story.life.verdicts)
        cut = False
        expired = forsaken = False  # the context was lost: at the last step, and since the turn was interrupted
        calls: set[str] = set()
        due = interrupted = inf
        for record in story.walk:
            if record.at > due + facts.late:
                yield story.wrong("P17", due, "a cut turn did not come back, and its end was not told")
                due = inf
            if record.kind == "made":
                if record.what == "cancelled" and record.at == interrupted and not forsaken:
                    yield story.wrong("P17", record.at, "calls were rolled back after the turn was interrupted")
                if record.what == "interrupted":
                    interrupted, forsaken = record.at, expired
                else:
                    interrupted = inf
                cut = record.what == "interrupted" or (cut and record.what != "turn_complete")
                due = inf if record.what == "turn_complete" else due
            elif record.kind == "read" and record.what == "toolCall":
                calls.update(record.data or ())
            elif record.kind == "heard" and record.what == "over":
                cut = False
            elif record.kind == "step":
                expired = record.data[1] == "HANDLE_EXPIRED"
                forsaken |= expired
                if record.what == "ConnectionOpened":
                    interrupted = inf  # the next loss may come in the same instant
                    verdict = next(verdicts, None)
                    again = verdict is None or verdict.replayed or record.data[2] or calls
                    due = record.at if cut and not again else inf
                elif record.data[1] not in LIVE:
                    due = inf


def _read(record: Record, pending: set[str]) -> None:
    if record.what == "toolCall":
        pending.update(record.data or ())
    elif record.what == "toolCallCancellation":
        pending.difference_update(record.data or ())
    elif record.what == "sessionResumptionUpdate" and record.data and record.data[0]:
        pending.clear()  # a call that was pending when a handle came counts as known to it


def interruptions_are_told(facts: Facts) -> Iterator[Violation]:
    """P17: a turn whose answer was being heard when its connection was lost is interrupted before anything else comes.

    Nothing else: neither its end, nor a call of a tool.
    """
    if facts.faults & NOISE:
        return
    for story in facts.stories:
        open_ = told = False
        cut: Record | None = None
        unheard: Counter[str] = Counter()
        before: Counter[str] = Counter()
        for record in story.walk:
            if record.kind == "step":
                if record.what == "OutputStarted":
                    open_ = True
                elif record.what == "TurnEnded":
                    open_ = False
                elif record.what == "ConnectionOpened":
                    open_ = told = False
                elif is_loss(record):
                    cut = record if open_ and not told and not _withheld(story) else None
                    before = unheard.copy()
                    open_ = False
            elif record.kind in ("read", "made"):
                said = _heard_as(record)
                unheard.update(said)
                told = told or (record.kind == "read" and "interrupted" in said)
                open_ = open_ and not (record.kind == "made" and "over" in said)
            elif record.kind == "heard" and record.what in ("over", "calls", "interrupted"):
                unheard[record.what] -= 1
                before[record.what] -= 1
                if cut is not None and before[record.what] < 0:  # else it is what had waited to be received
                    if record.what != "interrupted":
                        yield story.wrong("P17", record.at, f"a turn was cut, and {record.what} came instead of that")
                    cut = None


def _heard_as(record: Record) -> list[str]:
    """What the application is to hear of something that the server said, or that we made."""
    names = (record.data or ()) if record.what == "serverContent" else (record.what,)
    return [_HEARD_AS[name] for name in names if name in _HEARD_AS]


def _withheld(story: Story) -> bool:
    """Whether answers were kept back: then a turn may be open for the server and not for the application."""
    return bool(story.life.stats is None or story.life.stats.frames_withheld_repeats)


def delivered_is_what_was_read(facts: Facts) -> Iterator[Violation]:
    """P18: every frame that was read is delivered, once and in order, less those that are counted as withheld.

    What is delivered and was never read is made by us, of the kinds that relive makes, and counted, too.
    """
    for story in facts.stories:
        life, stats = story.life, story.life.stats
        if life.crashed or stats is None or life.left_over or "receive" not in life.errors:
            continue
        passed = life.passed_over + life.passed_over_control
        kept_back = stats.frames_received - stats.frames_delivered
        read = sum(flow.data[2] for flow in story.flows)
        heard = sum(flow.data[3] for flow in story.flows)
        if not 0 <= passed - kept_back <= life.read_late:
            yield story.wrong("P18", story.ended, f"{passed} frames read were not delivered, {kept_back} are counted")
        allowed = stats.frames_withheld_repeats + stats.frames_withheld_malformed + life.read_late
        if life.passed_over > allowed:
            what = f"{life.passed_over} chunks were not delivered; {allowed} were withheld as repeats or malformed"
            yield story.wrong("P18", story.ended, what)
        if life.made != stats.frames_synthetic:
            yield story.wrong("P18", story.ended, f"{life.made} frames were made, {stats.frames_synthetic} are counted")
        if heard != read - passed + life.made:
            yield story.wrong("P18", story.ended, f"{heard} frames delivered of {read} read and {life.made} made")


def only_repeats_are_withheld(facts: Facts) -> Iterator[Violation]:
    """P17: no more turns are kept back than questions were answered again, or than we have completed ourselves.

    Judged where all questions are typed.
    """
    if any(turn.kind not in ("typed", "text") for turn in facts.plan.talk.turns):
        return
    for ledger in facts.history.clients:
        stories = facts.of_client(ledger.number)
        ends = 0
        for story in stories:
            read = [record for record in story.kinds["read"] if record.what == "serverContent"]
            ends += sum("turnComplete" in (record.data or ()) for record in read)
            ends -= sum(record.what == "over" for record in story.kinds["heard"]) + story.life.read_late
        if ends <= 0 or not certain(facts, ledger.number) or any(story.life.crashed for story in stories):
            continue
        answered: set[str] = set()
        repeats = 0
        for session in facts.sessions(ledger.number):
            for answer in session.emitted:
                repeats += answer.said.text in answered
                if answer.ended in ("completed", "interrupted"):
                    answered.add(answer.said.text)
        if ends > repeats:
            what = f"{ends} more turns ended than were heard to end, {repeats} questions were answered again"
            yield stories[-1].wrong("P17", stories[-1].ended, what)


def calls_are_delivered(facts: Facts) -> Iterator[Violation]:
    """P18: a call that was read is heard by the application, at the time at which it was read.

    Judged where the application receives at once; over real sockets it may take its time.
    """
    if "StopReading" in facts.faults:
        return
    late = EPS if facts.history.scale is None else inf
    for story in facts.stories:
        heard = {(call, record.at) for record in story.kinds["heard"] if record.what == "calls" for call in record.data}
        until = (story.closed_at if story.closed_at is not None else story.ended) - EPS
        for record in story.kinds["read"]:
            if record.what == "toolCall" and record.at < until:
                at_once = {call for call, at in heard if abs(at - record.at) <= late}
                missing = [call for call in record.data or () if call not in at_once]
                if missing:
                    yield story.wrong("P18", record.at, f"calls {missing} were read and not delivered then")


CHECKS: Final = (
    turns_end_once, answers_come, answers_are_whole, answers_are_not_cut_for_nothing, losses_are_told,
    losses_are_told_in_order, interruptions_are_told, delivered_is_what_was_read, only_repeats_are_withheld,
    calls_are_delivered,
)  # fmt: skip
