"""What a session counts. The list of fields is closed: each is here, with its meaning."""

from __future__ import annotations

import attrs

from relive.core.effects import Verdict
from relive.core.journal import Journal


@attrs.frozen
class Stats:
    """Counts since the session began. Frames are counted, not bytes, unless a field says so."""

    connections: int
    "Connections that came up."
    openings: int
    "Attempts to open one."
    resumed: int
    "Connections that resumed the conversation."
    not_restored: int
    "Connections that came up without its context."
    go_aways: int
    "GoAway notices heard."
    frames_accepted: int
    "Frames taken from the application."
    frames_written: int
    "Frames written to the network, repeats and seeds included."
    frames_covered: int
    "Frames that a handle covers."
    frames_replayed: int
    "Frames written again."
    frames_uncertain: int
    "Of these, frames the server may have had already: without message indices these may be doubled."
    frames_waiting: int
    "Frames accepted and not written yet."
    frames_uncovered: int
    "Frames written that no handle covers yet."
    dropped_audio: int
    "Audio frames dropped for their age."
    dropped_video: int
    "Video frames dropped for a newer one."
    dropped_answers: int
    "Tool responses not sent, because the resumed session cannot know their calls."
    trimmed_answers: int
    "Batches of tool responses from which such answers were removed."
    forgotten: int
    "Written frames forgotten above the journal's limit."
    frames_received: int
    "Frames read from the network."
    frames_delivered: int
    "Of these, frames handed to the application."
    frames_withheld_repeats: int
    "Frames of answers that the application had already had."
    frames_withheld_malformed: int
    "Frames that the SDK would have raised on."
    frames_synthetic: int
    "Frames that we made: interruptions, ends of turns, cancelled tool calls."
    reader_stalls: int
    "Times that reading paused because nobody received."
    observer_overflows: int
    "Transitions and notices that a slow observer missed."
    store_errors: int
    "Saves and loads that failed or took too long."


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

    def stats(self, journal: Journal, overflows: int, store_errors: int) -> Stats:
        """All there is to tell."""
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
        )
