"""Colours. An event has that of where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from relive.diagrams.model import ORIGINS, Origin


@attrs.frozen
class Palette:
    """The colours of a theme. Text on the ground has a contrast of 4.5 at least."""

    ground: str
    ink: str
    muted: str
    card: str
    edge: str
    frame: str
    events: Mapping[Origin, str]


LIGHT: Final = Palette(
    ground="#ffffff",
    ink="#1f2328",
    muted="#57606a",
    card="#f6f8fa",
    edge="#8c959f",
    frame="#d0d7de",
    events={
        "server": "#1d4ed8",
        "application": "#15803d",
        "clock": "#a84d00",
        "network": "#be123c",
        "inside": "#57606a",
    },
)
DARK: Final = Palette(
    ground="#0d1117",
    ink="#e6edf3",
    muted="#9198a1",
    card="#161b22",
    edge="#6e7681",
    frame="#30363d",
    events={
        "server": "#7cb8ff",
        "application": "#6fdd8b",
        "clock": "#f0b35a",
        "network": "#ff8fa3",
        "inside": "#a3adba",
    },
)
PAGE: Final = Palette(
    ground="var(--ground)",
    ink="var(--ink)",
    muted="var(--muted)",
    card="var(--card)",
    edge="var(--edge)",
    frame="var(--frame)",
    events={origin: f"var(--{origin})" for origin in ORIGINS},
)
"Those of the page around it, as properties that it declares."
MARKS: Final[Mapping[Origin, str]] = {
    "server": "#4a9eff",
    "application": "#34b36b",
    "clock": "#e09b1f",
    "network": "#f0587c",
    "inside": "#98a2ad",
}
"For marks on a ground that nobody knows."
