"""Sessions in OpenTelemetry: a tree of spans for each, and metrics for all of them. Needs the extra ``opentelemetry``.

::

    telemetry = Telemetry()  # once per process; uses the global providers
    observer = telemetry.observer(model=model, conversation="ada")  # once per session
    async with relive.connect(client, model=model, observers=[observer]) as session: ...

Only the API is used: without an SDK that is set up nothing is recorded, and nothing fails. Names are our own
(``relive.…``); of the semantic conventions for generative AI, which still change, four are used, behind a switch.
docs/telemetry.md lists all of them.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Final, Literal, TypeAlias, get_args

from relive.core.effects import Transition
from relive.errors import SettingError
from relive.extras import extra
from relive.ports import Meter, Notice, Stats

with extra("opentelemetry", __name__):
    from opentelemetry import context, metrics, trace
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from relive.telemetry.otel_metrics import Figures, Instruments
    from relive.telemetry.otel_spans import Spans

SemConv: TypeAlias = Literal["1.37"]
"Versions of the semantic conventions whose ``gen_ai.*`` names can be had."

_OVERDUE: Final = {f"DeadlineReached({name})": name for name in ("opening", "silence", "answer")}
_TOLD_BEFORE: Final = ("OpenFailed", "ConnectionDropped")
_OTHER: Final = "_OTHER"  # what the conventions say where nothing better is known


class Telemetry:
    """Makes an observer for each session; all of them share their instruments.

    Args:
        tracer_provider: where spans go; the global one by default.
        meter_provider: where measurements go; the global one by default.
        semconv: which names the attributes ``gen_ai.*`` and ``error.type`` follow. A later relive may know more.

    Raises:
        SettingError: these conventions are not known.
    """

    __slots__ = ("_instruments", "_tracer")

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        *,
        semconv: SemConv = "1.37",
    ) -> None:
        if semconv not in get_args(SemConv):
            raise SettingError("semconv", semconv, f"one of {', '.join(get_args(SemConv))}")
        ours, schema = version("relive"), f"https://opentelemetry.io/schemas/{semconv}.0"
        self._tracer = trace.get_tracer("relive", ours, tracer_provider, schema)
        self._instruments = Instruments(metrics.get_meter("relive", ours, meter_provider, schema))

    def observer(self, *, model: str, conversation: str | None = None, provider: str = "gcp.gemini") -> SessionObserver:
        """An observer for one session; its spans go below the span that is current now.

        Args:
            model: becomes ``gen_ai.request.model``.
            conversation: becomes ``gen_ai.conversation.id``, on spans only. Never a handle.
            provider: becomes ``gen_ai.provider.name``; ``gcp.vertex_ai`` for Vertex.
        """
        common = {"gen_ai.provider.name": provider, "gen_ai.request.model": model}
        named = common if conversation is None else {**common, "gen_ai.conversation.id": conversation}
        spans = Spans(self._tracer, context.get_current(), named)
        return SessionObserver(spans, Figures(self._instruments, common))


class SessionObserver:
    """Writes one session down. Made by `Telemetry.observer`; not to be used for a second one."""

    __slots__ = ("_ended", "_failure", "_figures", "_loss", "_now", "_spans")

    def __init__(self, spans: Spans, figures: Figures) -> None:
        self._spans = spans
        self._figures = figures
        self._loss = _OTHER
        self._failure: str | None = None
        self._ended = False
        self._now = 0.0

    def transition(self, transition: Transition) -> None:
        """The session went from one state to another."""
        self._now = transition.at
        loss = self._loss if transition.event in _TOLD_BEFORE else _OVERDUE.get(transition.event)
        self._loss = _OTHER
        self._figures.step(transition, loss)
        self._spans.step(transition, loss)
        if transition.dest in ("CLOSED", "FAILED"):
            self._end(transition.at)

    def notice(self, notice: Notice) -> None:
        """Something else happened."""
        self._now = notice.at
        if notice.what in ("lost", "dialled"):
            self._loss = notice.detail or _OTHER
        elif notice.what == "failed":
            self._failure = notice.detail
        self._figures.notice(notice)
        if not self._ended:
            self._spans.notice(notice)

    def counted(self, stats: Stats) -> None:
        """How the counts stand."""
        if self._failure is not None:
            self._end(self._now)  # if the machine itself broke there is no transition to FAILED
        self._figures.count(stats, last=self._ended)

    def _end(self, at: float) -> None:
        if not self._ended:
            self._ended = True
            self._figures.end(at, self._failure)
            self._spans.end(at, self._failure)


_: type[Meter] = SessionObserver
