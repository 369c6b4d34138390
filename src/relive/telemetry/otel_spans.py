"""The spans of a session: one for all of it, and below it one for each dial and for each connection."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from relive.core.effects import Transition
from relive.ports import Notice

_NAMES: Final = {
    "CONNECTING": "relive.dial",
    "RESUMING": "relive.dial",
    "ACTIVE": "relive.connection",
    "DRAINING": "relive.connection",
}


class Spans:
    """Begins and ends them as the session goes.

    Their times are those of the event loop's clock, put to the wall clock once, when the session begins: durations are
    exact, whatever becomes of the wall clock.

    Args:
        tracer: makes them.
        parent: what the session's span goes below.
        attributes: of the session's span.
    """

    __slots__ = ("_attributes", "_below", "_child", "_epoch", "_name", "_parent", "_session", "_tracer")

    def __init__(self, tracer: Tracer, parent: Context, attributes: Mapping[str, AttributeValue]) -> None:
        self._tracer = tracer
        self._parent = self._below = parent
        self._attributes = attributes
        self._epoch = 0
        self._session: Span | None = None
        self._child: Span | None = None
        self._name: str | None = None

    def step(self, step: Transition, loss: str | None) -> None:
        """A transition. `loss` says how a connection, or the attempt to open one, came to its end."""
        at = self._begin(step.at)
        name = _NAMES.get(step.dest)
        if self._child is not None and name != self._name:
            if self._name == "relive.dial":  # its number is known only once the old connection is closed
                self._child.set_attributes({"relive.connection": step.connection, "relive.state": step.source})
            _end(self._child, at, loss)
            self._child = None
        if self._child is not None:
            self._child.add_event(f"relive.{step.dest.lower()}", {"relive.event": step.event}, at)
        elif name is not None:
            self._child = self._tracer.start_span(name, self._below, attributes=_about(step), start_time=at)
        self._name = name

    def notice(self, notice: Notice) -> None:
        """Something that is no transition: an event of what goes on, else of the session."""
        at = self._begin(notice.at)
        told: dict[str, AttributeValue] = {"relive.connection": notice.connection}
        if notice.detail:
            told["relive.detail"] = notice.detail
        if notice.seconds is not None:
            told["relive.seconds"] = notice.seconds
        span = self._child or self._session
        assert span is not None  # noqa: S101 - it has just begun
        span.add_event(f"relive.{notice.what}", told, at)

    def end(self, at: float, failure: str | None) -> None:
        """The session is over; `failure` says why, if it was given up."""
        for span in (self._child, self._session):
            if span is not None:
                _end(span, self._time(at), failure)

    def _begin(self, at: float) -> int:
        if self._session is None:
            self._epoch = time.time_ns() - round(at * 1e9)
            self._session = self._tracer.start_span(
                "relive.session", self._parent, attributes=self._attributes, start_time=self._time(at)
            )
            self._below = trace.set_span_in_context(self._session, self._parent)
        return self._time(at)

    def _time(self, at: float) -> int:
        return self._epoch + round(at * 1e9)


def _about(step: Transition) -> dict[str, AttributeValue]:
    if step.dest not in ("ACTIVE", "DRAINING"):
        return {"relive.state": step.dest}
    told: dict[str, AttributeValue] = {"relive.connection": step.connection}
    if step.verdict is not None:
        told["relive.verdict"] = step.verdict.kind
        told["relive.replayed"] = step.verdict.replayed
        if step.verdict.reason:
            told["relive.reason"] = step.verdict.reason
    return told


def _end(span: Span, at: int, why: str | None) -> None:
    """End it. What went wrong begins with a word for programs, up to a colon."""
    if why is not None:
        span.set_status(Status(StatusCode.ERROR, why))
        span.set_attribute("error.type", why.partition(":")[0])
    span.end(at)
