"""The public names: they exist, they are documented, and importing them costs no SDK."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import json
import subprocess
import sys

import pytest

import relive

# What `import relive` leaves alone: the SDK and what comes with it, every extra, every tool of the test kit.
HEAVY = {
    "cryptography",
    "google",
    "httpx",
    "hypothesis",
    "opentelemetry",
    "prometheus_client",
    "pydantic",
    "pytest",
    "redis",
    "rich",
    "sqlite3",
    "trustme",
    "typer",
    "websockets",
}


def modules_after(statement: str) -> set[str]:
    """Names of the modules that a fresh interpreter has only because of `statement`."""
    program = f"import json, sys; old = set(sys.modules); {statement}; print(json.dumps([*set(sys.modules) - old]))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True, timeout=60)
    return set(json.loads(answer.stdout))


def is_written(thing: object) -> bool:
    """Whether it can have a docstring of its own, as a constant or a union cannot."""
    return inspect.isclass(thing) or inspect.isroutine(thing) or inspect.ismodule(thing)


def test_importing_relive_imports_neither_the_sdk_nor_any_extra() -> None:
    loaded = modules_after("import relive")
    assert "relive" in loaded
    assert sorted(name for name in loaded if name.partition(".")[0] in HEAVY) == []


def test_importing_the_core_imports_no_event_loop() -> None:
    loaded = modules_after("import relive.core.lifecycle")
    assert sorted(loaded & {"asyncio", "socket", "ssl"}) == []


@pytest.mark.parametrize("name", ["Policy", "Session", "State", "Transition", "Verdict", "connect"])
def test_the_names_that_every_caller_needs_are_public(name: str) -> None:
    assert name in relive.__all__


def test_every_public_name_resolves() -> None:
    assert [name for name in relive.__all__ if not hasattr(relive, name) or name not in dir(relive)] == []


def test_every_public_class_and_function_is_documented() -> None:
    things = {name: getattr(relive, name) for name in relive.__all__}
    bare = [name for name, thing in things.items() if is_written(thing) and not (thing.__doc__ or "").strip()]
    assert bare == []


def test_the_public_names_are_sorted_and_listed_once() -> None:
    assert list(relive.__all__) == sorted(set(relive.__all__))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = importlib.import_module("relive").no_such_name


def test_the_version_is_the_installed_one() -> None:
    assert relive.__version__ == importlib.metadata.version("relive")
