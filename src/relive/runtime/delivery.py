"""From the network to the application: what a frame says is told to the core, and the frame delivered or kept back."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from relive.core import events as ev, wire
from relive.core.lifecycle import Lifecycle
from relive.core.policy import Policy
from relive.core.wire import PLAIN
from relive.runtime.inbox import Inbox
from relive.runtime.stats import Counts
from relive.runtime.transcript import Transcript


class Delivery:
    """Every well-formed frame once and in order, less what the application must not see; and frames of our own.

    Args:
        lifecycle: says what is to be withheld.
        policy: the numbers.
        known_keys: top-level keys of server frames that the application's SDK understands.
        tell: where facts go.
        notice: where anomalies go, and the server's notices.
        remember: whether to keep a transcript.
    """

    __slots__ = ("_notice", "_output_at", "_policy", "_seen", "_situation", "_tell", "_wire", "counts", "held_since",
                 "inbox", "transcript")  # fmt: skip

    def __init__(
        self,
        lifecycle: Lifecycle,
        policy: Policy,
        known_keys: frozenset[str],
        *,
        tell: Callable[[ev.Event], None],
        notice: Callable[[str, str, float | None], None],
        remember: bool,
    ) -> None:
        self.inbox = Inbox(policy.output_limit)
        self.counts = Counts()
        self._situation = lifecycle.scene.situation
        self._policy = policy
        self._wire = wire.reader(known_keys, deliver_go_away=policy.deliver_go_away)
        self._tell = tell
        self._notice = notice
        self.transcript = Transcript(remember=remember)
        "What was said so far, the newest part of it."
        self.held_since: float | None = None
        "Since when what is read now may have waited, because reading was paused; None: it is read as it comes."
        self._output_at = 0.0
        self._seen = 0  # frames received, less those with output that nobody was told of and that nobody looked for

    def arrived(self, number: int, frame: bytes) -> bool:
        """A frame from the server. Returns whether reading must pause before the next."""
        situation = self._situation
        if number != situation.number:
            return False
        self.counts.received += 1
        reading = self._wire.read(frame, number)
        if reading is not PLAIN:
            self._heard(frame, reading)
        elif situation.flowing:
            return self.inbox.put(frame)  # by far the most frequent case
        else:
            self._began(ev.OutputStarted(number))
            if situation.withhold:
                self._withhold_repeat()
            else:
                self.inbox.put(frame)
        return self.inbox.full

    def output_at(self, sign: float) -> float:
        """When output was last read of the answer that is in progress, in seconds of the loop; 0.0 if the core knows.

        No frame is timed for this: `sign` is when the connection last gave a sign of life, and that was output if any
        has come since the last look. So look before a sign of another kind is asked for.
        """
        received = self.counts.received
        if self._seen != received:
            self._seen, self._output_at = received, sign
        return self._output_at if self._situation.answering else 0.0

    def synthetic(self, frame: bytes) -> None:
        """A frame of our own, in the name of the server."""
        self.counts.synthetic += 1
        self.inbox.put(frame)

    async def room(self) -> None:
        """Wait until a receiver has made room; say so, because the connection is not read meanwhile."""
        self.counts.reader_stalls += 1
        self._notice("reader_stalled", f"{self.inbox.size} bytes wait to be received; reading pauses", None)
        await self.inbox.room()

    def _began(self, event: ev.OutputStarted) -> None:
        """Output: whether it is delivered, the core says then."""
        self._seen = self.counts.received
        self._tell(event)

    def _heard(self, frame: bytes, reading: wire.Reading) -> None:
        events = reading.events
        if events and isinstance(events[0], ev.OutputStarted):
            self._began(events[0])
            events = events[1:]
        else:
            self._seen += 1
        withholding = self._situation.withhold > 0
        for role, text in reading.text:
            if role == "user" or not withholding:  # what the application does not hear again was not said again
                self.transcript.heard(role, text, self._situation.number)
        self._deliver(frame, reading, withholding=withholding)
        for event in events:
            if isinstance(event, ev.TurnEnded):
                self.transcript.turn_ended()
            elif isinstance(event, ev.GoAwayReceived):
                self.counts.go_aways += 1
                self._notice("go_away", "", event.time_left)
            late = self.held_since is not None and isinstance(event, ev.CheckpointReceived)
            self._tell(attrs.evolve(event, held_since=self.held_since) if late else event)

    def _deliver(self, frame: bytes, reading: wire.Reading, *, withholding: bool) -> None:
        counts, out = self.counts, reading.deliver
        if reading.problem:
            self._notice("malformed_frame", reading.problem, None)
            if out is None:
                counts.withheld_malformed += 1
                if self._policy.deliver_malformed and not reading.events:
                    out = frame
        if out is None:
            counts.kept_back += 1
        elif withholding and not reading.calls and b'"serverContent"' in out:
            self._withhold_repeat()
        else:
            self.inbox.put(out)

    def _withhold_repeat(self) -> None:
        self.counts.kept_back += 1
        self.counts.withheld_repeats += 1
