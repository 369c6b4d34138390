"""The machine, rendered from its table: states, rows, names, guards, actions, pictures, the matrix."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from relive.core import table as module
from relive.core.actions import ACTIONS
from relive.core.guards import GUARDS
from relive.core.schema import STAY, Row
from relive.core.table import TABLE
from relive.diagrams import draw, of_table
from relive_docs.markdown import code, codes, heading, hint, in_both_themes, sentence, table
from relive_docs.reading import assignments, grouped_rows, place, remarks, source_of, summary

_SHORT: Final = str.maketrans({"'": None, '"': None})


def states() -> str:
    """Every state: what it means, and what each event leads to in it."""
    meant = remarks(module)
    kinds = {TABLE.initial: "initial", **dict.fromkeys(TABLE.final, "final")}
    rows = [
        [f"[{code(state)}](#{state.lower().replace('_', '-')})", sentence(meant[state]), kinds.get(state, "")]
        for state in TABLE.states
    ]
    return table(["state", "means", ""], rows)


def whole() -> str:
    """The picture of all of it, without what changes nothing."""
    return _picture("lifecycle", "The states of a session, and what leads from one to another", wide=True)


def views() -> str:
    """A picture for each state, of what can happen there."""
    meant = remarks(module)
    return "".join(
        heading(2, state)
        + f"{sentence(meant[state])}\n\n"
        + _picture(f"states/{state}", f"What can happen in {state}, and what follows")
        for state in TABLE.states
    )


def _picture(stem: str, told: str, *, wide: bool = False) -> str:
    return in_both_themes(f"/../diagrams/{stem}.svg", f"/../diagrams/{stem}-dark.svg", told, wide=wide)


def matrix() -> str:
    """What each state makes of each event."""
    return draw(of_table(TABLE), "matrix")


def names() -> str:
    """Names that the table has for several states, or several facts."""
    meant = remarks(module)
    found = [
        [code(name), codes(_called(member) for member in members), sentence(meant.get(name, ""))]
        for name, members in _groups().items()
    ]
    return table(["name", "stands for", "because"], found)


def rows() -> str:
    """The rows, in the groups of the source."""
    found = iter(TABLE.rows)
    return "".join(
        heading(3, group.title)
        + (f"{group.text}\n\n" if group.text else "")
        + table(
            ["in", "on", "go to", "when", "and"], [_row(cast("ast.Call", item), next(found)) for item in group.items]
        )
        for group in grouped_rows(module, "ROWS")
    )


def _row(written: ast.Call, row: Row[Any, Any, Any]) -> list[str]:
    """A row: what it names, as it is written; what it does, as it is."""
    source, on = (_written(argument) for argument in written.args[:2])
    told = {name: ", ".join(map(_called, members)) for name, members in _groups().items()}
    return [
        hint(source, told.get(source, "")),
        hint(on, told.get(on, "")),
        "stays" if row.dest == STAY else code(row.dest),
        hint(row.when, summary(GUARDS[row.when])) if row.when else "",
        ", ".join(hint(name, summary(ACTIONS[name])) for name in row.do),
    ]


def _written(node: ast.expr) -> str:
    """As in the source, less the noise: ``GoAwayReceived``, ``at(drain)``, ``LIVE``."""
    return ast.unparse(node).removeprefix("ev.").translate(_SHORT)


def _called(member: object) -> str:
    name = getattr(member, "name", None)
    return f"at({name})" if name is not None else str(getattr(member, "__name__", member))


def _groups() -> dict[str, tuple[object, ...]]:
    """Tuples that the module names for its rows."""
    found: dict[str, tuple[object, ...]] = {}
    for name, _ in assignments(source_of(module).tree.body):
        value: object = getattr(module, name)
        if isinstance(value, tuple) and name.isupper() and name not in {"ROWS", "TABLE"} and name[0] != "_":
            found[name] = cast("tuple[object, ...]", value)
    return found


def guards() -> str:
    """Questions that rows ask."""
    return table(["guard", "asks"], _functions(GUARDS))


def actions() -> str:
    """What rows do."""
    return table(["action", "does"], _functions(ACTIONS))


def _functions(functions: Mapping[Any, Any]) -> Iterator[list[str]]:
    for name, function in functions.items():
        yield [f"[{code(name)}]({place(function)})", summary(function)]
