"""The journal against a simple model, in any order of facts: nothing lost, order kept, coverage and bytes exact."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from relive.core.journal import Journal, Lane, by_index, by_time

LIMIT = 60
AUDIO_AGE = 10.0


@attrs.define
class Sent:
    """What the model remembers of one frame, for ever."""

    position: int
    size: int
    lane: Lane
    waits_since: float
    fate: str = "waiting"
    index: int = 0
    written_at: float = 0.0
    first_written_at: float | None = None


class JournalModel(RuleBasedStateMachine):
    """Each frame has one fate: waiting, written, covered, forgotten, too old, superseded."""

    def __init__(self) -> None:
        super().__init__()
        self.journal = Journal(limit=LIMIT, audio_age=AUDIO_AGE)
        self.journal.begin(1)
        self.frames: list[Sent] = []
        self.now = 0.0
        self.writes = 0
        self.replayed = Counter[str]()

    def all(self, fate: str) -> list[Sent]:
        return [frame for frame in self.frames if frame.fate == fate]

    @rule(lane=st.sampled_from(["reliable", "reliable", "audio", "video"]), size=st.integers(1, 30))
    def accept(self, lane: Lane, size: int) -> None:
        position = self.journal.accept("x" * size, lane, self.now)
        if lane == "video":
            for older in self.all("waiting"):
                older.fate = "superseded" if older.lane == "video" else older.fate
        self.frames.append(Sent(position, size, lane, self.now))

    @precondition(lambda self: not self.journal.waiting)
    @rule(size=st.integers(1, 30))
    def write_through(self, size: int) -> None:
        self.journal.write_through("x" * size, self.now)
        frame = Sent(self.journal.position, size, "audio", self.now)
        self.frames.append(frame)
        self.note_write(frame)

    @rule()
    def write(self) -> None:
        entry = self.journal.write(self.now)
        for frame in self.all("waiting"):
            if frame.lane == "audio" and self.now - frame.waits_since > AUDIO_AGE:
                frame.fate = "too old"
                continue
            assert entry is not None
            assert (entry.position, len(entry.frame)) == (frame.position, frame.size)
            self.replayed[frame.lane] += frame.first_written_at is not None
            self.note_write(frame)
            assert (entry.index, entry.connection) == (frame.index, self.journal.connection)
            return
        assert entry is None

    def note_write(self, frame: Sent) -> None:
        self.writes += 1
        frame.fate, frame.index, frame.written_at = "written", self.writes, self.now
        frame.first_written_at = self.now if frame.first_written_at is None else frame.first_written_at
        while sum(kept.size for kept in self.all("written")) > LIMIT:
            self.all("written")[0].fate = "forgotten"

    @rule(seconds=st.sampled_from([0.0, 0.5, 4.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(part=st.floats(0.0, 1.0))
    def cover(self, part: float) -> None:
        index = round(part * self.writes)
        self.journal.trim(by_index(self.journal.connection, index))
        for frame in self.all("written"):
            frame.fate = "covered" if frame.index <= index else frame.fate

    @rule(ago=st.sampled_from([0.0, 0.5, 5.0]))
    def cover_by_time(self, ago: float) -> None:
        self.journal.trim(by_time(self.journal.connection, self.now - ago, 0))
        for frame in self.all("written"):
            frame.fate = "covered" if frame.written_at < self.now - ago else frame.fate

    @rule(indexed=st.booleans(), audio=st.sampled_from([0.0, 3.0]), ago=st.sampled_from([0.0, 5.0]))
    def resume(self, *, indexed: bool, audio: float, ago: float) -> None:
        replay = self.journal.plan(now=self.now, indexed=indexed, since=self.now - ago, audio=audio)
        self.journal.begin(self.journal.connection + 1)
        self.journal.rewind(replay)
        self.writes = 0
        written = self.all("written")
        newest = max((frame.position for frame in self.frames if frame.lane == "video"), default=0)
        horizon = written[-1].written_at - audio if written else 0.0
        uncertain = 0
        for frame in self.all("waiting"):
            if frame.lane == "audio" and self.now - frame.waits_since > AUDIO_AGE:
                frame.fate = "too old"
        for frame in written:
            frame.fate, frame.waits_since = "waiting", self.now
            if frame.lane == "video" and frame.position != newest:
                frame.fate = "superseded"
            elif frame.lane == "audio" and not indexed and frame.written_at < horizon:
                frame.fate = "too old"
            else:
                uncertain += not indexed and (frame.first_written_at or 0.0) <= self.now - ago
        assert replay.uncertain == uncertain
        assert [entry.position for entry in replay.again] == [f.position for f in written if f.fate == "waiting"]

    @invariant()
    def nothing_is_lost_or_out_of_order(self) -> None:
        waiting = [entry.position for entry in self.journal.waiting if not entry.dropped]
        assert waiting == [frame.position for frame in self.all("waiting")]
        assert [entry.position for entry in self.journal.written] == [frame.position for frame in self.all("written")]
        together = [entry.position for entry in (*self.journal.written, *self.journal.waiting)]
        assert together == sorted(together)

    @invariant()
    def bytes_are_right(self) -> None:
        assert self.journal.waiting_bytes == sum(frame.size for frame in self.all("waiting"))
        assert self.journal.written_bytes == sum(frame.size for frame in self.all("written")) <= LIMIT

    @invariant()
    def every_frame_is_counted_once(self) -> None:
        counts = self.journal.counts
        assert counts.accepted == len(self.frames) == self.journal.position
        fates: dict[str, Any] = {
            "covered": counts.covered,
            "forgotten": counts.forgotten,
            "too old": counts.dropped_audio,
            "superseded": counts.dropped_video,
        }
        assert fates == {fate: len(self.all(fate)) for fate in fates}
        assert counts.dropped == counts.forgotten + counts.dropped_audio + counts.dropped_video
        assert counts.replayed == self.replayed.total()
        assert (counts.replayed_audio, counts.replayed_video) == (self.replayed["audio"], self.replayed["video"])
        left = len(self.all("waiting")) + len(self.all("written"))
        assert counts.accepted == counts.covered + counts.dropped + left


TestJournalModel = JournalModel.TestCase
TestJournalModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
