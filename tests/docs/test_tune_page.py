"""The page on tuning says of each policy what it is, and of each setting what its default is."""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs
import pytest
from tests.docs.blocks import DOCS

import relive

profiles = pytest.importorskip("docs.examples.profiles", reason="the docs are not here", exc_type=ImportError)
PAGE = (DOCS / "how-to" / "tune.md").read_text("utf-8")
SECTIONS = {"Telephone calls": "PHONE", "An app on a mobile network": "MOBILE", "A kiosk": "KIOSK"}
WORDS = {"None": None, "never": None, "a day": 86_400.0}
VALUE = re.compile(r"None|never|a day|\d[\d.,]*\d|\d")


def values(cell: str, *, unit: float) -> list[float | None]:
    return [WORDS[word] if word in WORDS else float(word.replace(",", "")) * unit for word in VALUE.findall(cell)]


def rows(section: str) -> Iterator[tuple[str, float | None, float | None]]:
    """Name, value and default of each setting in the table of a section."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    for first, second in re.findall(r"^\| (`.*?) \| (.*?) \|", text, re.MULTILINE):
        unit = 1024.0**2 if "MiB" in first else 1.0
        names, given = re.findall(r"`(\w+)`", first), values(re.sub("`.*?`", "", first), unit=unit)
        defaults = values(second, unit=unit)
        given, defaults = (found * len(names) if len(found) == 1 else found for found in (given, defaults))
        if len(given) < len(names):  # the last of them is that of those before it, too
            given += given[-1:] * (len(names) - len(given))
        yield from zip(names, given, defaults, strict=True)


@pytest.mark.parametrize("section", SECTIONS)
def test_each_table_has_every_setting_of_its_policy_and_its_default(section: str) -> None:
    policy, default = getattr(profiles, SECTIONS[section]), relive.Policy()
    changed = {
        field.name: (getattr(policy, field.name), getattr(default, field.name))
        for field in attrs.fields(relive.Policy)
        if getattr(policy, field.name) != getattr(default, field.name)
    }
    assert {name: (value, was) for name, value, was in rows(section)} == changed
