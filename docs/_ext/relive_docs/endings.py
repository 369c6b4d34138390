"""How connections end, and what relive raises, rendered from the table of causes and the tree of errors."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Final

import relive
from relive import errors as module
from relive.core import closes
from relive.core.closes import CAUSES, Cause
from relive_docs.markdown import code, codes, heading, sentence, table
from relive_docs.reading import choices, grouped_rows, summary

SURE: Final = {"H": "high", "M": "medium", "L": "low", "": "our choice"}
BRANCH: Final = re.compile(r"^ *[│├└─ ]*(\w+) {2,}(.+)$", re.MULTILINE)


def causes() -> str:
    """Every row, in the groups of the source; it is read from the top, and the first that fits decides."""
    found, shown = iter(CAUSES), ""
    for group in grouped_rows(closes, "CAUSES"):
        shown += heading(3, group.title) + (f"{group.text}\n\n" if group.text else "")
        rows = [_cause(next(found)) for _ in group.items]
        shown += table(["what happened", "code", "reason begins with", "if", "then", "known"], rows)
    return shown


def _cause(row: Cause) -> list[str]:
    sure = " to ".join(SURE[level] for level in reversed(row.sure.split("-")))
    happened = sentence(row.happened)
    return [
        f"{happened} {row.advice}".strip(),
        ", ".join("none" if each is None else code(each) for each in row.codes) or "any",
        codes(row.reasons) or "anything",
        ", ".join(_conditions(row)),
        code(row.judgement),
        sure,
    ]


def _conditions(row: Cause) -> Iterator[str]:
    """When a row is asked at all."""
    if row.statuses:
        yield "HTTP " + ", ".join(
            str(each.start) if len(each) == 1 else f"{each.start}–{each.stop - 1}" for each in row.statuses
        )
    if row.origins:
        yield " or ".join(row.origins)
    if row.phases:
        yield " or ".join(row.phases)
    for name in ("resuming", "compressed", "young"):
        value = getattr(row, name)
        if value is not None:
            yield name if value else f"not {name}"


def judgements() -> str:
    """What can follow from an end."""
    rows = [[code(word), sentence(told)] for word, told in choices(closes, "Judgement").items()]
    return table(["judgement", "means"], rows)


def errors() -> tuple[type[Exception], ...]:
    """Every error, parents first, in the order of the source."""
    found = [kind for kind in vars(module).values() if inspect.isclass(kind) and issubclass(kind, Exception)]
    return tuple(kind for kind in found if kind.__module__ == module.__name__)


def public_name(kind: type) -> str:
    """What an error is to be called by whoever catches it."""
    return f"relive.{kind.__name__}" if kind.__name__ in relive.__all__ else f"{kind.__module__}.{kind.__name__}"


def in_order(root: type[Exception] = module.ReliveError) -> Iterator[type[Exception]]:
    """The tree, each error followed by those below it."""
    yield root
    for kind in errors():
        if kind.__bases__[0] is root:
            yield from in_order(kind)


def error_tree() -> str:
    """The tree as a list: whose fault each error is, and which of Python's it is as well."""
    told = dict(BRANCH.findall(module.__doc__ or ""))
    lines = [
        f"{'  ' * (kind.__mro__.index(module.ReliveError))}- "
        f"[{code(kind.__name__)}](#{public_name(kind)}): {told.get(kind.__name__, summary(kind))}"
        for kind in in_order()
    ]
    return "\n".join(lines) + "\n\n"


def error_classes() -> str:
    """Each error with its fields."""
    entries = [f".. autoexception:: {public_name(kind)}\n   :members:\n   :show-inheritance:\n" for kind in errors()]
    return "```{eval-rst}\n" + "\n".join(entries) + "```\n"
