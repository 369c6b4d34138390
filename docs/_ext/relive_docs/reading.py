"""What is written in our sources and is gone when they run: comments, docstrings of attributes, lines.

Everything here reads files; nothing is imported for it. So what the documentation shows of a table is what somebody who
opens the file sees, in the same groups.
"""

from __future__ import annotations

import ast
import inspect
import io
import tokenize
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Final, TypeAlias, cast

import attrs

ROOT: Final = Path(__file__).resolve().parents[3]
"The repository."

Assignment: TypeAlias = ast.Assign | ast.AnnAssign


@attrs.frozen
class Source:
    """A file of ours, taken apart."""

    lines: tuple[str, ...]
    tree: ast.Module
    comments: dict[int, str]
    "By line, without the number sign."

    def alone(self, line: int) -> bool:
        """Whether this line is a comment and nothing else."""
        return line in self.comments and self.lines[line - 1].lstrip().startswith("#")


@lru_cache(maxsize=256)
def source(path: Path) -> Source:
    """Read a file."""
    text = path.read_text("utf-8")
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = {token.start[0]: token.string[1:] for token in tokens if token.type == tokenize.COMMENT}
    return Source(tuple(text.splitlines()), ast.parse(text), comments)


def source_of(thing: ModuleType | type) -> Source:
    """The file that this comes from."""
    return source(Path(cast("str", inspect.getsourcefile(thing))))


def assignments(body: list[ast.stmt]) -> Iterator[tuple[str, Assignment]]:
    """Names that are given a value here, and where."""
    for node in body:
        match node:
            case ast.Assign(targets=[ast.Name(name)]) | ast.AnnAssign(target=ast.Name(name)):
                yield name, node
            case _:
                pass


def assignment(module: ModuleType, name: str) -> Assignment:
    """Where this module gives the name its value."""
    return next(node for found, node in assignments(source_of(module).tree.body) if found == name)


def remarks(module: ModuleType) -> dict[str, str]:
    """What stands behind the assignments of a module, on their last line: ``IDLE: Final = "IDLE"  # nothing yet``."""
    read = source_of(module)
    found = assignments(read.tree.body)
    return {
        name: read.comments[node.end_lineno].strip()
        for name, node in found
        if node.end_lineno is not None and node.end_lineno in read.comments
    }


def choices(module: ModuleType, name: str) -> dict[str, str]:
    """The words of a ``Literal``, each with the comment behind it."""
    read = source_of(module)
    words = [node for node in ast.walk(assignment(module, name)) if isinstance(node, ast.Constant)]
    return {str(word.value): read.comments.get(word.lineno, "").strip() for word in words}


@attrs.frozen
class Group:
    """Things that stand together, and the comment above them."""

    comment: str
    items: tuple[ast.AST, ...]

    @property
    def title(self) -> str:
        """The comment up to its first colon or full stop."""
        ends = [end for end in (self.comment.find(": "), self.comment.find(". ")) if end > 0]
        return self.comment[: min(ends, default=len(self.comment))].rstrip(".")

    @property
    def text(self) -> str:
        """The rest of it."""
        rest = self.comment[len(self.title) :].lstrip(".: ")
        return rest[:1].upper() + rest[1:]


def grouped(read: Source, items: list[ast.AST], begin: int) -> tuple[Group, ...]:
    """Gather things by the comments above them that follow an empty line, or the line where all of it begins.

    Any other comment is a note on the thing below it, and one that is indented by more than a space a heading over
    columns: both are left out.
    """
    groups: list[tuple[str, list[ast.AST]]] = [("", [])]
    line = begin
    for item in items:
        first, last = _lines(item)
        above = [number for number in range(line + 1, first) if read.alone(number)]
        heads = [number for number in above if not read.comments[number].startswith("  ")]
        if heads and (line == begin or not read.lines[heads[0] - 2].strip()):
            groups.append((" ".join(read.comments[number].strip() for number in heads), []))
        groups[-1][1].append(item)
        line = last
    return tuple(Group(comment, tuple(items)) for comment, items in groups if items)


def _lines(item: ast.AST) -> tuple[int, int]:
    node = cast("ast.expr | ast.stmt", item)
    return node.lineno, node.end_lineno or node.lineno


def grouped_rows(module: ModuleType, name: str) -> tuple[Group, ...]:
    """The elements of a tuple that a module assigns, in its groups."""
    node = assignment(module, name)
    rows = cast("ast.Tuple", node.value)
    return grouped(source_of(module), [*rows.elts], node.lineno)


def grouped_fields(kind: type) -> tuple[Group, ...]:
    """The fields of a class, in its groups."""
    node = class_node(kind)
    return grouped(source_of(kind), [field for _, field in assignments(node.body)], node.body[0].end_lineno or 0)


def class_node(kind: type) -> ast.ClassDef:
    """Where this class is defined."""
    nodes = ast.walk(source_of(kind).tree)
    return next(node for node in nodes if isinstance(node, ast.ClassDef) and node.name == kind.__name__)


def field_docs(kind: type) -> dict[str, str]:
    """The docstring below each field of a class, on one line; empty if there is none."""
    body = class_node(kind).body
    found = {name: "" for name, _ in assignments(body)}
    for before, after in pairwise(body):
        match before, after:
            case (
                ast.Assign(targets=[ast.Name(name)]) | ast.AnnAssign(target=ast.Name(name)),
                ast.Expr(ast.Constant(str(text))),
            ):
                found[name] = " ".join(text.split())
            case _:
                pass
    return found


def summary(thing: object) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())


def place(thing: object) -> str:
    """Where a function or class is defined, as the target of a link: ``source:src/relive/x.py#L7``."""
    path = Path(cast("str", inspect.getsourcefile(cast("type", thing))))
    return target(path, inspect.getsourcelines(cast("type", thing))[1])


def target(path: Path, line: int = 0) -> str:
    """A line of a file of the repository, as the target of a link."""
    at = f"#L{line}" if line else ""
    return f"source:{path.resolve().relative_to(ROOT).as_posix()}{at}"
