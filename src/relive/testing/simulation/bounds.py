"""How much a plan may ask for: numbers that are numbers, and not more than a machine has time and memory for.

What lies outside is refused where it is made, in Python as in JSON. The bounds are far above what any conversation is
like; they are there so that a slip (a rate of 1e9, a `times` of a billion) is told at once, and not by a process that
hangs.
"""

from __future__ import annotations

from typing import Any, Final

import attrs
from attrs.validators import optional

DAY: Final = 86_400.0
"Seconds of a plan, at most."
EVER: Final = 1e9
"Seconds that anything in it may take or last, some thirty years: more than any plan has."
LEAST: Final = 0.001
"The shortest, where it may not be nothing."
OFTEN: Final = 0.01
"Seconds, at least, between what comes again and again for as long as a plan goes on."
RATE: Final = 200.0
"Frames of audio a second, at most; a microphone sends 50."
TIMES: Final = 1000
"How often a step, or a fault, may come again."
DOWN: Final = 1000.0
"Seconds that a process may be down: more, and it is not back when a simulation is over."
HERD: Final = 1000
"Sessions in one plan, at most."
BURST: Final = 10_000
"Frames in one burst, at most."
BYTES: Final = 10**9
"Of a size or a bandwidth, at most."
MANY: Final = 100
"Tools, or pictures, in one turn, at most."
MESSAGES: Final = 2_000_000
"What a plan's sessions may say and hear, all together: some minutes of a machine's time, and a gigabyte."


@attrs.frozen
class Number:
    """Validates a field that is a number, finite and within bounds. Raises `ValueError`, which names the field."""

    least: float
    most: float
    whole: bool = attrs.field(default=False, kw_only=True)
    "It counts something."
    or_zero: bool = attrs.field(default=False, kw_only=True)
    "0 is right as well."

    def __call__(self, instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        """Refuse what is no such number, NaN and infinities too."""
        if isinstance(value, int if self.whole else (int, float)) and not isinstance(value, bool):
            within = self.least <= value <= self.most or (self.or_zero and value == 0)
        else:
            within = False
        if within:
            return
        number = "a whole number" if self.whole else "a number"
        raise ValueError(
            f"{type(instance).__name__}: '{attribute.name}' must be {'0 or ' if self.or_zero else ''}{number} "
            f"from {self.least:,g} to {self.most:,g}, and is {value!r}"
        )


def real(value: Any) -> Any:
    """Make a whole number a real one, and leave all else as it is, for the validator to refuse.

    So plans that are equal are alike: in their JSON, and on sockets, where floats are times and all else is counts.
    """
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if whole and abs(value) <= EVER else value  # no bound is beyond that


def amount(default: float | None, least: float, most: float, *, or_zero: bool = False, or_none: bool = False) -> Any:
    """A field for a number that counts nothing."""
    bounds = Number(least, most, or_zero=or_zero)
    return attrs.field(default=default, converter=real, validator=optional(bounds) if or_none else bounds)


def duration(default: float) -> Any:
    """A field for seconds that may be none at all."""
    return amount(default, 0.0, EVER)


def lasts(default: float = 10.0) -> Any:
    """A field for seconds that are never none at all."""
    return amount(default, LEAST, EVER)


def frames_a_second() -> Any:
    """A field for a rate of audio; 0 for none at all."""
    return amount(1.0, LEAST, RATE, or_zero=True)


def how_often(default: int = 1) -> Any:
    """A field for how often."""
    return attrs.field(default=default, validator=Number(1, TIMES, whole=True))
