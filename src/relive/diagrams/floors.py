"""The floors of the code, read off its imports: who stands on whom.

A part of relive is a module or package directly below it. Its floor is one above the highest that it imports from.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from relive.diagrams.model import Diagram
from relive.diagrams.picture import Box, Frame, Picture
from relive.diagrams.svg import Theme, written

_RELIVE: Final = Path(__file__).parents[1]
_WIDTH: Final = 196.0
_HEIGHT: Final = 48.0
_GAP: Final = 14.0


@cache
def imports(package: Path = _RELIVE) -> dict[str, frozenset[str]]:
    """For each part of a package the parts that it imports; what only a type checker imports does not count."""
    found: dict[str, set[str]] = {}
    for path in sorted(package.rglob("*.py")):
        part = path.relative_to(package).parts[0].removesuffix(".py")
        if part != "__init__":
            named = _imported(ast.parse(path.read_text("utf-8")), package.name)
            found.setdefault(part, set()).update(named - {part})
    return {part: frozenset(named & set(found)) for part, named in found.items()}


def _imported(tree: ast.AST, package: str) -> set[str]:
    """Names directly below the package that are imported anywhere in this tree."""
    found: set[str] = set()
    for node in _seen(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        found |= {parts[1] for parts in (name.split(".") for name in names) if parts[0] == package and len(parts) > 1}
    return found


def _seen(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that is run."""
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from _seen(child)


def floors(parts: Mapping[str, frozenset[str]]) -> list[list[str]]:
    """The parts by floor, the highest first."""

    def height(part: str) -> int:
        return 1 + max((height(below) for below in parts[part]), default=-1)

    heights = {part: height(part) for part in sorted(parts)}
    return [
        [part for part in heights if heights[part] == floor] for floor in sorted(set(heights.values()), reverse=True)
    ]


def stands_on(parts: Mapping[str, frozenset[str]], part: str) -> list[str]:
    """What a part imports and none of its other imports does: the rest follows."""

    def below(one: str) -> set[str]:
        return set(parts[one]).union(*(below(other) for other in parts[one]))

    return sorted(one for one in parts[part] if not any(one in below(other) for other in parts[part]))


def floors_mermaid() -> str:
    """The floors as Mermaid text."""
    parts = imports()
    lines = ["flowchart TB"]
    for number, floor in enumerate(floors(parts)):
        lines += [f'    subgraph floor{number}[" "]', "        direction LR"]
        lines += [f'        {part.strip("_")}["{part}"]' for part in floor]
        lines.append("    end")
    for part in parts:
        lines += [f"    {part.strip('_')} --> {below.strip('_')}" for below in stands_on(parts, part)]
    return "\n".join(lines) + "\n"


def floors_svg(theme: Theme) -> str:
    """The floors as SVG: one above the other, and in each part what it stands on."""
    parts = imports()
    boxes: list[Box] = []
    frames: list[Frame] = []
    levels = floors(parts)
    width = max(len(level) for level in levels) * (_WIDTH + _GAP) + _GAP
    for number, level in enumerate(levels):
        top = 16 + number * (_HEIGHT + 2 * _GAP + 8)
        frames.append(Frame(16, top, width, _HEIGHT + 2 * _GAP, "", (0, 0)))
        left = 16 + (width - len(level) * (_WIDTH + _GAP) + _GAP) / 2
        for column, part in enumerate(level):
            on = stands_on(parts, part)
            note = (f"on {', '.join(on)}",) if on else ()
            boxes.append(Box(part, left + column * (_WIDTH + _GAP), top + _GAP, _WIDTH, _HEIGHT, note))
    height = 16 + len(levels) * (_HEIGHT + 2 * _GAP + 8) + 8
    picture = Picture(width + 32, height, tuple(boxes), (), frames=tuple(frames))
    return written(Diagram(tuple(parts), (), None), picture, theme, "the floors of relive: imports go down only")
