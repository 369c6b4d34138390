"""The pictures that are committed, as files: what they are called, and which of them are stale."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from relive.diagrams.arrows import GUARDS, Options
from relive.diagrams.dot import dot
from relive.diagrams.floors import floors_mermaid, floors_svg
from relive.diagrams.matrix import matrix
from relive.diagrams.mermaid import mermaid
from relive.diagrams.model import Diagram
from relive.diagrams.svg import svg

SUFFIXES: Final = {"mermaid": ".mmd", "dot": ".dot", "svg": ".svg", "matrix": ".md"}
"Of the files of each format."
_FILE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_VIEWS: Final = "states"


def gallery(diagram: Diagram, stem: str, whole: Options = GUARDS, views: Options = GUARDS) -> dict[str, str]:
    """Path and text of every picture of a machine: the whole of it, its matrix, and one view for each state."""
    files = _pictures(diagram, stem, whole)
    files["matrix.md"] = f"# What each state makes of each event\n\n{matrix(diagram, whole)}"
    for state, name in _file_names(diagram.states):
        files |= _pictures(diagram.view(state), f"{_VIEWS}/{name}", views)
    return files


def floor_plans() -> dict[str, str]:
    """Path and text of the pictures of relive's own floors."""
    return {"floors.mmd": floors_mermaid(), "floors.svg": floors_svg("light"), "floors-dark.svg": floors_svg("dark")}


def _pictures(diagram: Diagram, stem: str, options: Options) -> dict[str, str]:
    return {
        f"{stem}.mmd": mermaid(diagram, options),
        f"{stem}.dot": dot(diagram, options),
        f"{stem}.svg": svg(diagram, options, "light"),
        f"{stem}-dark.svg": svg(diagram, options, "dark"),
    }


def view_stem(diagram: Diagram, state: str) -> str:
    """What the paths of a state's files begin with."""
    return f"{_VIEWS}/{dict(_file_names(diagram.states))[state]}"


def _file_names(states: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """States, and what their files are called: like them, unless no file can be, or two could not be told apart."""
    folded = [state.casefold() for state in states]
    for number, state in enumerate(states, 1):
        plain = _FILE.fullmatch(state) and folded.count(state.casefold()) == 1 and not state.endswith("-dark")
        yield state, state if plain else f"state-{number}"


def write(files: Mapping[str, str], folder: Path) -> None:
    """Write the files, with the line ends that they have everywhere."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8", newline="\n")


def stale(files: Mapping[str, str], folder: Path) -> list[str]:
    """Which of these files are missing from a folder, or say something else there, a sentence each."""
    said = list[str]()
    for name, text in files.items():
        path = folder / name
        if not path.is_file():
            said.append(f"missing: {path}")
        elif path.read_text("utf-8", errors="replace") != text:
            said.append(f"stale: {path}")
    return said


def left_over(files: Mapping[str, str], folder: Path) -> list[str]:
    """Which pictures lie in a folder besides these, a sentence each."""
    known = {folder / name for name in files}
    # Not what is written by hand: a folder of pictures may have a README.
    ours = set(SUFFIXES.values()) - {SUFFIXES["matrix"]}
    there = sorted(path for path in folder.rglob("*") if path.suffix in ours)
    return [f"left over: {path}: delete it" for path in there if path not in known]
