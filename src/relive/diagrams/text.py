"""Names as they may be shown: nothing that hides, nothing that reorders its surroundings, and how wide they are."""

from __future__ import annotations

import unicodedata
from typing import Final

_ISOLATE: Final = "\u2068"
_POP: Final = "\u2069"


def printable(name: str) -> str:
    """A name without anything invisible: controls and the like are written as escapes, nothing as ``""``.

    A name in a script that is written from right to left is isolated, so that it does not drag the brackets around it
    along.
    """
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)
    if any(unicodedata.bidirectional(c) in ("R", "AL") for c in shown):
        return f"{_ISOLATE}{shown}{_POP}"
    return shown if shown.strip() else f'"{shown}"'


def cells(text: str) -> int:
    """How many columns of a monospaced font a text takes."""
    return sum(_cells(c) for c in text)


def _cells(c: str) -> int:
    if c in (_ISOLATE, _POP) or unicodedata.combining(c):
        return 0
    return 2 if unicodedata.east_asian_width(c) in "WF" else 1


def chopped(word: str, width: int) -> list[str]:
    """A word in pieces that are no wider than that."""
    if cells(word) <= width:
        return [word]
    pieces, piece = list[str](), ""
    for c in word.strip(_ISOLATE + _POP):
        if piece and cells(piece + c) > width:
            pieces.append(piece)
            piece = ""
        piece += c
    pieces.append(piece)
    isolated = word.startswith(_ISOLATE)
    return [f"{_ISOLATE}{piece}{_POP}" if isolated else piece for piece in pieces]
