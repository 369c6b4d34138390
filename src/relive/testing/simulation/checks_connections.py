"""Connections: P6–P12, from what the machine did, what was opened, and when the server let go."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from math import inf
from operator import attrgetter
from typing import Final

from relive.runtime.limiter import DialLimiter
from relive.testing.simulation.checks_facts import EPS, LIVE, Facts, Story, seconds_of
from relive.testing.simulation.history import Record
from relive.testing.simulation.outcome import Violation

LOST: Final = frozenset({"ConnectionDropped", "DeadlineReached(silence)", "DeadlineReached(answer)"})
_at: Final = attrgetter("at")
_OPEN_SPAN: Final = ("up", "refused")
_PROCESS: Final = ("start", "crash", "end")
"What begins and ends a process."
_ASKS: Final = frozenset({"content", "text", "activity_end", "stream_end"})


def is_cut(step: Record) -> bool:
    """Whether a connection that was in use is gone with this step: they ended it, or it fell silent."""
    return step.what in LOST and step.data[0] in LIVE and step.data[1] not in LIVE


def is_loss(step: Record) -> bool:
    """As `is_cut`; or we have closed it."""
    return is_cut(step) or step.what == "ConnectionClosed"


def goaway_leads_to_draining(facts: Facts) -> Iterator[Violation]:
    """P6: a GoAway that is read in ACTIVE leads to DRAINING at that moment."""
    for story in facts.stories:
        if not any(read.what == "goAway" for read in story.kinds["read"]):
            continue
        state, heard = "IDLE", None
        for record in story.walk:
            if record.kind == "step":
                if heard is not None and (record.at > heard.at or record.what == "GoAwayReceived"):
                    if record.what != "GoAwayReceived" or record.data[1] != "DRAINING" or record.at > heard.at:
                        yield story.wrong("P6", heard.at, f"GoAway in ACTIVE was followed by {record.what}")
                    heard = None
                state = record.data[1]
            elif record.kind == "read" and record.what == "goAway" and state == "ACTIVE":
                heard = record


def frames_flow_while_draining(facts: Facts) -> Iterator[Violation]:
    """P6: what is sent while DRAINING is written, where nothing holds up the network.

    Frames are counted by stretches, which a drain has for itself; those of its last two seconds may be unwritten.
    """
    if not facts.prompt:
        return
    for story in facts.stories:
        for began, ended, _ in _drains(story):
            if ended.at - began.at < 3.0:
                continue
            # Of stretches that begin at that instant the last: one that ended then is of what was before.
            before = bisect_right(story.flows, began.at + EPS, key=_at) - 1
            first = max(before, bisect_left(story.flows, began.at - EPS, key=_at))
            for flow in story.flows[first : bisect_right(story.flows, ended.at - 2.0, key=_at)]:
                if flow.data[0] and not flow.data[1] and flow.data[4]:
                    yield story.wrong("P6", flow.at, f"{flow.data[0]} frames sent while DRAINING, none was written")
                    break


def _drains(story: Story) -> Iterator[tuple[Record, Record, Record | None]]:
    """The step into DRAINING, the one out of it, and the one before it."""
    began = before = None
    for step in story.moves:
        if step.data[1] == "DRAINING":
            began = step
        elif began is not None:
            yield began, step, before
            began = None
        before = step


def draining_ends_in_time(facts: Facts) -> Iterator[Violation]:
    """P6 P7 P8: DRAINING ends `drain_margin` before the earliest end announced, or `rotate_patience` after a rotation.

    By its deadline it ends neither later nor earlier; only a safe point, a loss or a close end it before.
    """
    policy = facts.policy
    for story in facts.stories:
        for began, ended, _ in _drains(story):
            due = inf if began.what == "GoAwayReceived" else began.at + policy.rotate_patience
            for read in story.kinds["read"]:
                if read.what == "goAway" and began.at - EPS <= read.at <= ended.at + EPS and read.conn == began.conn:
                    due = min(due, read.at + max(0.0, seconds_of(read.data) - policy.drain_margin))
            if ended.at > due + EPS:
                yield story.wrong("P7", ended.at, f"DRAINING ended {ended.at - due:.3f} s too late, on {ended.what}")
            elif ended.what == "DeadlineReached(drain)" and ended.at < due - EPS:
                yield story.wrong("P7", ended.at, f"DRAINING was cut {due - ended.at:.3f} s before its deadline")


def drains_at_safe_points(facts: Facts) -> Iterator[Violation]:
    """P7: a safe point has nothing unwritten, no turn open and no tool pending; the first one that is sure is taken.

    That a point is not safe, and that one certainly is, is told from what was sent and read on this connection alone:
    points in between, where a turn may or may not be over, are left to the machine.
    """
    if facts.misled:
        return
    for story in facts.stories:
        if not any(step.data[1] == "DRAINING" for step in story.moves):
            continue
        talk = _Talk(story, facts.policy.late_handle)
        steps = iter(story.steps)
        following = next(steps, None)
        for record in story.walk:
            if record.kind == "read":
                talk.read(record)
            elif record.kind == "sent":
                talk.sent(record)
            elif record.kind == "step":
                following = next(steps, None)
                unsafe = talk.unsafe(record) if record.what == "SafePointReached" else ""
                if unsafe:
                    yield story.wrong("P7", record.at, f"left at a safe point that was none: {unsafe}")
                talk.step(record)
                taken = following is None or following.what == "SafePointReached"
                if record.data[1] == "DRAINING" and not taken and talk.safe(record):
                    yield story.wrong("P7", record.at, "a safe point was passed over")


class _Talk:
    """What can be told of the conversation on the connection that there is."""

    def __init__(self, story: Story, late_handle: float) -> None:
        self._verdicts = iter(story.life.verdicts)
        self._answers = story.answers
        self._calls: set[str] = set()
        self._plain = False
        self._asks = 0
        self._late_handle = late_handle
        self._quiet_since = -inf
        self._answering = self._over = self._covered = self._activity = False

    def read(self, record: Record) -> None:
        """Something was read."""
        if record.what == "toolCall":
            self._calls.update(record.data or ())
        elif record.what == "toolCallCancellation":
            self._calls.difference_update(record.data or ())

    def sent(self, record: Record) -> None:
        """Something was sent: the step for it came before."""
        what = record.what
        if what in _ASKS:
            self._plain &= not self._asks and not self._answering
            self._asks += 1
        if record.data[1] == "ok":
            self._activity = what == "activity_start" or (self._activity and what != "activity_end")
        self._over &= what not in _ASKS
        self._calls.difference_update(self._answers.get(record.data[0], ()))

    def step(self, record: Record) -> None:
        """The machine made a step."""
        what = record.what
        if what == "ConnectionOpened":
            # Repeats, which are kept back, and cut turns that come back need a replay: such connections are not judged.
            verdict = next(self._verdicts, None)
            self._plain = verdict is not None and not verdict.replayed and not record.data[2]
            self._asks = 0
            self._quiet_since = record.at
            self._answering = self._over = self._covered = False
        elif what == "InputAccepted":
            self._over = False
        elif what in ("OutputStarted", "ToolCalled"):
            self._answering, self._over = True, False
        elif what == "TurnEnded":
            self._asks, self._answering = max(0, self._asks - 1), False
            self._over, self._covered = True, False
            self._quiet_since = record.at
        elif what == "CheckpointReceived":
            self._covered = True
        elif what in ("CheckpointWithheld", "DeadlineReached(answer)", "Interrupted"):
            self._plain = False

    def unsafe(self, record: Record) -> str:
        """Why this is certainly no safe point."""
        if record.data[2]:
            return f"{record.data[2]} frames are unwritten"
        if self._activity:
            return "the user's turn is open"
        if not self._covered and record.at < self._quiet_since + self._late_handle - EPS:
            return "no handle covers the last turn, and one may be late"
        return "a turn is open" if self._plain and self._answering else ""

    def safe(self, record: Record) -> bool:
        """Whether this certainly is one."""
        quiet = self._over and not (self._asks or self._answering or self._calls or self._activity)
        return self._plain and quiet and self._covered and not record.data[2]


def one_connection_at_a_time(facts: Facts) -> Iterator[Violation]:
    """P9: a connection is left, or gone, before the next is opened.

    Where nothing holds up the network the server sees it so, and refuses no handle for being in use.
    """
    for story in facts.stories:
        up: Record | None = None
        for record in story.walk:
            kind = record.kind
            if kind == "up":
                up = record
            elif kind in ("left", "gone") or (
                kind == "step" and record.what in LOST and record.data[0] != record.data[1]
            ):
                up = None  # an end that was there and had not been read is no news to anybody
            elif kind == "open" and up is not None:
                yield story.wrong(
                    "P9", record.at, f"connection {record.data[0]} is opened while {up.data[0]} is in use"
                )
        if not facts.prompt:
            continue
        admitted = sorted((found for _, found in facts.admitted(story)), key=lambda admission: admission.number)
        for old, new in pairwise(admitted):
            began = facts.history.began
            if new.refused == "in_use":
                yield story.wrong("P9", new.dialled_at - began, "a handle was presented while its session was in use")
            if new.setup_at is not None and (old.ended_at is None or old.ended_at > new.setup_at + EPS):
                yield story.wrong(
                    "P9", new.setup_at - began, f"connection {old.number} was open when {new.number} was set up"
                )


def opening_has_its_time(facts: Facts) -> Iterator[Violation]:
    """P10: an opening comes up or is given up within `open_timeout` and `setup_timeout`."""
    limit = facts.policy.open_timeout + facts.policy.setup_timeout
    for story in facts.stories:
        opened: Record | None = None
        for record in story.walk:
            if record.kind == "open":
                opened = record
            elif record.kind in _OPEN_SPAN and opened is not None:
                if record.at - opened.at > limit + EPS:
                    yield story.wrong("P10", record.at, f"an opening took {record.at - opened.at:.3f} s")
                opened = None
        if opened is not None and story.ended - opened.at > limit + EPS and not story.life.crashed:
            yield story.wrong("P10", opened.at, "an opening came to no end")


def silence_is_noticed(facts: Facts) -> Iterator[Violation]:
    """P10: while a connection is in use a sign of life is heard, or asked for, at least as often as the policy says.

    That is within `probe_after` of a sign that was heard, and, if none is, `probe_timeout` after one was asked for. And
    one on which nothing passes any more is left within `probe_after` and `probe_timeout` of that (twice `probe_timeout`
    if the hole opened while an answer to a probe was awaited, and something had been heard meanwhile), unless the
    application does not receive, so that relive does not read. An eighth of `probe_after` comes on top: the machine
    looks no sooner again than after that (`note_life`).
    """
    policy = facts.policy
    if not policy.probe:
        return
    longest = max(policy.probe_after, policy.probe_timeout) + EPS
    for story in facts.stories:
        spans = list(_live(story, facts.history.ended))
        heard = [(at, policy.probe_after) for at in story.life.signs]
        asked = [(at, policy.probe_timeout) for at in story.probes]
        signs = iter([*sorted(heard + asked), (inf, 0.0)])
        sign, next_within = next(signs)
        for began, ended in spans:
            last, within = began, policy.probe_after
            while sign <= ended:
                if sign >= began:
                    if sign - last > within + EPS:
                        yield story.wrong("P10", sign, f"nobody asked for a sign of life for {sign - last:.3f} s")
                    last, within = sign, next_within  # of two at one instant the longer counts
                sign, next_within = next(signs)
            if ended - last > within + EPS:
                yield story.wrong("P10", ended, f"nobody asked for a sign of life for {ended - last:.3f} s")
        if "StopReading" in facts.faults:
            continue
        for hole in facts.struck:
            if hole.what not in ("Timeout", "HalfOpen") or hole.client not in (-1, story.client):
                continue
            by = hole.at + longest + policy.probe_timeout + policy.probe_after / 8 + EPS
            for began, ended in spans:
                if began < hole.at < ended and ended > by:
                    yield story.wrong("P10", by, f"a connection was used {ended - hole.at:.3f} s into a black hole")


def _live(story: Story, end: float) -> Iterator[tuple[float, float]]:
    """From when to when connections were in use."""
    began: float | None = None
    for step in story.moves:
        live = step.data[1] in LIVE
        if live and began is None:
            began = step.at
        elif not live and began is not None:
            yield began, step.at
            began = None
    if began is not None:
        yield began, story.life.ended if story.life.ended is not None else end


def dials_are_limited(facts: Facts) -> Iterator[Violation]:
    """P12: no more dials at a time than the limiter lets through, all sessions together."""
    limit = DialLimiter().limit
    if facts.herd <= limit:
        return
    running = Counter[int]()
    for record in facts.history.records:
        if record.kind == "open":
            running[record.client] += 1
            dials = running.total()
            if dials > limit:
                yield Violation("P12", f"{dials} dials at a time", record.at, record.client)
                return
        elif record.kind in _OPEN_SPAN:
            running[record.client] -= 1
        elif record.kind in _PROCESS:
            del running[record.client]  # of a process that has died nobody says that its dial has ended


CHECKS: Final = (
    goaway_leads_to_draining, frames_flow_while_draining, draining_ends_in_time, drains_at_safe_points,
    one_connection_at_a_time, opening_has_its_time, silence_is_noticed, dials_are_limited,
)  # fmt: skip
