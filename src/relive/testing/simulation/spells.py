"""What differs from the usual for a while: many things at a time, each with its own end."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Spells(Generic[K]):
    """Changes that hold for a while. Where two change the same, the later one holds, and after it the other again.

    Args:
        usual: what something is when nothing changes it.
        put: makes things so.
    """

    def __init__(self, usual: Callable[[K], Any], put: Callable[[Mapping[K, Any]], None]) -> None:
        self._usual = usual
        self._put = put
        self._spells: dict[int, Mapping[K, Any]] = {}
        self._numbers = itertools.count()

    def begin(self, changes: Mapping[K, Any]) -> int:
        """Change things. Returns the number of this spell."""
        number = next(self._numbers)
        self._spells[number] = changes
        self._put(changes)
        return number

    def end(self, number: int) -> None:
        """End a spell: what it changed is what the latest of the others makes of it, or as usual."""
        ended = self._spells.pop(number)
        self._put({thing: self._now(thing) for thing in ended})

    def _now(self, thing: K) -> Any:
        held = [changes[thing] for changes in self._spells.values() if thing in changes]
        return held[-1] if held else self._usual(thing)
