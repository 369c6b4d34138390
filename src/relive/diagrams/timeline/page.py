"""The page: a timeline as one HTML file that loads nothing, and runs no script but its own.

What a trace says reaches it as JSON only, and is shown as text only. The policy in its head allows the one style and
the one script that are in it, by their digests, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from functools import cache
from importlib.resources import files
from typing import Any, Final

from relive.diagrams.model import Diagram
from relive.diagrams.svg import in_page
from relive.diagrams.text import printable
from relive.diagrams.timeline.collecting import Timeline, as_data

_SCRIPTS: Final = ("words", "model", "paint", "plot", "list", "page", "controls", "live")
_ESCAPES: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
"For JSON in a page, where a text could otherwise end the element that it is in."
_NOTHING: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:"


def page(timeline: Timeline, diagram: Diagram) -> str:
    """The timeline as a page.

    Args:
        timeline: what happened.
        diagram: the machine that it happened to; its states are lit.
    """
    data = {"name": timeline.name, "notes": timeline.notes, "runs": [as_data(run) for run in timeline.runs]}
    return written(timeline.name, diagram, data)


def written(name: str, diagram: Diagram, data: dict[str, Any], *, more: str = "") -> str:
    """A page with these data.

    Args:
        name: its title.
        diagram: the machine.
        data: what the script reads.
        more: what its policy allows besides.
    """
    style, script = _part("page.css"), _script()
    parts = {
        "policy": f"{_NOTHING}; style-src {_digest(style)}; script-src {_digest(script)}{more}",
        "title": html.escape(f"{printable(name)} – relive timeline"),
        "style": style,
        "machine": in_page(diagram),
        "data": embedded(data),
        "script": script,
    }
    # In one go: what is put in is not looked at again.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _part("page.html"))


def embedded(data: Any) -> str:
    """Data as JSON that can stand in a page."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).translate(_ESCAPES)


@cache
def _part(name: str) -> str:
    return files(__package__ or "").joinpath(name).read_text("utf-8")


@cache
def _script() -> str:
    """All scripts as one, whose names are nobody else's."""
    said = "\n".join(_part(f"{name}.js") for name in _SCRIPTS)
    return f'"use strict";\n(() => {{\n{said}}})();\n'


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
