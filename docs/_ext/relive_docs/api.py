"""The API, from docstrings: which of Sphinx's directives documents what, and where a name in a docstring leads."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from importlib import import_module
from typing import Final, cast, get_args

import attrs

import relive
from relive.core import effects as do, events as ev
from relive.testing.simulation.faults import FAULTS

_ALIAS: Final = re.compile(r"TypeAliasForwardRef\('([\w.]+)'\)")
_DEFAULT: Final = re.compile(r"attr_dict\['(\w+)'\]\.default")
_SHOWN: Final = 30
"Letters of a default that are shown at most."
_LONG: Final = 12
"Fields from which on a signature tells nobody anything: they are listed below it anyway."


def members(home: str, *names: str) -> str:
    """These names of a module, in this order; without any, all that are public, classes and functions apart."""
    module = import_module(home)
    entries = "\n".join(_entry(home, name, getattr(module, name)) for name in names or public(home))
    return f"```{{eval-rst}}\n.. py:currentmodule:: {home}\n\n{entries}```\n"


def about(home: str) -> str:
    """What a module says of itself."""
    return f"```{{eval-rst}}\n.. automodule:: {home}\n   :no-members:\n```\n"


def facts() -> str:
    """Everything that can be told to the machine."""
    return members("relive.core.events", *(kind.__name__ for kind in get_args(ev.Event)))


def orders() -> str:
    """Everything that the machine can order."""
    return members("relive.core.effects", *(kind.__name__ for kind in get_args(do.Effect)))


def faults() -> str:
    """Everything that a plan can have go wrong."""
    return members("relive.testing.simulation.faults", *FAULTS)


def public(home: str) -> tuple[str, ...]:
    """What a module says is public: functions first, then classes, then errors, then values."""
    module = import_module(home)
    kinds = ("function", "class", "exception", "data")
    return tuple(sorted(module.__all__, key=lambda name: (kinds.index(kind_of(getattr(module, name))), name)))


def kind_of(thing: object) -> str:
    """What a thing is to Sphinx's directives."""
    if inspect.isclass(thing):
        return "exception" if issubclass(thing, Exception) else "class"
    return "function" if inspect.isroutine(thing) else "data"


def _entry(home: str, name: str, thing: object) -> str:
    kind = kind_of(thing)
    options = {"class": [":members:"], "exception": [":members:", ":show-inheritance:"], "data": [":no-value:"]}
    return f".. auto{kind}:: {home}.{name}\n" + "".join(f"   {each}\n" for each in options.get(kind, []))


def tidy(what: str, thing: object, arguments: str | None, returned: str | None) -> tuple[str | None, str | None]:
    """A signature as it should be shown: none where it says nothing, and names of types instead of what Python makes.

    Args:
        what: what Sphinx takes the thing for.
        thing: what is documented.
        arguments: what Sphinx has made of its arguments, brackets included,
        returned: and of what it returns.
    """
    if what in {"class", "exception"} and isinstance(thing, type) and not _says_something(thing):
        return "", ""

    def default(found: re.Match[str]) -> str:
        shown = repr(attrs.fields_dict(cast("type[attrs.AttrsInstance]", thing))[found[1]].default)
        return "..." if shown.startswith("Factory(") or len(shown) > _SHOWN else shown

    # What attrs makes anew for each object has no default that could be shown.
    named = [text and _ALIAS.sub(r"\1", text).replace("= NOTHING", "= ...") for text in (arguments, returned)]
    return named[0] and _DEFAULT.sub(default, named[0]), named[1]


def _says_something(kind: type) -> bool:
    """Whether a class is made by calling it with a handful of arguments. Protocols and sessions are not."""
    if getattr(kind, "_is_protocol", False) or kind is relive.Session:
        return False
    return not attrs.has(kind) or len(attrs.fields(kind)) < _LONG


def found(target: str, objects: Iterable[tuple[str, str]], around: Iterable[str]) -> str | None:
    """The full name of what a docstring means by `target`; None if that is nothing, or could be several things.

    Args:
        target: what it says: ``Policy.lease_wait``, ``connect``, ``state``.
        objects: full names of what is documented, each with its kind.
        around: full names of the class and the module whose docstring it is: what is in these goes first.
    """
    known = dict(objects)
    for home in around:
        if f"{home}.{target}" in known:
            return f"{home}.{target}"
    alike = [
        name
        for name, kind in known.items()
        if (name == target or name.endswith(f".{target}"))
        and ("." in target or target[:1].isupper() or kind in {"function", "module"})
    ]
    nearest = [name for name in alike if name.count(".") == min(each.count(".") for each in alike)]
    return nearest[0] if len(nearest) == 1 else None
