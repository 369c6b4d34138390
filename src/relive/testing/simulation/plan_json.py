"""Plans as JSON. What cannot be read is refused with its place, nothing is guessed or converted."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, cast, get_args, get_origin, get_type_hints

import attrs

from relive.core.policy import Policy
from relive.testing.simulation.faults import FAULTS, Fault
from relive.testing.simulation.plan import VERSION, Plan, PlanError

_FAULT: Final = "fault"
_ENDLESS: Final = "inf"
_NUMBERS: Final = frozenset(
    name for name, kind in get_type_hints(Policy).items() if {int, float} & {kind, *get_args(kind)}
)
"Settings of a policy that are numbers."


def dumps(plan: Plan, *, indent: int | None = None, terse: bool = True) -> str:
    """Write a plan."""
    return json.dumps({"version": VERSION, **_plain(plan, terse=terse)}, indent=indent, allow_nan=False)


def loads(text: str | bytes) -> Plan:
    """Read a plan, or raise `PlanError`."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PlanError("$", f"it is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise PlanError("$", "it is no JSON object")
    fields = cast("dict[str, object]", data)
    version = fields.pop("version", None)
    if version is None:
        raise PlanError("$.version", "the version is missing")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise PlanError("$.version", f"{version!r} is no version")
    if version > VERSION:
        raise PlanError("$.version", f"it is of version {version}, and this relive knows versions up to {VERSION}")
    return _read(Plan, fields, "$")


def _plain(value: Any, *, terse: bool) -> Any:
    kind: Any = cast("Any", type(value))
    if attrs.has(kind):
        found: dict[str, Any] = {}
        if isinstance(value, cast("tuple[type, ...]", get_args(Fault))):
            found[_FAULT] = kind.__name__
        for field in attrs.fields(kind):
            said: Any = getattr(value, field.name)
            if not terse or field.default is attrs.NOTHING or said != _default(field):
                found[field.name] = _plain(said, terse=terse)
        return found
    if isinstance(value, (list, tuple)):
        return [_plain(item, terse=terse) for item in cast("tuple[Any, ...]", value)]
    if isinstance(value, dict):
        return {key: _plain(item, terse=terse) for key, item in cast("dict[str, Any]", value).items()}
    # JSON has no such number, and some settings may be endless.
    return _ENDLESS if value == math.inf else value


def _default(field: Any) -> object:
    default: Any = field.default
    factory = getattr(default, "factory", None)
    return default if factory is None else factory()


def _read(kind: Any, data: object, where: str) -> Any:
    """Make a `kind` of plain data."""
    if kind == Fault:
        return _read_fault(data, where)
    if attrs.has(kind):
        return _read_object(kind, data, where)
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        for option in args:
            try:
                return _read(option, data, where)
            except PlanError:
                continue
        raise PlanError(where, f"{data!r} is none of {', '.join(_name(option) for option in args)}")
    if origin is tuple:
        if not isinstance(data, list):
            raise PlanError(where, f"{data!r} is no list")
        return tuple(_read(args[0], item, f"{where}[{n}]") for n, item in enumerate(cast("list[object]", data)))
    if origin is dict:
        if not isinstance(data, dict):
            raise PlanError(where, f"{data!r} is no object")
        settings = cast("dict[str, object]", data)
        return {name: _read_setting(name, setting) for name, setting in settings.items()}
    if origin is Literal:
        if data not in args:
            raise PlanError(where, f"{data!r} is none of {', '.join(map(repr, args))}")
        return data
    return _read_scalar(kind, data, where)


def _read_setting(name: str, setting: object) -> object:
    """Read a setting of a policy: ``inf`` is a number where one may be, and else a text that says so."""
    return math.inf if setting == _ENDLESS and name in _NUMBERS else setting


def _read_scalar(kind: Any, data: object, where: str) -> object:
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return data  # its field makes it one, or says what is wrong with it
    if not isinstance(data, kind) or (isinstance(data, bool) and kind is not bool):
        raise PlanError(where, f"{data!r} is not {_name(kind)}")
    if isinstance(data, float) and not math.isfinite(data):
        raise PlanError(where, f"{data!r} is not finite")
    return data


def _read_fault(data: object, where: str) -> Fault:
    fields = _object(data, where)
    name = fields.pop(_FAULT, None)
    kind = FAULTS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise PlanError(f"{where}.{_FAULT}", f"there is no fault {name!r}; there are {', '.join(FAULTS)}")
    return _read_object(kind, fields, where)


def _read_object(kind: Any, data: object, where: str) -> Any:
    fields, types = _object(data, where), get_type_hints(kind)
    known = {field.name: field for field in attrs.fields(kind)}
    for name in fields:
        if name not in known:
            raise PlanError(f"{where}.{name}", f"there is no field {name!r}; there are {', '.join(known)}")
    for name, field in known.items():
        if field.default is attrs.NOTHING and name not in fields:
            raise PlanError(f"{where}.{name}", "it is missing")
    read = {name: _read(types[name], value, f"{where}.{name}") for name, value in fields.items()}
    try:
        return kind(**read)
    except (ValueError, TypeError) as error:
        at = next((f"{where}.{name}" for name in read if f"'{name}'" in str(error)), where)
        raise PlanError(at, str(error.args[0] if error.args else error)) from error


def _object(data: object, where: str) -> dict[str, object]:
    if not isinstance(data, Mapping):
        raise PlanError(where, f"{data!r} is no object")
    return dict(cast("Mapping[str, object]", data))


def _name(kind: Any) -> str:
    names = {float: "a number", int: "a whole number", str: "a text", bool: "true or false", NoneType: "null"}
    return names.get(kind) or getattr(kind, "__name__", str(kind))
