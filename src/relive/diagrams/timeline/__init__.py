"""What happened to sessions, as a picture: a trace becomes one HTML page, or a Mermaid sequence diagram.

::

    with Path("trace.jsonl").open("rb") as file:
        timeline = collect(file, "trace.jsonl")
    Path("run.html").write_text(page(timeline, of_table(TABLE)), "utf-8")

`reading` reads a trace line by line, `thinning` keeps as much of it as can be shown, `collecting` makes a `Timeline` of
that, `page` and `sequence` write it. Traces come from `relive simulate --trace` and `relive.telemetry.trace`.
"""

from __future__ import annotations

from relive.diagrams.timeline.collecting import MOST, Run, Timeline, collect
from relive.diagrams.timeline.page import page
from relive.diagrams.timeline.reading import TraceError, read
from relive.diagrams.timeline.sequence import sequence

__all__ = ["MOST", "Run", "Timeline", "TraceError", "collect", "page", "read", "sequence"]
