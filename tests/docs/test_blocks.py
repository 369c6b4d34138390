"""The code on the pages stands, word for word, in files that are run; and every such file is on a page."""

from __future__ import annotations

import textwrap
import tomllib
from pathlib import Path

import pytest
from tests.docs.blocks import DOCS, PAGES, ROOT, blocks


def is_part_of(block: str, text: str) -> bool:
    """Whether these lines follow each other in that text, whatever the first is indented by."""
    lines, wanted = text.splitlines(), block.splitlines()
    windows = ("\n".join(lines[start : start + len(wanted)]) for start in range(len(lines)))
    return any(textwrap.dedent(window).rstrip() == block.rstrip() for window in windows)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_all_code_is_part_of_a_file(page: Path) -> None:
    for block in blocks(page):
        if block.language in ("python", "json"):
            assert block.kind == "file", f"there is no <!-- file: … --> above this code:\n{block.text}"
            text = (ROOT / block.of).read_text("utf-8")
            assert is_part_of(block.text, text), f"{block.of} has not:\n{block.text}"


def test_a_block_that_differs_in_a_word_is_no_part() -> None:
    text = "def f():\n    if x:\n        return 1\n    return 2\n"
    assert is_part_of("if x:\n    return 1\n", text)
    assert not is_part_of("if y:\n    return 1\n", text)
    assert not is_part_of("if x:\n    return 2\n", text)


@pytest.mark.parametrize("file", sorted((DOCS / "examples").rglob("*.py")), ids=lambda file: file.name)
def test_every_example_is_on_a_page(file: Path) -> None:
    name = file.relative_to(DOCS).as_posix()
    assert any(name in page.read_text("utf-8") for page in DOCS.rglob("*.md"))


def test_every_test_among_the_examples_is_run() -> None:
    paths = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["testpaths"]
    elsewhere = "".join(path.read_text("utf-8") for path in (ROOT / "tests" / "examples").glob("*.py"))
    for test in (DOCS / "examples").rglob("test_*.py"):
        listed = any(test.is_relative_to(ROOT / path) for path in paths)
        assert listed or f"docs.examples.{test.stem}" in elsewhere, test.name
