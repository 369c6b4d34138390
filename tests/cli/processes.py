"""Running `relive` as other programs do: in processes of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping

import attrs

_OURS = ("GOOGLE_", "GEMINI_", "SSL_CERT_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FORCE_COLOR")
PATIENCE = 120.0
"Seconds after which a process that has not ended is a failure. Nothing here comes near it."


@attrs.frozen
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str


def start(*words: str, env: Mapping[str, str] | None = None, group: bool = False) -> subprocess.Popen[str]:
    """Start Python with these words, in an environment that knows nothing of any Gemini service.

    In a `group` of its own, all the processes of which can be sent a signal at once, as a terminal does at Ctrl-C.
    """
    clean = {name: value for name, value in os.environ.items() if not name.upper().startswith(_OURS)}
    return subprocess.Popen(
        [sys.executable, *words],
        env={**clean, "PYTHONUNBUFFERED": "1", "COLUMNS": "100", **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=group,
    )


def end(process: subprocess.Popen[str]) -> Ended:
    """Wait until it has ended."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return Ended(process.returncode, out, err)


def run(*words: str, env: Mapping[str, str] | None = None) -> Ended:
    """Start, and wait."""
    return end(start(*words, env=env))


def interrupt(process: subprocess.Popen[str], how: int = signal.SIGINT) -> Ended:
    """Send a signal, and wait."""
    process.send_signal(how)
    return end(process)
