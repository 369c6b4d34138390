"""Pictures of a state machine, made from the machine: Mermaid, Graphviz, SVG and a matrix in Markdown.

::

    from relive.core.table import TABLE
    from relive.diagrams import draw, of_table

    print(draw(of_table(TABLE), "mermaid"))
    print(draw(of_table(TABLE).view("DRAINING"), "svg", Options(orders=True)))

``f"{TABLE:mermaid}"`` says the first in short. Any machine of the library `transitions` can be drawn as well
(`of_machine`). Nothing here needs more than relive itself.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from relive.core.schema import Table
from relive.diagrams.arrows import GUARDS, Options
from relive.diagrams.dot import dot
from relive.diagrams.matrix import matrix
from relive.diagrams.mermaid import mermaid
from relive.diagrams.model import Diagram, Edge, Rule
from relive.diagrams.reading import of_machine, of_table
from relive.diagrams.svg import svg

__all__ = ["FORMATS", "Diagram", "Edge", "Format", "Options", "Rule", "draw", "of_machine", "of_table", "shown"]

Format: TypeAlias = Literal["mermaid", "dot", "svg", "matrix"]
FORMATS: Final = {"mermaid": mermaid, "dot": dot, "svg": svg, "matrix": matrix}
"What can draw a diagram, by name."


def draw(diagram: Diagram, form: Format, options: Options = GUARDS) -> str:
    """The text of a diagram in this format."""
    return FORMATS[form](diagram, options)


def shown(table: Table[Any, Any, Any], form: Format) -> str:
    """A table in this format: what ``f"{TABLE:mermaid}"`` says (`relive.core.forms`)."""
    return draw(of_table(table), form)
