"""The forms that a table can be shown in, by name: ``f"{TABLE:mermaid}"``.

The core draws nothing and knows nobody who does: whoever can enters it here. `relive` does, for `relive.diagrams`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from relive.errors import SettingError

FORMS: Final[dict[str, Callable[[Any], str]]] = {}
"What makes a text of a table, by the name of the form."


def shown(table: object, form: str) -> str:
    """A table in this form; without one, as ``str()`` says it.

    Raises:
        SettingError: there is no such form.
    """
    if not form:
        return str(table)
    if form not in FORMS:
        raise SettingError("the form", form, f"one of {', '.join(sorted(FORMS))}")
    return FORMS[form](table)
