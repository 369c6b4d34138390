"""P5, in every test: what relive and the SDK log at DEBUG is read, and a handle of the fake server in it is a failure.

What the websocket library logs is not read here, because many tests talk to it without relive, which is what keeps its
log discreet: `tests/transports/test_discretion.py` and `tests/telemetry/test_no_secrets.py` do.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from relive.testing.server_admission import HANDLE_PREFIX

LOGGERS = ("relive", "google_genai", "asyncio", "httpx")
HANDLE = re.compile(rf"\b{HANDLE_PREFIX}-[0-9a-f]{{32}}\b")


class Canaries(logging.Handler):
    """Reads every record, its traceback and its fields, and keeps those with a handle."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)  # leaves the line and the traceback in the record
        if HANDLE.search(str(vars(record))):
            self.found.append(f"{record.name}: {text}")


@contextmanager
def everything_logged() -> Iterator[None]:
    """Have these loggers at DEBUG."""
    levels = {logger: logger.level for logger in map(logging.getLogger, LOGGERS)}
    for logger in levels:
        logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)


@contextmanager
def watching() -> Iterator[Canaries]:
    """Read what these loggers write."""
    handler = Canaries()
    loggers = [logging.getLogger(name) for name in LOGGERS]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield handler
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
