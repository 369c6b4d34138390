"""How long people wait for the page of a trace of a hundred thousand events, in headless Chromium; and its making."""

from __future__ import annotations

import io
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright
from tests.bench.figures import Figure, median
from tests.diagrams.others import ALONE, CHROMIUM
from tests.timeline.traces import Stream

from relive.core.table import TABLE
from relive.diagrams import of_table
from relive.diagrams.timeline import collect, page

EVENTS = 100_000
PAINT = 2000.0
REACT = 50.0

# From the event to the frame that shows what came of it, as painted: the message is handled after that.
_ACT = """async ({kind, count, zoom}) => {
  const plot = document.getElementById('plot');
  const box = plot.getBoundingClientRect();
  const painted = () => new Promise(done => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = done;
    channel.port2.postMessage(0);
  }));
  const press = key => document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
  for (let n = 0; n < zoom; n += 1) press('+');
  const point = (name, x, y) => plot.dispatchEvent(new PointerEvent(name, {
    clientX: x, clientY: y, bubbles: true, button: 0, pointerId: 1}));
  await painted();
  if (kind === 'scrub') point('pointerdown', box.left + 200, box.top + 10);
  await painted();
  const took = [];
  for (let n = 0; n < count; n += 1) {
    const x = box.left + 90 + ((n * 7919) % Math.floor(box.width - 110));
    const y = box.top + 30 + ((n * 104729) % Math.floor(box.height - 40));
    const began = performance.now();
    if (kind === 'key') press('n');
    else point('pointermove', x, kind === 'scrub' ? box.top + 10 : y);
    await painted();
    took.push(performance.now() - began);
  }
  if (kind === 'scrub') point('pointerup', box.left + 200, box.top + 10);
  for (let n = 0; n < zoom; n += 1) press('-');
  return took;
}"""
_FIND = """async () => {
  const find = document.getElementById('find');
  const began = performance.now();
  find.value = 'goaway';
  find.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}));
  await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - began;
}"""
_PAINTED = """() => Math.max(performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 1e9,
                             performance.getEntriesByName('drawn')[0].startTime)"""


def timeline(rounds: int) -> list[Figure]:
    """First paint, hover, scrub, keys and search; and how long `relive timeline` takes for it."""
    if CHROMIUM is None:
        raise SystemExit("the timeline is measured in chromium, and there is none")
    file = Stream(EVENTS).readall()
    machine = of_table(TABLE)
    made: list[float] = []
    text = ""
    for _ in range(max(2, rounds // 2)):
        began = time.perf_counter()
        text = page(collect(io.BytesIO(file), "bench"), machine)
        made.append(time.perf_counter() - began)
    paints: list[float] = []
    finds: list[float] = []
    acts: dict[str, list[float]] = {"hover": [], "scrub": [], "key": []}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "bench.html"
        path.write_text(text, "utf-8")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ALONE)
        for _ in range(rounds):
            shown = browser.new_page(viewport={"width": 1280, "height": 900})
            shown.goto(path.as_uri())
            shown.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
            paints.append(shown.evaluate(_PAINTED))
            for kind in acts:
                for zoom in (0, 4, 10):
                    acts[kind] += _took(shown, kind, zoom)
            finds.append(shown.evaluate(_FIND))
            shown.close()
        browser.close()
    size = f"{len(text) / 1e6:.1f} MB, {EVENTS:,} events"
    return [
        Figure("timeline, first paint", *median(paints), "ms", PAINT, size),
        *(_slowest(f"timeline, {kind}", took) for kind, took in acts.items()),
        Figure("timeline, first search", *median(finds), "ms"),
        Figure("timeline, reading and writing", *median(made), "s"),
    ]


def _took(shown: Page, kind: str, zoom: int) -> list[Any]:
    return shown.evaluate(_ACT, {"kind": kind, "count": 40, "zoom": zoom})


def _slowest(name: str, took: list[float]) -> Figure:
    """What nineteen of twenty do not exceed."""
    ranked = sorted(took)
    detail = f"median {ranked[len(ranked) // 2]:.1f} ms, slowest {ranked[-1]:.1f} ms of {len(ranked)}"
    return Figure(f"{name}, 95 % within", ranked[int(len(ranked) * 0.95)], 0.0, "ms", REACT, detail)
