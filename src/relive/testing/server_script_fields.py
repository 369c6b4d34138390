"""What the fields of a `ServerScript` may hold, beside numbers (`simulation.bounds`), and how the rest is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, cast

import attrs

from relive.testing.simulation.bounds import Number

Validator: TypeAlias = Callable[[Any, "attrs.Attribute[Any]", Any], None]

_STATUS = Number(400, 599, whole=True)


def maybe(default: float | None, number: Number) -> Any:
    """A field for a number, or for None."""
    return attrs.field(default=default, validator=attrs.validators.optional(number))


def is_one_of(*words: str) -> Validator:
    """One of these words."""

    def check(owner: object, field: attrs.Attribute[Any], value: Any) -> None:
        if value not in words:
            raise ValueError(_sentence(owner, field, f"one of {', '.join(map(repr, words))}", value))

    return check


def is_a(kind: type[Any]) -> Validator:
    """One of these."""

    def check(owner: object, field: attrs.Attribute[Any], value: Any) -> None:
        if not isinstance(value, kind):
            raise TypeError(_sentence(owner, field, f"of the type {kind.__name__}", value))

    return check


def is_flag(*, default: bool) -> Any:
    """A field for a bool."""
    return attrs.field(default=default, validator=is_a(bool))


def is_close(owner: object, field: attrs.Attribute[Any], value: Any) -> None:
    """A close cause."""
    if isinstance(value, tuple):
        match cast("tuple[object, ...]", value):
            case (int(code), str()) if 1000 <= code <= 4999:
                return
            case _:
                pass
    raise TypeError(_sentence(owner, field, "a close code and a reason, as in CLOSES['quota']", value))


def is_set_of_names(owner: object, field: attrs.Attribute[Any], value: Any) -> None:
    """Texts, and no text: of that each letter would be a name."""
    kind = type(value).__name__  # what was given is not shown: it may be keys
    if not isinstance(value, (set, frozenset)) or not all(isinstance(one, str) for one in cast("set[object]", value)):
        raise TypeError(f"{type(owner).__name__}: '{field.name}' must be a set of texts, and is a {kind}")


def are_texts(owner: object, field: attrs.Attribute[Any], value: Any) -> None:
    """A tuple of texts, none of them empty: that would be part of any other."""
    if not isinstance(value, tuple) or not all(isinstance(text, str) and text for text in cast("tuple[Any]", value)):
        raise TypeError(_sentence(owner, field, "a tuple of texts that are not empty", value))


def is_refusal(owner: object, field: attrs.Attribute[Any], value: Any) -> None:
    """``close``, or an HTTP status."""
    if value != "close":
        _STATUS(owner, field, value)


def is_model(owner: object, field: attrs.Attribute[Any], value: Any) -> None:
    """What answers: a model, and not the class of one."""
    if isinstance(value, type) or not callable(getattr(value, "answer", None)):
        raise TypeError(_sentence(owner, field, "a model, with a method answer", value))


def _sentence(owner: object, field: attrs.Attribute[Any], wanted: str, value: Any) -> str:
    return f"{type(owner).__name__}: '{field.name}' must be {wanted}, and is {value!r}"
