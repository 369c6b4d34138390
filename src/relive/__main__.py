"""``python -m relive``: the command line."""

from __future__ import annotations

from relive.cli import main

main()
