"""OpenTelemetry with its exporters in memory, and what they hold in a form that a test can write down."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from relive.telemetry.opentelemetry import SessionObserver, Telemetry

COMMON = {"gen_ai.provider.name": "gcp.gemini", "gen_ai.request.model": "m"}


class Readings:
    """Everything that was exported."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meters = MeterProvider([self._reader], shutdown_on_exit=False)
        self.telemetry = Telemetry(self.tracers, self.meters)

    def observer(self, **options: Any) -> SessionObserver:
        return self.telemetry.observer(model="m", **options)

    @property
    def spans(self) -> list[ReadableSpan]:
        """Those that have ended, in the order in which they began; a parent before its children."""
        finished = self._exporter.get_finished_spans()
        return sorted(finished, key=lambda span: (span.start_time or 0, span.name != "relive.session"))

    def tree(self) -> list[str]:
        """A line per span, those of a session indented: name, seconds, what is special about it."""
        return [("  " if span.parent else "") + line_of(span) for span in self.spans]

    def metrics(self) -> dict[str, Any]:
        """All metrics by name."""
        data = self._reader.get_metrics_data()
        scopes = data.resource_metrics[0].scope_metrics if data is not None and data.resource_metrics else []
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def points(self, name: str) -> dict[str, Any]:
        """The points of a metric by their labels, less those that all have. Of a histogram: count and sum."""
        metric = self.metrics().get(name)
        found: dict[str, Any] = {}
        for point in metric.data.data_points if metric is not None else ():
            labels = dict(point.attributes)
            assert {key: labels.pop(key) for key in COMMON} == COMMON
            label = " ".join(f"{key.removeprefix('relive.')}={value}" for key, value in sorted(labels.items()))
            is_histogram = isinstance(point, HistogramDataPoint)
            found[label] = (point.count, round(point.sum, 3)) if is_histogram else point.value
        return found


def line_of(span: ReadableSpan) -> str:
    """Name, seconds, connection, verdict, what went wrong, and its events."""
    told = dict(span.attributes or {})
    words = [span.name.removeprefix("relive."), f"{((span.end_time or 0) - (span.start_time or 0)) / 1e9:.2f}"]
    number = told.get("relive.connection")
    words += [f"#{number}"] if number is not None else []
    words += [str(told[key]) for key in ("relive.state", "relive.verdict", "relive.reason") if key in told]
    if "error.type" in told:
        assert span.status.status_code.name == "ERROR"
        words.append(f"error {told['error.type']} ({span.status.description})")
    return " ".join([*words, *(f"[{event.name.removeprefix('relive.')}]" for event in span.events)])
