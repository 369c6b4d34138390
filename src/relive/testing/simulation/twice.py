"""Whether a simulation goes the same way twice, and where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

import attrs

from relive.testing.simulation.tally import Tally

_DIGEST = 32
_LONG = 320
"Characters of a line that are shown at most, or a little more."


@attrs.frozen
class Difference:
    """A session that went differently when it was played again."""

    index: int
    "Of the session."
    line: int
    "Of its trace, from 1, the header included; 0 if the traces are the same, and something else is not."
    first: str
    "That line, and"
    second: str
    "what stood there when it was played again. Empty: the trace ended before."

    def lines(self) -> tuple[str, str]:
        """The two, for people: of long ones, where they begin to differ."""
        first, second = self.first, self.second
        place = next((n for n, (one, other) in enumerate(zip(first, second, strict=False)) if one != other), 0)
        return _around(first, place) or "(the end)", _around(second, place) or "(the end)"

    def __str__(self) -> str:
        if not self.line:
            return f"session {self.index} went differently when it was played again: {self.first}, then {self.second}"
        return (
            f"session {self.index} went differently when it was played again, first in line {self.line} of its trace:\n"
            "  {}\n  {}".format(*self.lines())
        )


def _around(text: str, place: int) -> str:
    """Some of a long text: its beginning, and what is around a place in it."""
    if len(text) <= _LONG:
        return text
    begin, end = max(_LONG // 4, place - _LONG // 4), place + _LONG // 4
    between = "…" if begin > _LONG // 4 else ""
    return text[: _LONG // 4] + between + text[begin:end] + ("…" if end < len(text) else "")


def different_lines(index: int, first: Sequence[str], second: Sequence[str]) -> Difference | None:
    """The first line that two traces of a session do not share."""
    for number, (one, other) in enumerate(zip_longest(first, second, fillvalue=""), 1):
        if one != other:
            return Difference(index, number, one, other)
    return None


def different_session(first: Tally, second: Tally) -> int | None:
    """The place of the first session that two tallies of the same sessions do not agree about."""
    if first == second:
        return None
    least = min(first.sessions, second.sessions)
    for place in range(least):
        digest = slice(place * _DIGEST, (place + 1) * _DIGEST)
        if first.digests[digest] != second.digests[digest]:
            return place
    return least - 1  # the traces are the same; the last was found wanting by one of them only


def explain(index: int, first: Tally, second: Tally) -> Difference:
    """What is different about a session: the tallies are of it alone, with its trace."""
    found = different_lines(index, *(tally.traces[0] if tally.traces else () for tally in (first, second)))
    if found is not None:
        return found
    for field in attrs.fields(Tally):
        one, other = getattr(first, field.name), getattr(second, field.name)
        if field.eq and one != other:
            return Difference(index, 0, f"{field.name} {one}", f"{field.name} {other}")
    return Difference(index, 0, "one thing", "another, and now that both were played once more, the same thing twice")
