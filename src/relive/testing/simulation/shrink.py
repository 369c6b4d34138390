"""Makes a plan that fails small: fewer faults, a shorter conversation, defaults for all that does not matter.

Deterministic, and greedy: an edit is tried if it makes the plan smaller, and kept if the plan still fails. What
shortens a plan most, and what makes every later try cheaper, comes first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from math import ceil
from typing import Any, Final, TypeAlias, cast

import attrs

from relive.testing.simulation.bounds import TIMES
from relive.testing.simulation.campaign import Play, attempt
from relive.testing.simulation.outcome import Level, Violation
from relive.testing.simulation.plan import Plan, PlanError
from relive.testing.simulation.simulate import simulate

TRIES: Final = 300
Path: TypeAlias = tuple[str | int, ...]
"Fields and places, from the plan down."
_PARTICULAR: Final = re.compile(r"'[^']*'|\{[^}]*\}|\b[0-9a-f]{8,}\b|\d+(\.\d+)?")
"What is of one run only: names in quotes, counts, fingerprints, numbers."
_GONE: Final = object()
"In place of a value: the item is left out."


@attrs.frozen
class Shrunk:
    """A plan, made small."""

    plan: Plan
    tries: int
    "Plans that were played for it."
    interrupted: bool = False
    "Somebody did not want to wait for a smaller one."


def still(
    violation: Violation, level: Level = "runtime", *, words: int = 4, play: Play = simulate
) -> Callable[[Plan], bool]:
    """Whether a plan violates the same promise, in the same way.

    Args:
        violation: of the plan to be shrunk.
        level: where to play.
        words: how many words what is said of it must have in common from its beginning, numbers and names apart; 0: the
            promise alone counts, and shrinking may end at another failure than it began with.
        play: what plays a plan.
    """
    if violation.promise == "error":
        words = 1  # the type of what was raised
    said = _words(violation, words)

    def fails(plan: Plan) -> bool:
        found = attempt(plan, level, play=play).violations
        return any(v.promise == violation.promise and _words(v, words) == said for v in found)

    return fails


def _words(violation: Violation, count: int) -> list[str]:
    return _PARTICULAR.sub("#", violation.what).split()[:count]


def shrink(
    plan: Plan,
    fails: Callable[[Plan], bool],
    *,
    tries: int = TRIES,
    progress: Callable[[Plan, int], object] | None = None,
) -> Shrunk:
    """Make a plan small. Ends early, with what there is, at `KeyboardInterrupt`.

    Args:
        plan: one that fails.
        fails: whether a plan does: see `still`.
        tries: how often to ask that at most.
        progress: told of the smallest plan so far and of the tries, at each.
    """
    search = _Search(plan, fails, tries, progress)
    before: Plan | None = None
    try:
        while before is not search.plan and search.left:
            before = search.plan
            search.take(_steps_gone, _seconds, _merged)
            search.edit("talk", "service", "client", "herd", "seed")
            search.edit("steps")
            search.take(_earlier, _seconds)
    except KeyboardInterrupt:
        return Shrunk(search.plan, search.tries, interrupted=True)
    return Shrunk(search.plan, search.tries)


def size(plan: Plan) -> tuple[float, ...]:
    """What small means: what counts first comes first."""
    return (
        plan.herd,
        len(plan.steps),
        plan.seconds,
        len(plan.to_json()),
        sum(step.times for step in plan.steps),
        sum(step.at for step in plan.steps),
    )


@attrs.define
class _Search:
    plan: Plan
    "The smallest so far."
    fails: Callable[[Plan], bool]
    left: int
    progress: Callable[[Plan, int], object] | None
    tries: int = 0
    seen: set[str] = attrs.Factory(set[str])

    def keep(self, smaller: Plan) -> bool:
        """Try a plan, and go on with it if it is smaller and fails."""
        text = smaller.to_json()
        if not self.left or text in self.seen or size(smaller) >= size(self.plan):
            return False
        self.seen.add(text)
        self.left -= 1
        self.tries += 1
        try:
            found = self.fails(smaller)
        except PlanError:
            return False
        if found:
            self.plan = smaller
        if self.progress is not None:
            self.progress(self.plan, self.tries)
        return found

    def take(self, *ways: Callable[[Plan], Iterator[Plan]]) -> None:
        """Go each of these ways as far as it leads."""
        for way in ways:
            while any(self.keep(smaller) for smaller in way(self.plan)):
                pass

    def edit(self, *fields: str) -> None:
        """Simplify what is in these fields, bit by bit."""
        for name in fields:
            default = getattr(Plan(), name)
            for path, value in list(_simpler(getattr(self.plan, name), default, (name,))):
                try:
                    smaller = _with(self.plan, path, value)
                except (ValueError, LookupError, AttributeError, PlanError):
                    continue  # refused by the field or by the plan, or gone with an earlier edit
                self.keep(smaller)


def _steps_gone(plan: Plan) -> Iterator[Plan]:
    """Leave out all steps, halves, quarters … single ones; the last first."""
    count = part = len(plan.steps)
    while part:
        for end in range(count, 0, -part):
            yield attrs.evolve(plan, steps=plan.steps[: max(0, end - part)] + plan.steps[end:])
        part //= 2


def _seconds(plan: Plan) -> Iterator[Plan]:
    """End sooner: as soon as the last fault is over, or some time after it."""
    end = max((step.at + step.delay + (step.times - 1) * step.every for step in plan.steps), default=0.0)
    for more in (10.0, 40.0, 100.0, 200.0, 300.0):
        seconds = ceil((end + more) / 10.0) * 10.0 + plan.calm
        if seconds < plan.seconds:
            yield attrs.evolve(plan, seconds=seconds)


def _merged(plan: Plan) -> Iterator[Plan]:
    """Make one step that is repeated of two that bring the same kind of fault."""
    for (i, one), (j, other) in combinations(enumerate(plan.steps), 2):
        if type(one.fault) is not type(other.fault) or one.times + other.times > TIMES:
            continue
        gap = max(1.0, float(round((other.at - one.at) / one.times)))
        rest = plan.steps[:i] + plan.steps[i + 1 : j] + plan.steps[j + 1 :]
        for like, every in ((one, 10.0), (one, gap), (other, 10.0), (other, gap)):
            merged = attrs.evolve(like, at=min(one.at, other.at), times=one.times + other.times, every=every)
            yield attrs.evolve(plan, steps=(*rest[:i], merged, *rest[i:]))


def _earlier(plan: Plan) -> Iterator[Plan]:
    """Bring all faults earlier."""
    first = min((step.at for step in plan.steps), default=0.0)
    for begin in (0.0, 1.0, 10.0, 30.0, 100.0):
        if begin < first:
            yield attrs.evolve(plan, steps=tuple(attrs.evolve(s, at=s.at - first + begin) for s in plan.steps))


def _simpler(value: Any, default: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Edits that make a value simpler: its default first, then less and less of it."""
    if value == default:
        return
    if default is not attrs.NOTHING:
        yield path, default
    kind = cast("type[Any]", type(value))
    if attrs.has(kind):
        for field in attrs.fields(kind):
            yield from _simpler(getattr(value, field.name), _default(field), (*path, field.name))
    elif isinstance(value, tuple):
        yield from _fewer(cast("Sequence[Any]", value), path)
    elif isinstance(value, dict):
        for key in sorted(cast("dict[str, Any]", value)):
            yield (*path, key), _GONE
    elif isinstance(value, float):
        for digits in (1, 2, 3):
            yield path, float(f"{value:.{digits}g}")
    elif isinstance(value, int) and not isinstance(value, bool) and path != ("seed",):
        for less in (0, 1, 2, value // 2, value * 3 // 4, value * 7 // 8, value - 1):
            yield path, less


def _fewer(items: Sequence[Any], path: Path) -> Iterator[tuple[Path, Any]]:
    """The last first, so that places stay valid as items go."""
    for place in reversed(range(len(items))):
        if path != ("steps",):
            yield (*path, place), _GONE
        yield from _simpler(items[place], attrs.NOTHING, (*path, place))


def _default(field: Any) -> Any:
    default = field.default
    return default.factory() if isinstance(default, cast("type", attrs.Factory)) else default


def _with(value: Any, path: Path, new: Any) -> Any:
    """A copy of a value, with something else at that place in it."""
    if not path:
        return new
    at, rest = path[0], path[1:]
    if isinstance(value, tuple):
        items = list(cast("Sequence[Any]", value))
        if rest or new is not _GONE:
            items[cast("int", at)] = _with(items[cast("int", at)], rest, new)
        else:
            del items[cast("int", at)]
        return tuple(items)
    if isinstance(value, dict):
        return {key: item for key, item in cast("dict[str, Any]", value).items() if key != at}
    return attrs.evolve(value, **{cast("str", at): _with(getattr(value, cast("str", at)), rest, new)})
