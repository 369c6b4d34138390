"""Extras: whoever lacks one is told which, and how to get it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from tests.cli.processes import run

from relive.extras import EXTRAS, extra, missing

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


@pytest.mark.parametrize(
    ("statement", "lacks", "who", "name"),
    [
        ("import relive.testing.strategies", "hypothesis", "relive.testing.strategies", "testing"),
        ("import relive.testing.stateful", "hypothesis", "relive.testing.stateful", "testing"),
        (
            "from relive import testing; testing.TlsHost(testing.FakeLiveServer())",
            "trustme",
            "TlsHost",
            "testing",
        ),
        ("from relive import stores; stores.open('redis://host')", "redis", "relive.stores.redis", "redis"),
        ("import relive.stores.sealed", "cryptography", "relive.stores.sealed", "sealed"),
        ("import relive.telemetry.opentelemetry", "opentelemetry", "relive.telemetry.opentelemetry", "opentelemetry"),
    ],
)
def test_an_import_that_fails_says_which_extra_to_install(statement: str, lacks: str, who: str, name: str) -> None:
    ended = run("-c", f"import sys; sys.modules[{lacks!r}] = None; {statement}")
    assert ended.code == 1
    said = f"relive.errors.MissingExtra: {who} needs {lacks}: install the extra with  pip install 'relive[{name}]'"
    assert ended.err.splitlines()[-1] == said


def test_the_modules_of_an_extra_are_those_of_the_project_file() -> None:
    declared = tomllib.loads(PROJECT.read_text("utf-8"))["project"]["optional-dependencies"]
    for name, modules in EXTRAS.items():
        packages = [re.split(r"[^\w-]", requirement, maxsplit=1)[0] for requirement in declared[name]]
        assert sorted(package.removesuffix("-api").replace("-", "_") for package in packages) == sorted(modules)
        assert missing(name) == []


def test_another_import_that_fails_is_left_as_it_is() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'no_such_module'$"), extra("testing", "somebody"):
        import no_such_module  # noqa: F401 # pyright: ignore[reportMissingImports]
