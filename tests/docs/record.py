"""Records `relive demo` as pictures for the README: `python -m tests.docs.record`.

It is the demo itself, on virtual time: the real SDK and the fake server behind a websocket in memory. So the recording
is the same each time, and a test sees when it is out of date. The pictures need no network and no font of their own.
"""

from __future__ import annotations

import asyncio
import io
import random
from typing import Final

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text
from tests.docs.blocks import DOCS

from relive.cli.app import MODEL
from relive.cli.demo import Backend, run_demo
from relive.cli.plan import make_plan
from relive.cli.screen import RichScreen, show_report
from relive.testing import loop as sim

PICTURES: Final = DOCS / "pictures"
WIDTH: Final = 108
"Columns: as many as the longest line has, and a few."
UNTIL: Final = 5
"The turn from which on the picture leaves out what happens, so that it is not too long."

_INK, _GROUND = (12, 14, 17), (255, 255, 255)
_LIGHT: Final = TerminalTheme(
    _GROUND, _INK,
    [_INK, (176, 8, 36), (17, 99, 41), (125, 78, 0), (9, 80, 174), (130, 50, 180), (14, 95, 110), (87, 96, 106)],
)  # fmt: skip
_PALE, _NIGHT = (230, 237, 243), (13, 17, 23)
_DARK: Final = TerminalTheme(
    _NIGHT, _PALE,
    [(145, 152, 161), (255, 123, 114), (86, 211, 100), (227, 179, 65), (121, 192, 255), (210, 168, 255),
     (86, 212, 221), _PALE],
)  # fmt: skip
THEMES: Final = {"demo.svg": _LIGHT, "demo-dark.svg": _DARK}

# rich's own format, less the fonts that it would fetch.
_FORMAT: Final = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>relive demo, as it runs in a terminal</title>
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace;
  font-size: {char_height}px;
  line-height: {line_height}px;
}}
.{unique_id}-title {{ font: bold 18px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def record() -> str:
    """Run the demo, and return what it wrote, with its colours."""
    before = random.getstate()
    random.seed(0)  # of the waits between two attempts
    try:
        return sim.run(_demo(), max_time=600.0)
    finally:
        random.setstate(before)


async def _demo() -> str:
    loop = asyncio.get_running_loop()
    console = Console(record=True, width=WIDTH, file=io.StringIO(), get_time=loop.time, force_terminal=False)
    plan = make_plan(0)
    with RichScreen(console, len(plan.turns)) as screen:
        report = await run_demo(plan, backend=Backend.VERTEX, model=MODEL, screen=screen)
    show_report(console, report)
    assert report.good
    return console.export_text(styles=True)


def shown(written: str) -> list[str]:
    """The lines that a picture shows: the run up to the turn `UNTIL`, and the account at its end."""
    lines = written.splitlines()
    until = next(number for number, line in enumerate(lines) if f"turn {UNTIL}" in line)
    account = lines.index("")
    return ["$ relive demo", *lines[:until], "     ⋮", *lines[account:]]


def pictures(written: str) -> dict[str, str]:
    """Name and text of each picture of this run."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=False)
    for line in shown(written):
        console.print(Text.from_ansi(line), soft_wrap=True)
    made: dict[str, str] = {}
    for name, theme in THEMES.items():
        svg = console.export_svg(title="relive demo", theme=theme, code_format=_FORMAT, unique_id="demo", clear=False)
        svg = svg.replace("rgba(255,255,255,0.35)", "#6e7681")  # the frame, which nobody would see on white
        made[name] = "".join(f"{line.rstrip()}\n" for line in svg.splitlines())
    return made


def main() -> None:
    """Write them."""
    PICTURES.mkdir(exist_ok=True)
    for name, svg in pictures(record()).items():
        (PICTURES / name).write_text(svg, "utf-8")


if __name__ == "__main__":
    main()
