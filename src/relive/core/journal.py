"""The journal: frames sent that no checkpoint covers yet, and frames waiting to be sent. A write-ahead log.

Two queues, in the order in which frames were accepted: `written` (on some connection, not covered by a checkpoint) and
`waiting`. Writing moves the oldest waiting frame to `written` *before* its bytes go out, so that a cancelled or failed
write loses nothing; a resume moves what must be sent again back to the front of `waiting`. A lane is a bound and a drop
rule, not a queue: the order is one.

Everything here is O(1) per frame but `plan` and `rewind`, which happen once per connection. Whatever is dropped or
forgotten is counted in `counts`; nothing leaves in silence.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from itertools import chain, dropwhile
from typing import Any, Final, Literal, TypeAlias

import attrs

Lane: TypeAlias = Literal["reliable", "audio", "video"]
Frame: TypeAlias = str | bytes

_NONE: Final = frozenset[str]()


@attrs.define(eq=False)
class Entry:
    """One frame and where it has been."""

    position: int
    "Its place in the order of acceptance, counted from 1 over the whole session; 0 for a seed."
    frame: Frame = attrs.field(repr=False)
    lane: Lane
    waits_since: float
    "When it began to wait: when it was accepted, or when a resume put it back."
    answers: frozenset[str] = _NONE
    "Ids of the tool calls that it answers."
    connection: int = 0
    "The connection that it was last written on; 0 before."
    index: int = 0
    "Its number among the writes of that connection; 0 while it waits."
    written_at: float = 0.0
    first_written_at: float = 0.0
    dropped: bool = False
    "Superseded while it waited: it will be skipped."

    def twin(self) -> Entry:
        """Another entry that says the same."""
        return Entry(
            self.position, self.frame, self.lane, self.waits_since, self.answers,
            self.connection, self.index, self.written_at, self.first_written_at, self.dropped,
        )  # fmt: skip


@attrs.define
class Counts:
    """What became of frames, over the whole session."""

    accepted: int = 0
    "Frames taken from the application."
    written: int = 0
    "Writes, seeds and repeats included."
    covered: int = 0
    "Frames that a checkpoint covers."
    replayed: int = 0
    "Frames written again."
    replayed_audio: int = 0
    "Of these, audio."
    replayed_video: int = 0
    "Of these, video."
    uncertain: int = 0
    "Of these, frames that the server may have had already (no message indices)."
    dropped_audio: int = 0
    "Audio frames dropped because they waited, or lay back, too long."
    dropped_video: int = 0
    "Video frames dropped because a newer one was there."
    dropped_answers: int = 0
    "Tool responses not sent because the resumed session cannot know their calls."
    trimmed_answers: int = 0
    "Batches of tool responses from which such answers were removed."
    forgotten: int = 0
    "Written frames forgotten above the journal's limit, oldest first."

    @property
    def dropped(self) -> int:
        """All frames that were accepted and will not be sent (again)."""
        return self.dropped_audio + self.dropped_video + self.dropped_answers + self.forgotten


@attrs.frozen
class Replay:
    """What a resume will do to the journal: decided first, done by `rewind`."""

    at: float
    "When it was decided."
    again: tuple[Entry, ...] = ()
    "Entries to write again, in order."
    stale: tuple[Entry, ...] = ()
    "Entries that wait to be written, and have done so for too long."
    uncertain: int = 0
    too_old: int = 0
    "Audio that is dropped: what is stale, and what lies too far back to be sent again."
    superseded: int = 0

    @property
    def first(self) -> int | None:
        """Position of the first frame to be sent again; None if there is none."""
        return self.again[0].position if self.again else None


Covered: TypeAlias = Callable[[Entry], bool]


def by_index(connection: int, index: int) -> Covered:
    """What a checkpoint covers that has an index: the writes 1…`index` of that connection."""
    return lambda entry: entry.connection == connection and entry.index <= index


def by_time(connection: int, instant: float, proven: int) -> Covered:
    """What one without an index covers: what was written on that connection before `instant`.

    So it does everything up to position `proven`: the server has answered that.
    """
    return lambda entry: entry.connection == connection and (entry.written_at < instant or entry.position <= proven)


@attrs.frozen
class JournalMemory:
    """A journal at one moment: opaque."""

    held: tuple[Any, ...] = attrs.field(repr=False)
    "What a journal holds besides its entries and counts, and besides what never changes."
    written: tuple[Entry, ...]
    waiting: tuple[Entry, ...]
    counts: tuple[int, ...]


class Journal:
    """The write-ahead log of one session."""

    __slots__ = ("_audio_age", "_limit", "_video", "connection", "counts", "index", "last_written", "position",
                 "waiting", "waiting_bytes", "written", "written_bytes")  # fmt: skip

    def __init__(self, *, limit: int, audio_age: float) -> None:
        self.waiting: list[Entry] = []  # nearly always empty, and an empty deque weighs 0.7 KiB
        self.written: deque[Entry] = deque()
        self.waiting_bytes = 0
        self.written_bytes = 0
        self.connection = 0
        self.index = 0
        self.position = 0  # of the newest frame accepted
        self.last_written = 0  # position of the newest frame on the wire
        self.counts = Counts()
        self._limit = limit
        self._audio_age = audio_age
        self._video: Entry | None = None

    def __repr__(self) -> str:
        return f"<Journal: {len(self.waiting)} waiting, {len(self.written)} written, at {self.position}>"

    @property
    def oldest(self) -> int:
        """Position of the oldest frame that may still be sent, or sent again; that of the next one if there is none."""
        held = chain(self.written, self.waiting)
        return next((entry.position for entry in held if entry.position), self.position + 1)

    def remember(self) -> JournalMemory:
        """All that it holds, for `recall`. Every entry is copied, so this is for small journals."""
        held = (
            self._video, self.connection, self.index, self.last_written, self.position,
            self.waiting_bytes, self.written_bytes,
        )  # fmt: skip
        written, waiting = (tuple([entry.twin() for entry in queue]) for queue in (self.written, self.waiting))
        return JournalMemory(held, written, waiting, attrs.astuple(self.counts))

    def recall(self, memory: JournalMemory) -> None:
        """Be again as it was then."""
        (
            self._video, self.connection, self.index, self.last_written, self.position,
            self.waiting_bytes, self.written_bytes,
        ) = memory.held  # fmt: skip
        self.written = deque([entry.twin() for entry in memory.written])
        self.waiting = [entry.twin() for entry in memory.waiting]
        self.counts = Counts(*memory.counts)
        video = self._video
        if video is not None:
            entries = chain(self.written, self.waiting)
            self._video = next((entry for entry in entries if entry.position == video.position), video)

    def accept(self, frame: Frame, lane: Lane, now: float, answers: frozenset[str] = _NONE) -> int:
        """Take a frame from the application; returns its position."""
        self.position += 1
        entry = Entry(self.position, frame, lane, now, answers)
        self.waiting.append(entry)
        self.waiting_bytes += len(frame)
        self.counts.accepted += 1
        if lane == "video":
            self._supersede(entry)
        return self.position

    def _supersede(self, entry: Entry) -> None:
        older = self._video
        if older is not None and not older.index and not older.dropped:
            older.dropped = True
            self.waiting_bytes -= len(older.frame)
            self.counts.dropped_video += 1
        self._video = entry

    def seed(self, frames: tuple[str, ...], now: float) -> None:
        """Put frames in front that rebuild a conversation in a fresh session. They are never written twice."""
        entries = [Entry(0, frame, "reliable", now) for frame in frames]
        self.waiting[:0] = entries
        self.waiting_bytes += sum(len(frame) for frame in frames)

    def begin(self, connection: int) -> None:
        """A connection is up: its setup was write 0."""
        self.connection = connection
        self.index = 0

    def write(self, now: float) -> Entry | None:
        """The next frame to put on the wire, as written from here on; None if nothing waits."""
        waiting = self.waiting
        while waiting:
            entry = waiting.pop(0)
            if entry.dropped:
                continue
            self.waiting_bytes -= len(entry.frame)
            if entry.lane == "audio" and now - entry.waits_since > self._audio_age:
                self.counts.dropped_audio += 1
                continue
            self.index += 1
            if entry.connection:
                self.counts.replayed += 1
                self.counts.replayed_audio += entry.lane == "audio"
                self.counts.replayed_video += entry.lane == "video"
            else:
                entry.first_written_at = now
            entry.connection = self.connection
            entry.index = self.index
            entry.written_at = now
            self.last_written = max(self.last_written, entry.position)
            self.counts.written += 1
            self.written.append(entry)
            self.written_bytes += len(entry.frame)
            while self.written_bytes > self._limit:
                self._forget()
            return entry
        return None

    def write_through(self, frame: Frame, now: float) -> None:
        """Take a frame of audio as written from here on: `accept` and `write` in one, for when nothing waits."""
        self.position = self.last_written = position = self.position + 1
        self.index = index = self.index + 1
        self.written.append(Entry(position, frame, "audio", now, _NONE, self.connection, index, now, now))
        self.written_bytes += len(frame)
        counts = self.counts
        counts.accepted += 1
        counts.written += 1
        while self.written_bytes > self._limit:
            self._forget()

    def _forget(self) -> None:
        entry = self.written.popleft()
        self.written_bytes -= len(entry.frame)
        if entry.position:
            self.counts.forgotten += 1

    def reached(self, instant: float) -> int:
        """Position of the newest frame that was on the wire by then."""
        position = self.last_written
        for entry in reversed(self.written):
            if entry.written_at <= instant:
                break
            position = entry.position - 1 if entry.position else position
        return position

    def uncovered(self) -> Counter[Lane]:
        """How many frames, by lane, wait or are written and not covered by a checkpoint."""
        return Counter(
            entry.lane for entry in chain(self.written, self.waiting) if entry.position and not entry.dropped
        )

    def answers(self, covered: Covered | None = None) -> frozenset[str]:
        """Ids of the tool calls answered by frames that no checkpoint covers, nor one that would cover these."""
        kept = self.written if covered is None else dropwhile(covered, self.written)
        return _NONE.union(*(entry.answers for entry in chain(kept, self.waiting) if entry.answers))

    def trim(self, covered: Covered) -> None:
        """A checkpoint covers these writes, up to the first that it does not cover."""
        written = self.written
        freed = frames = 0
        while written and covered(written[0]):
            entry = written.popleft()
            freed += len(entry.frame)
            frames += entry.position > 0
        self.written_bytes -= freed
        self.counts.covered += frames

    def plan(self, *, now: float, indexed: bool, since: float, audio: float) -> Replay:
        """What a resume from the newest checkpoint sends again, and which waiting audio has waited too long by now.

        `indexed`: the server reported what it consumed, so everything uncovered is certain. Without that, frames once
        written before `since` may be there already, and of the audio only the last `audio` seconds before the newest
        are sent.
        """
        again: list[Entry] = []
        uncertain = too_old = superseded = 0
        horizon = self.written[-1].written_at - audio if self.written else 0.0
        for entry in self.written:
            if not entry.position:
                continue
            if entry.lane == "video" and entry is not self._video:
                superseded += 1
            elif entry.lane == "audio" and not indexed and entry.written_at < horizon:
                too_old += 1
            else:
                again.append(entry)
                uncertain += not indexed and entry.first_written_at <= since
        age = self._audio_age
        stale = tuple(entry for entry in self.waiting if entry.lane == "audio" and now - entry.waits_since > age)
        return Replay(now, tuple(again), stale, uncertain, too_old + len(stale), superseded)

    def rewind(self, replay: Replay) -> None:
        """Carry out a plan: what was written waits again, in the old order, before what waited already."""
        while self.waiting and not self.waiting[0].position:  # what is left of a seed that another session was given
            self.waiting_bytes -= len(self.waiting.pop(0).frame)
        if replay.stale:
            stale = {entry.position for entry in replay.stale}
            self.waiting = [entry for entry in self.waiting if entry.position not in stale]
            self.waiting_bytes -= sum(len(entry.frame) for entry in replay.stale)
        self.waiting[:0] = replay.again
        for entry in replay.again:
            entry.index, entry.waits_since = 0, replay.at
            self.waiting_bytes += len(entry.frame)
        self.written.clear()
        self.written_bytes = 0
        self.counts.uncertain += replay.uncertain
        self.counts.dropped_audio += replay.too_old
        self.counts.dropped_video += replay.superseded
        if replay.first is not None:
            self.last_written = replay.first - 1

    def withdraw_answers(self, known: frozenset[str], rewrite: Callable[[Frame, frozenset[str]], Frame | None]) -> None:
        """Take back waiting tool responses to calls that the session does not know.

        From a batch only the unknown ids are removed, by `rewrite` (frame, unknown ids → frame or None).
        """
        kept: list[Entry] = []
        for entry in self.waiting:
            unknown = entry.answers - known
            if not unknown or entry.dropped:
                kept.append(entry)
                continue
            self.waiting_bytes -= len(entry.frame)
            frame = rewrite(entry.frame, unknown) if unknown != entry.answers else None
            if frame is None:
                self.counts.dropped_answers += 1
            else:
                self.counts.trimmed_answers += 1
                kept.append(attrs.evolve(entry, frame=frame, answers=entry.answers & known))
                self.waiting_bytes += len(frame)
        self.waiting = kept
