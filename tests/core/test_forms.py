"""A table says itself in any form that somebody has entered, by the name of the form."""

from __future__ import annotations

import subprocess
import sys

import pytest

from relive.core.forms import FORMS
from relive.core.lifecycle import Lifecycle
from relive.core.table import TABLE
from relive.errors import SettingError


def test_a_table_and_a_lifecycle_take_the_form_as_a_format() -> None:
    assert f"{TABLE:mermaid}".startswith("stateDiagram-v2\n")
    assert f"{Lifecycle():mermaid}" == f"{TABLE:mermaid}"
    assert f"{TABLE:dot}".startswith("digraph {")
    assert f"{TABLE:svg}".startswith("<svg ")
    assert f"{TABLE:matrix}".startswith("| event |")


def test_without_a_form_they_say_what_they_say_to_str() -> None:
    lifecycle = Lifecycle()
    assert f"{TABLE}" == str(TABLE)
    assert f"{lifecycle}" == str(lifecycle)


def test_a_form_that_nobody_entered_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SettingError, match=r"the form is 'png'.*dot, matrix, mermaid, svg"):
        f"{TABLE:png}"
    assert set(FORMS) == {"dot", "matrix", "mermaid", "svg"}


def test_nothing_is_drawn_before_it_is_asked_for() -> None:
    program = "import sys, relive.core.lifecycle; sys.exit('relive.diagrams' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


def reversed_name(table: object, form: str) -> str:
    return f"{form} of {type(table).__name__}"


def test_an_embedder_may_add_a_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMS, "name", "tests.core.test_forms:reversed_name")
    assert f"{TABLE:name}" == "name of Table"
