"""The command line: `relive demo`, `serve`, `explore`, `simulate`, `handles`. Needs the extra ``cli``, or says so.

Where to look next: `app` (commands and options), `plan` (what a demo will do), `lab` (the server it goes wrong on),
`demo` (the conversation), `account` (what became of it), `screen` (how it looks), `serve`; `simulate` (campaigns);
`handles` (what a store holds).
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

_NEEDED = ("typer", "rich", "trustme")


def main() -> None:
    """Run the command line; without its extra, say what to install and exit with 2."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        sys.stderr.write(
            f"relive: the command line needs {', '.join(missing)}: install the extra with  pip install 'relive[cli]'\n"
        )
        raise SystemExit(2)
    from relive.cli.app import app

    app(prog_name="relive")
