"""What relive needs only for some things: an import that fails says which extra has it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from types import MappingProxyType
from typing import Final

from relive.errors import MissingExtra

EXTRAS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({
    "cli": ("rich", "trustme", "typer"),
    "redis": ("redis",),
    "sealed": ("cryptography",),
    "opentelemetry": ("opentelemetry",),
    "testing": ("hypothesis", "pytest", "pytest_asyncio", "trustme"),
})  # fmt: skip
"The modules that each extra brings, apart from relive's own."


def missing(extra: str) -> list[str]:
    """Modules of an extra that are not installed."""
    return [name for name in EXTRAS[extra] if find_spec(name) is None]


@contextmanager
def extra(name: str, who: str) -> Generator[None]:
    """Import what an extra brings.

    Args:
        name: of the extra.
        who: imports it.

    Raises:
        MissingExtra: it is not installed; says how to.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in EXTRAS[name]:
            raise
        raise MissingExtra(who, module, extra=name) from error
