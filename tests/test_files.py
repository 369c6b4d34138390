"""The files themselves: short enough to be read, and free of what belongs to one machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import relive

ROOT = Path(__file__).parents[1]
# Against an installed wheel there is no src; the package is then wherever it was imported from.
PACKAGE = ROOT / "src" if (ROOT / "src").is_dir() else Path(relive.__file__).parent

LONGEST = 400
TEXT = {
    "",
    ".cfg",
    ".css",
    ".dot",
    ".html",
    ".ini",
    ".js",
    ".json",
    ".md",
    ".mmd",
    ".py",
    ".pyi",
    ".rst",
    ".toml",
    ".txt",
    ".yaml",
    ".yml",
}
MADE = {"__pycache__", "build", "dist", "htmlcov", "node_modules"}
# Dotfiles and dot-directories that belong to the repository; any other is somebody's tool or environment.
OUR_DOTS = {".ci", ".editorconfig", ".gitattributes", ".gitignore"}

# Written with a character class in place of one letter, so that the list does not find itself.
FORBIDDEN = {
    "an index host": r"p[y]pi\.org|p[y]thonhosted|d[e]b\.debian\.org|registry\.n[p]mjs|n[p]m\.pkg\.|crates\.i[o]\b",
    "an index option": r"(--|\b)(extra-)?i[n]dex-url\b|\bf[i]nd-links\b|\btrusted-h[o]st\b",
    "a path of one machine": r"(?<![\w.~])/(w[o]rk|r[o]ot|h[o]me|t[m]p|Us[e]rs)/(?!\W)",
    "an installation from a path": r"(?m)^-e\s|@ f[i]le:",
    "a key": r"\bA[I]za[\w-]{30}|\bs[k]-[A-Za-z0-9]{20}",
    "a merge left open": r"(?m)^(<{7}|>{7}|={7})( |$)",
}


def texts() -> Iterator[Path]:
    """Every text file that belongs to the repository."""
    todo = [ROOT]
    while todo:
        for path in sorted(todo.pop().iterdir()):
            if path.name in MADE or path.name.endswith(".egg-info"):
                continue
            if path.name.startswith(".") and path.name not in OUR_DOTS:
                continue
            if path.is_dir():
                todo.append(path)
            elif path.suffix in TEXT:
                yield path


def test_no_file_of_source_or_tests_is_longer_than_can_be_read_in_one_go() -> None:
    kinds = ("*.py", "*.js", "*.css", "*.html")
    files = [*(path for kind in kinds for path in PACKAGE.rglob(kind)), *(ROOT / "tests").rglob("*.py")]
    assert len(files) > 1
    lines = {str(path): len(path.read_text("utf-8").splitlines()) for path in files}
    assert {path: count for path, count in lines.items() if count > LONGEST} == {}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    found = {
        f"{path.relative_to(ROOT)}: {match.group().strip()}"
        for path in texts()
        for match in pattern.finditer(path.read_text("utf-8"))
    }
    assert found == set()


@pytest.mark.parametrize(
    ("what", "sample"),
    [
        ("an index host", "https://" + "pypi" + ".org/simple"),
        ("an index option", "--extra-" + "index" + "-url=x"),
        ("a path of one machine", "see /" + "work/main"),
        ("an installation from a path", "relive @ " + "file:relive"),
        ("a key", "AI" + "za" + "x" * 35),
        ("a merge left open", "<" * 7 + " ours"),
    ],
)
def test_the_search_would_find(what: str, sample: str) -> None:
    assert re.search(FORBIDDEN[what], sample)


def test_every_constraint_is_one_exact_version() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins
    assert [line for line in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line)] == []


@pytest.mark.parametrize("name", ["demo", "test"])
def test_the_readme_has_each_marked_command_on_one_line(name: str) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert len(re.findall(rf"^<!-- {name}-command -->\n```sh\n[^\n`]+\n```$", readme, re.MULTILINE)) == 1
