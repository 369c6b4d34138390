"""The forms that a table can be shown in, by name: ``f"{TABLE:mermaid}"``.

The core draws nothing and imports nobody who does. A form is the name of a function, ``package.module:function``, which
is looked up when somebody asks for that form; it takes the table and the form, and returns a text. An embedder may add
some.
"""

from __future__ import annotations

from pkgutil import resolve_name
from typing import Final

from relive.errors import SettingError

FORMS: Final[dict[str, str]] = dict.fromkeys(("mermaid", "dot", "svg", "matrix"), "relive.diagrams:shown")
"Who draws, by the name of the form."


def shown(table: object, form: str) -> str:
    """A table in this form; without one, as ``str()`` says it.

    Raises:
        SettingError: there is no such form.
    """
    if not form:
        return str(table)
    if form not in FORMS:
        raise SettingError("the form", form, f"one of {', '.join(sorted(FORMS))}")
    return str(resolve_name(FORMS[form])(table, form))
