"""The metrics of sessions. No attribute names a session: there are as many time series as models and ways to fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import attrs
from opentelemetry.metrics import Histogram, Meter

from relive.core.effects import Transition
from relive.ports import Notice, Stats

Labels: TypeAlias = Mapping[str, str]

_LIVE: Final = ("ACTIVE", "DRAINING")
_FINAL: Final = ("CLOSED", "FAILED")

# From a dial within one region to a handle's time to live.
_SECONDS: Final = (
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0,
)  # fmt: skip


@attrs.frozen
class _Counted:
    """A counter that follows a field of `Stats`."""

    field: str
    name: str
    unit: str
    about: str
    labels: Labels = attrs.field(factory=dict[str, str])


_DROPPED: Final = "Frames that were accepted and not sent, by lane."
_REPLAYED: Final = "Frames sent again, by lane."
_COUNTED: Final = (
    _Counted("frames_accepted", "relive.frames.accepted", "{frame}", "Frames taken from the application."),
    _Counted("frames_delivered", "relive.frames.delivered", "{frame}", "Frames handed to the application."),
    _Counted("replayed_audio", "relive.frames.replayed", "{frame}", _REPLAYED, {"relive.lane": "audio"}),
    _Counted("replayed_video", "relive.frames.replayed", "{frame}", _REPLAYED, {"relive.lane": "video"}),
    _Counted("replayed_reliable", "relive.frames.replayed", "{frame}", _REPLAYED, {"relive.lane": "reliable"}),
    _Counted("frames_uncertain", "relive.frames.uncertain", "{frame}", "Frames sent again that may be doubled."),
    _Counted("forgotten", "relive.frames.forgotten", "{frame}", "Frames sent and forgotten above the journal's limit."),
    _Counted("dropped_audio", "relive.frames.dropped", "{frame}", _DROPPED, {"relive.lane": "audio"}),
    _Counted("dropped_video", "relive.frames.dropped", "{frame}", _DROPPED, {"relive.lane": "video"}),
    _Counted("dropped_answers", "relive.frames.dropped", "{frame}", _DROPPED, {"relive.lane": "tool_response"}),
    _Counted("store_errors", "relive.store.errors", "{error}", "Saves and loads that failed or took too long."),
    _Counted("observer_overflows", "relive.observer.overflows", "{item}", "Transitions and notices that were missed."),
)


class Instruments:
    """All of them, made once for all sessions."""

    def __init__(self, meter: Meter) -> None:
        def seconds(name: str, about: str) -> Histogram:
            return meter.create_histogram(name, "s", about, explicit_bucket_boundaries_advisory=_SECONDS)

        self.sessions = meter.create_up_down_counter("relive.sessions", "{session}", "Sessions now, by state.")
        self.session = seconds("relive.session.duration", "Length of sessions that have ended, by how they did.")
        self.state = seconds("relive.state.duration", "Time in a state, measured when it is left.")
        self.connections = meter.create_counter("relive.connections", "{connection}", "Connections that came up.")
        self.losses = meter.create_counter("relive.connection.losses", "{connection}", "Connections that were lost.")
        self.dial = seconds("relive.dial.duration", "Dial and setup of connections that came up.")
        self.dial_failures = meter.create_counter("relive.dial.failures", "{dial}", "Connections that did not come up.")
        self.gap = seconds("relive.handover.gap", "From the last moment frames flowed to the next connection.")
        self.lead = seconds("relive.go_away.lead", "How long before the end a GoAway came, as it says.")
        self.notices = meter.create_counter("relive.notices", "{notice}", "Notices of all kinds.")
        self.save = seconds("relive.store.save.duration", "How long saving a checkpoint took.")
        self.handle_age = seconds("relive.handle.age", "Age of a handle when it is to be resumed from.")
        self.journal = meter.create_up_down_counter("relive.journal.size", "By", "Bytes kept for sending or replay.")
        made = {one.name: meter.create_counter(one.name, one.unit, one.about) for one in _COUNTED}
        self.counted = tuple((one.field, made[one.name], one.labels) for one in _COUNTED)


class Figures:
    """What one session adds to them.

    Args:
        instruments: those of all sessions.
        common: the labels that everything gets.
    """

    __slots__ = ("_before", "_began", "_common", "_in", "_journal", "_left", "_resuming", "_since", "_state")

    def __init__(self, instruments: Instruments, common: Labels) -> None:
        self._in = instruments
        self._common = common
        self._state: str | None = None
        self._began = self._since = 0.0
        self._left: tuple[float, str] | None = None
        self._before: dict[str, int] = {}
        self._journal = 0
        self._resuming = False

    def step(self, step: Transition, loss: str | None) -> None:
        """A transition. `loss` says how a connection, or the attempt to open one, came to its end."""
        self._move(step.source, step.dest, step.at)
        live = step.dest in _LIVE
        if loss is not None:
            lost = self._in.losses if step.source in _LIVE else self._in.dial_failures
            lost.add(1, self._labels(error_type=_kind(loss)))
        if step.source in _LIVE and not live:
            self._left = step.at, step.event
        if step.dest == "ACTIVE" and step.source not in _LIVE and step.verdict is not None:
            # Only here is the reason one of few words.
            reason = step.verdict.reason if step.verdict.kind == "not_restored" else ""
            verdict = {"relive_verdict": step.verdict.kind, "relive_reason": reason}
            self._in.connections.add(1, self._labels(**verdict))
            if self._left is not None:
                left, event = self._left
                self._in.gap.record(step.at - left, self._labels(relive_event=event, **verdict))
                self._left = None
        self._resuming = step.dest == "RESUMING"

    def _move(self, source: str, dest: str, at: float) -> None:
        if self._state is None:
            self._began = self._since = at
        else:
            source = self._state  # what we were told last: a slow observer misses transitions
            self._in.sessions.add(-1, self._labels(relive_state=source))
            self._in.state.record(at - self._since, self._labels(relive_state=source))
        if dest not in _FINAL:
            self._in.sessions.add(1, self._labels(relive_state=dest))
        self._state, self._since = dest, at

    def notice(self, notice: Notice) -> None:
        """Something that is no transition."""
        self._in.notices.add(1, self._labels(relive_notice=notice.what))
        if notice.seconds is None:
            return
        if notice.what == "dialled":
            self._in.dial.record(notice.seconds, self._labels(relive_state=self._state or ""))
        elif notice.what == "go_away":
            self._in.lead.record(notice.seconds, self._labels())
        elif notice.what == "saved":
            self._in.save.record(notice.seconds, self._labels())

    def count(self, stats: Stats, *, last: bool) -> None:
        """How the counts stand; `last`: the session is over and keeps nothing any more."""
        for field, counter, labels in self._in.counted:
            value: int = getattr(stats, field)
            added = value - self._before.get(field, 0)
            if added:
                counter.add(added, {**self._common, **labels})
                self._before[field] = value
        journal = 0 if last else stats.journal_bytes
        self._in.journal.add(journal - self._journal, self._common)
        self._journal = journal
        if self._resuming and stats.handle_age is not None:
            self._in.handle_age.record(stats.handle_age, self._common)
        self._resuming = False

    def end(self, at: float, failure: str | None) -> None:
        """The session is over; `failure` says why, if it was given up."""
        state = "CLOSED" if failure is None else "FAILED"
        if self._state is not None and self._state not in _FINAL:
            self._in.sessions.add(-1, self._labels(relive_state=self._state))
        labels = self._labels(relive_state=state, error_type=_kind(failure or ""))
        self._in.session.record(at - self._began, labels)

    def _labels(self, **labels: Any) -> dict[str, str]:
        """The common labels and these: an underscore stands for a dot, and what is empty is left out."""
        return {**self._common, **{name.replace("_", ".", 1): value for name, value in labels.items() if value}}


def _kind(why: str) -> str:
    return why.partition(":")[0]
