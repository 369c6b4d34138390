"""Files of the repository as pages of the documentation, for links that lead into them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.highlighting import PygmentsBridge

from relive_docs.reading import ROOT

SCHEME: Final = "source:"
_HOME: Final = "files"
_ANCHOR: Final = re.compile(r'\b(id|name|href)="(#?)L-(\d+)"')
_WANTED: Final = "relive_docs_files"


def resolve(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Lead every ``source:`` link to the page of that file, and remember that it is wanted."""
    for node in doctree.findall(nodes.reference):
        uri = str(node.get("refuri", ""))
        if uri.startswith(SCHEME):
            node["refuri"] = _led(app, uri, docname)
            node["classes"] = [*(name for name in node["classes"] if name != "external"), "internal"]


def _led(app: Sphinx, uri: str, docname: str) -> str:
    path, mark, anchor = uri.removeprefix(SCHEME).partition("#")
    if not (ROOT / path).is_file():
        raise ExtensionError(f"{docname} links to {path}, which is not there")
    wanted(app).add(path)
    return app.builder.get_relative_uri(docname, f"{_HOME}/{path}") + mark + anchor


def wanted(app: Sphinx) -> set[str]:
    """Paths of the files that have been linked to."""
    found: set[str] | None = getattr(app, _WANTED, None)
    if found is None:
        found = set()
        setattr(app, _WANTED, found)
    return found


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """A page for each of them."""
    bridge = PygmentsBridge("html", "default")
    for path in sorted(wanted(app)):
        language = "python" if path.endswith(".py") else "text"
        text = (ROOT / path).read_text("utf-8")
        shown = bridge.highlight_block(text, language, linenos="inline", lineanchors="L", anchorlinenos=True)
        body = _ANCHOR.sub(r'\1="\2L\3"', shown)
        yield f"{_HOME}/{path}", {"title": path, "body": f"<h1>{path}</h1>{body}", "parents": []}, "page.html"
