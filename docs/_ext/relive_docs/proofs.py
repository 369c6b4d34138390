"""Which promises are proven where: read off the tests and the checkers, without importing them.

Three things prove a promise, and each says itself which ones: a *check* of `tests/promises`, asked after every step of
a walk over every reachable situation of the core; a *checker* of the simulations, asked of every history; a *test*. A
check and a checker begin their docstring with ``P6 P7:``. A test says it by a mark (``@pytest.mark.promise(24)``), in
its own docstring, or in that of its module, which then speaks for all tests in it that name none themselves.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, TypeAlias

import attrs

from relive_docs.markdown import code
from relive_docs.reading import ROOT, source, target

Kind: TypeAlias = Literal["check", "checker", "test"]

LAST: Final = 24
"Number of the last promise."
PAGE: Final = ROOT / "docs" / "reference" / "promises.md"
"Where the promises are worded."
_CITED: Final = re.compile(r"\bP(\d+)(?:[–-]P(\d+))?\b")
_SPAN: Final = re.compile(r"\bP\d+[–-]P\d+\b")
_CHECKERS: Final = "src/relive/testing/simulation"
_TOLD: Final[dict[Kind, str]] = {
    "check": "in every reachable situation of the core",
    "checker": "in every simulation",
    "test": "in tests",
}


@attrs.frozen
class Proof:
    """Something that fails if a promise is not kept."""

    kind: Kind
    path: Path
    line: int
    name: str

    @property
    def fact(self) -> str:
        """Its name, read as a sentence."""
        return self.name.removeprefix("test_").replace("_", " ")


def cited(text: str | None) -> frozenset[int]:
    """Numbers of the promises that a text names: ``P6``, ``P7, P9``, ``P1–P5``."""
    spans = [(int(first), int(last or first)) for first, last in _CITED.findall(text or "")]
    return frozenset(number for first, last in spans for number in range(first, last + 1) if 1 <= number <= LAST)


@lru_cache
def proofs() -> dict[int, tuple[Proof, ...]]:
    """Everything that proves something, by the number of the promise."""
    found: dict[int, list[Proof]] = {number: [] for number in range(1, LAST + 1)}
    for path in sorted((ROOT / _CHECKERS).glob("checks*.py")):
        _add(found, found_in(path, "checker"))
    for path in sorted((ROOT / "tests").rglob("*.py")):
        _add(found, found_in(path, "check" if path.parent.name == "promises" else "test"))
    return {number: tuple(proven) for number, proven in found.items()}


def _add(found: dict[int, list[Proof]], more: Iterator[tuple[frozenset[int], Proof]]) -> None:
    for numbers, proof in more:
        for number in numbers:
            found[number].append(proof)


def found_in(path: Path, kind: Kind) -> Iterator[tuple[frozenset[int], Proof]]:
    """Functions of a file that prove something, and what."""
    read = source(path)
    # A span, P1–P23, is the subject of a module and no claim of each of its tests.
    whole = cited(_SPAN.sub("", ast.get_docstring(read.tree) or ""))
    for node in ast.walk(read.tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        test = path.name.startswith("test_") and node.name.startswith("test_")
        own = cited(ast.get_docstring(node))
        if test:
            numbers = frozenset(number for mark in node.decorator_list for number in _marked(mark)) or own or whole
            yield numbers, Proof("test", path, node.lineno, node.name)
        elif kind != "test" and (ast.get_docstring(node) or "").startswith("P") and _is_asked(node, kind):
            yield own, Proof(kind, path, node.lineno, node.name)


def _is_asked(node: ast.FunctionDef | ast.AsyncFunctionDef, kind: Kind) -> bool:
    """A check is entered by its decorator; a checker yields violations."""
    if kind == "check":
        return any(ast.unparse(each).startswith("promise(") for each in node.decorator_list)
    return "Violation" in ast.unparse(node.returns or ast.Constant(None))


def _marked(decorator: ast.expr) -> Iterator[int]:
    """The numbers in ``pytest.mark.promise(…)``."""
    match decorator:
        case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="mark"), attr="promise"), args=args):
            yield from (arg.value for arg in args if isinstance(arg, ast.Constant) and isinstance(arg.value, int))
        case _:
            pass


def worded() -> dict[int, str]:
    """The promises, as their page words them: from the heading ``P6`` to where its proofs are asked for."""
    parts = re.split(r"^### (?=P\d+\b)", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]
    return {
        int(part[1:].split()[0].rstrip(":.")): part.partition("\n")[2].partition("```{")[0].strip() for part in parts
    }


def proven(number: str) -> str:
    """What proves a promise, as a list that can be unfolded."""
    found = proofs()[int(number)]
    counts = [(sum(proof.kind == kind for proof in found), told) for kind, told in _TOLD.items()]
    said = ", ".join(f"{count} {told}" for count, told in counts if count)
    lines = [f"<details><summary>Held to it: {said}</summary>\n"]
    for kind, told in _TOLD.items():
        of_kind = [proof for proof in found if proof.kind == kind]
        if of_kind:
            lines.append(f"\n{told[:1].upper()}{told[1:]}:\n")
            lines += [
                f"- [{proof.fact}]({target(proof.path, proof.line)}), {code(_short(proof.path))}" for proof in of_kind
            ]
    return "\n".join([*lines, "", "</details>", ""])


def _short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix().removeprefix("src/relive/")
