"""Counts what `relive.ports.Stats` tells."""

from __future__ import annotations

import attrs

from relive.core.effects import Verdict
from relive.core.scene import Scene
from relive.ports import Stats


@attrs.define
class Counts:
    """The counters of a runtime, as it goes."""

    openings: int = 0
    connections: int = 0
    resumed: int = 0
    not_restored: int = 0
    go_aways: int = 0
    received: int = 0
    kept_back: int = 0
    "Frames received that the application does not see, whatever the reason."
    withheld_repeats: int = 0
    withheld_malformed: int = 0
    synthetic: int = 0
    reader_stalls: int = 0

    def came_up(self, verdict: Verdict) -> None:
        """A connection is up."""
        self.connections += 1
        self.resumed += verdict.kind.startswith("resumed")
        self.not_restored += verdict.kind == "not_restored"

    def stats(self, scene: Scene, wall: float, overflows: int, store_errors: int) -> Stats:
        """All there is to tell."""
        journal, checkpoint = scene.journal, scene.situation.checkpoint
        counts = journal.counts
        return Stats(
            connections=self.connections,
            openings=self.openings,
            resumed=self.resumed,
            not_restored=self.not_restored,
            go_aways=self.go_aways,
            frames_accepted=counts.accepted,
            frames_written=counts.written,
            frames_covered=counts.covered,
            frames_replayed=counts.replayed,
            replayed_audio=counts.replayed_audio,
            replayed_video=counts.replayed_video,
            replayed_reliable=counts.replayed - counts.replayed_audio - counts.replayed_video,
            frames_uncertain=counts.uncertain,
            frames_waiting=len(journal.waiting),
            frames_uncovered=len(journal.written),
            dropped_audio=counts.dropped_audio,
            dropped_video=counts.dropped_video,
            dropped_answers=counts.dropped_answers,
            trimmed_answers=counts.trimmed_answers,
            forgotten=counts.forgotten,
            frames_received=self.received,
            frames_delivered=self.received - self.kept_back,
            frames_withheld_repeats=self.withheld_repeats,
            frames_withheld_malformed=self.withheld_malformed,
            frames_synthetic=self.synthetic,
            reader_stalls=self.reader_stalls,
            observer_overflows=overflows,
            store_errors=store_errors,
            journal_bytes=journal.written_bytes + journal.waiting_bytes,
            handle_age=wall - checkpoint.wall if checkpoint is not None else None,
        )
