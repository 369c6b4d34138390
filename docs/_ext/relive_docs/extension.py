"""What Sphinx is told: a directive, where names in docstrings lead, and what links that leave `docs` become.

A page says ```` ```{rendered} policy ````, and gets the Markdown that the function of that name in `RENDERERS` returns.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import Any, ClassVar, Final, cast

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain
from sphinx.environment import BuildEnvironment
from sphinx.ext.napoleon import Config as NapoleonConfig
from sphinx.ext.napoleon.docstring import GoogleDocstring
from sphinx.roles import XRefRole
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

from relive_docs import api, commands, endings, links, machine, proofs, settings, sources
from relive_docs.reading import ROOT

RENDERERS: Final[dict[str, Callable[..., str]]] = {
    "about": api.about,
    "actions": machine.actions,
    "causes": endings.causes,
    "commands": commands.commands,
    "error-classes": endings.error_classes,
    "error-tree": endings.error_tree,
    "facts": api.facts,
    "faults": api.faults,
    "guards": machine.guards,
    "judgements": endings.judgements,
    "matrix": machine.matrix,
    "members": api.members,
    "names": machine.names,
    "orders": api.orders,
    "policy": settings.policy,
    "proven": proofs.proven,
    "rows": machine.rows,
    "states": machine.states,
    "stats": settings.stats,
    "views": machine.views,
    "whole": machine.whole,
}
"What a page can ask for, by name."
_NAMED: Final = "relive-name"
_STYLE: Final[Any] = NapoleonConfig(napoleon_use_rtype=False)
_WITH_SECTIONS: Final = frozenset({"class", "exception", "function", "method"})


class Rendered(SphinxDirective):
    """Put in what a renderer makes of the code: ```` ```{rendered} NAME ARGUMENT… ````."""

    required_arguments: ClassVar[int] = 1
    optional_arguments: ClassVar[int] = 99

    def run(self) -> list[nodes.Node]:
        """The nodes that its Markdown becomes."""
        name, *arguments = self.arguments
        if name not in RENDERERS:
            raise self.error(f"nothing is rendered under the name {name!r}; there are {', '.join(RENDERERS)}")
        self.env.note_reread()  # what it is made from is no file that Sphinx would look at
        return self.parse_text_to_nodes(RENDERERS[name](*arguments), allow_section_headings=True)


def _read(app: Sphinx, docname: str, content: list[str]) -> None:
    """Include, and lead links, before a page is parsed."""
    path = app.env.doc2path(docname).relative_to(ROOT)
    if path.suffix != ".md":
        return
    folder = posixpath.dirname(path.as_posix())

    def include(name: str) -> str:
        app.env.note_dependency(str(ROOT / name))
        return (ROOT / name).read_text("utf-8")

    text = links.rewritten(content[0], folder)
    content[0] = links.included(text, folder, include)


def _not_found(
    app: Sphinx, env: BuildEnvironment, node: nodes.Element, content: nodes.TextElement
) -> nodes.Node | None:
    """A name in a docstring leads to what it names, or stays as it is; so do types that are not ours.

    What must be documented is another question, which `tests/docs` asks: every public name.
    """
    target = str(node.get("reftarget", ""))
    if node.get("reftype") != _NAMED:
        return content if node.get("refdomain") == "py" else None
    documented = cast("PythonDomain", env.get_domain("py")).objects
    kinds = ((name, entry.objtype) for name, entry in documented.items())
    full = api.found(target, kinds, [name for name in node["around"] if name])
    if full is None:
        return content
    entry = documented[full]
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, content, full)


class Named(XRefRole):
    """What a docstring has in backticks: a link if it names something of ours, else code."""

    def process_link(
        self,
        env: BuildEnvironment,
        refnode: nodes.Element,
        has_explicit_title: bool,
        title: str,
        target: str,
    ) -> tuple[str, str]:
        """Remember whose docstring it is."""
        del has_explicit_title
        module, kind = (env.ref_context.get(name) for name in ("py:module", "py:class"))
        refnode["reftype"] = _NAMED
        refnode["around"] = [f"{module}.{kind}" if module and kind else kind, module]
        return title, target.removesuffix("()")


def _google(_app: Sphinx, what: str, _name: str, thing: object, _options: object, lines: list[str]) -> None:
    """Sections in docstrings, in Google's style, of what can have them.

    Not of attributes: there "Where it is valid: here" would be taken for a type and a description.
    """
    if what in _WITH_SECTIONS:
        lines[:] = GoogleDocstring(lines, _STYLE, obj=thing).lines()


def _tidy(
    _app: Sphinx, what: str, _name: str, thing: object, _options: object, arguments: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    return api.tidy(what, thing, arguments, returned)


def setup(app: Sphinx) -> dict[str, Any]:
    """Enter all of it."""
    app.add_directive("rendered", Rendered)
    app.add_role("named", Named())
    app.connect("autodoc-process-docstring", _google)
    app.connect("autodoc-process-signature", _tidy)
    app.connect("source-read", _read)
    app.connect("missing-reference", _not_found)
    app.connect("doctree-resolved", sources.resolve)
    app.connect("html-collect-pages", sources.pages)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
