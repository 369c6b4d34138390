"""Policies and counts, rendered from the fields of their classes."""

from __future__ import annotations

import ast
from typing import Final, cast

import attrs

from relive.core.policy import Policy
from relive.ports import Stats
from relive_docs.markdown import code, heading, table
from relive_docs.reading import field_docs, grouped_fields

_MIB: Final = 1024 * 1024


def policy() -> str:
    """Every setting with its unit, its default and what it may be, in the groups of the source."""
    docs, fields = field_docs(Policy), attrs.fields_dict(Policy)
    found = ""
    for group in grouped_fields(Policy):
        names = [cast("ast.Name", cast("ast.AnnAssign", item).target).id for item in group.items]
        found += heading(2, group.title) + (f"{group.text}\n\n" if group.text else "")
        rows = [[code(name), _default(fields[name]), _may_be(fields[name]), docs[name]] for name in names]
        found += table(["setting", "default", "may be", "meaning"], rows)
    return found


def _may_be(field: attrs.Attribute[object]) -> str:
    return str(field.metadata["may_be"])


def _default(field: attrs.Attribute[object]) -> str:
    """As one would write it, with its unit; what is a number of MiB, in words."""
    value, unit = field.default, str(field.metadata["unit"])
    if unit == "bytes" and isinstance(value, int) and value % _MIB == 0:
        return f"{code(f'{value // _MIB} * 1024 * 1024')} bytes ({value // _MIB} MiB)"
    if value is None:
        return code(value) + (f" ({unit})" if unit else "")
    if isinstance(value, str):
        return code(repr(value))
    shown = code(f"{value:g}" if isinstance(value, float) else value)
    return f"{shown} {unit}" if unit in {"s", "bytes"} else shown


def stats() -> str:
    """Everything that a session counts."""
    docs = field_docs(Stats)
    return table(["field", "counts"], ([code(field.name), docs[field.name]] for field in attrs.fields(Stats)))
