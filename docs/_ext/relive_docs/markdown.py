"""A little Markdown."""

from __future__ import annotations

import html
from collections.abc import Iterable


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table. Cells are Markdown already."""
    heads = [*head]
    lines = [
        heads,
        ["---"] * len(heads),
        *([cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def code(text: object) -> str:
    """As it is, in the letters of code; nothing of nothing."""
    return f"`{text}`" if str(text) else ""


def codes(texts: Iterable[object], between: str = ", ") -> str:
    """Several of these."""
    return between.join(map(code, texts))


def hint(text: str, told: str) -> str:
    """Code that tells more when it is pointed at."""
    return f'<code class="literal hint" title="{html.escape(told)}">{html.escape(text)}</code>' if told else code(text)


def heading(level: int, text: str) -> str:
    """A heading."""
    return f"{'#' * level} {text}\n\n"


def sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    text = text[:1].upper() + text[1:]
    return text if not text or text[-1] in ".?!…" else f"{text}."


def in_both_themes(light: str, dark: str, told: str, *, wide: bool = False) -> str:
    """A picture, of which the reader's theme shows one. A wide one is not made so small that nobody can read it."""
    kind = "picture wide" if wide else "picture"
    images = "\n".join(
        f"```{{image}} {path}\n:class: {kind} only-{theme}\n:alt: {told}\n```"
        for path, theme in ((light, "light"), (dark, "dark"))
    )
    return f":::{{container}} scroll\n{images}\n:::\n\n"
