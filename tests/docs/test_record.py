"""The recording of the demo in the README is that of the demo, and holds nothing that it should not."""

from __future__ import annotations

import re
import sys
from xml.etree import ElementTree as ET

import pytest
from tests.canaries import HANDLE
from tests.docs import record

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def written() -> str:
    return record.record()


def words(svg: str) -> list[str]:
    """What can be read in a picture, piece by piece."""
    root = ET.fromstring(svg)  # noqa: S314 - our own words
    texts = [element.text or "" for element in root.iter() if element.tag.endswith("}text")]
    return [text.replace("\u00a0", " ").strip() for text in texts]


def without_times(svg: str) -> list[str]:
    return [re.sub(r"\d+", "", text) for text in words(svg)]


@pytest.mark.parametrize("name", record.THEMES)
def test_the_committed_recording_is_that_of_the_demo(written: str, name: str) -> None:
    made, committed = record.pictures(written)[name], (record.PICTURES / name).read_text("utf-8")
    if sys.version_info[:2] == (3, 11):
        assert made == committed, "python -m tests.docs.record renews it"
    else:  # what happens is the same on every Python, its times need not be
        assert [re.sub(r"\d+", "", text) for text in words(made)] == [
            re.sub(r"\d+", "", text) for text in words(committed)
        ]


@pytest.mark.parametrize("name", record.THEMES)
def test_it_needs_nothing_from_elsewhere_and_tells_no_secret(name: str) -> None:
    svg = (record.PICTURES / name).read_text("utf-8")
    assert re.findall(r"(?:https?:)?//[^\"\s]+", svg) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"@import|@font-face|<script|<image|<foreignObject", svg)
    assert not HANDLE.search(svg)
    assert "/home" not in svg
    assert "Nothing was lost." in words(svg)


def test_no_line_is_longer_than_the_picture_is_wide(written: str) -> None:
    plain = [re.sub("\x1b\\[[0-9;]*m", "", line) for line in record.shown(written)]
    assert max(map(len, plain)) <= record.WIDTH
    assert {"DRAINING", "WAITING", "HANDLE_EXPIRED"} < {word for line in plain for word in line.split()}
