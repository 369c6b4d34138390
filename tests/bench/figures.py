"""Figures with limits, and the arithmetic of comparing two things on a machine that others use as well."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import attrs


@attrs.frozen
class Figure:
    """One number, and what it may be at most."""

    name: str
    value: float
    noise: float
    "Half the width of the middle 95 % of what the median could be, in the same unit."
    unit: str
    limit: float | None = None
    "None: told, and not judged."
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether it keeps its limit."""
        return self.limit is None or self.value <= self.limit

    @property
    def surely_over(self) -> bool:
        """Whether it is above its limit by more than noise explains."""
        return self.limit is not None and self.value - self.noise > self.limit

    def as_json(self) -> dict[str, object]:
        """All there is to tell."""
        return {**attrs.asdict(self), "ok": self.ok}


def median(samples: Sequence[float]) -> tuple[float, float]:
    """The median and its noise: half of the 95 % interval that order statistics give, without assuming a shape."""
    ranked = sorted(samples)
    count = len(ranked)
    reach = 0.98 * count**0.5
    low, high = max(0, round(count / 2 - reach)), min(count - 1, round(count / 2 + reach))
    return statistics.median(ranked), (ranked[high] - ranked[low]) / 2


def added(
    name: str,
    bare: Sequence[float],
    ours: Sequence[float],
    limit: float | None,
    *,
    whole: Sequence[float] = (),
    note: str = "",
) -> Figure:
    """What `ours` costs on top of `bare`, in percent of `bare`, or of the median of `whole`.

    The median over rounds, each round against its own bare one. Times are in microseconds.
    """
    more = [mine - theirs for theirs, mine in zip(bare, ours, strict=True)]
    bases = [statistics.median(whole)] * len(bare) if whole else bare
    value, noise = median([100.0 * extra / base for extra, base in zip(more, bases, strict=True)])
    detail = f"{statistics.median(bases):.1f} + {statistics.median(more):.1f} µs{note}"
    return Figure(name, value, noise, "%", limit, detail)


def table(figures: Sequence[Figure]) -> str:
    """The figures as text."""
    rows = [("", "measured", "noise", "limit", "", "")]
    for figure in figures:
        limit = "" if figure.limit is None else f"≤ {figure.limit:g} {figure.unit}"
        said = "" if figure.limit is None else "ok" if figure.ok else "OVER"
        measured = f"{figure.value:.2f} {figure.unit}"
        rows.append((figure.name, measured, f"± {figure.noise:.2f}", limit, said, figure.detail))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines: list[str] = []
    for name, measured, noise, limit, said, detail in rows:
        cells = (
            name.ljust(widths[0]),
            measured.rjust(widths[1]),
            noise.rjust(widths[2]),
            limit.rjust(widths[3]),
            said.ljust(widths[4]),
            detail,
        )
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
