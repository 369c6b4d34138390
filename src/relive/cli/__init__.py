"""The command line: `relive demo`, `simulate`, `timeline`, `diagram` and others. Needs the extra ``cli``, or says so.

Where to look next: `app` (commands and options), `plan` (what a demo will do), `lab` (the server it goes wrong on),
`demo` (the conversation), `account` (what became of it), `screen` (how it looks), `serve`; `simulate` (campaigns);
`diagram` (pictures); `handles` (what a store holds).
"""

from __future__ import annotations

import sys

from relive.errors import MissingExtra
from relive.extras import missing


def main() -> None:
    """Run the command line; without its extra, say what to install and exit with 2."""
    lacking = missing("cli")
    if lacking:
        sys.stderr.write(f"relive: {MissingExtra('the command line', *lacking, extra='cli')}\n")
        raise SystemExit(2)
    try:
        from relive.cli.app import app
        from relive.cli.streams import telling
    except KeyboardInterrupt:  # somebody did not want to wait for that
        sys.stderr.write("interrupted\n")
        raise SystemExit(130) from None

    with telling():
        app(prog_name="relive")
