"""Keeps handles and keys out of the websocket library's debug log.

With its logger at DEBUG that library prints the headers of the upgrade, where the key is, and the beginning and the
end of every frame, where the handle may be. Of Live connections, and of these alone, the log keeps the names of such
headers and the sizes of the frames. A fake server keeps the same, of what its clients sent.
"""

from __future__ import annotations

import logging
from typing import Any, Final

_SECRET_HEADERS: Final = frozenset({"authorization", "x-goog-api-key", "cookie", "set-cookie"})
_LIVE: Final = "BidiGenerateContent"


class Discretion(logging.Filter):
    """Changes records that would tell a secret; lets every record pass.

    Args:
        all_live: the records are of Live connections; else each is looked at for what it is of.
    """

    def __init__(self, *, all_live: bool = False) -> None:
        super().__init__()
        self._all_live = all_live

    def filter(self, record: logging.LogRecord) -> bool:
        """Take the secrets out of a record of a Live connection."""
        args = record.args
        if record.levelno > logging.DEBUG or not isinstance(args, tuple) or not args:
            return True
        if not (self._all_live or _is_live(record)):
            return True
        first: Any = args[0]
        if len(args) == 2 and str(first).lower() in _SECRET_HEADERS:
            record.args = (first, "…")
        elif hasattr(first, "opcode") and hasattr(first, "data"):
            record.args = (f"{first.opcode.name} ({len(first.data)} bytes)",)
        elif isinstance(first, str) and "?" in first:
            record.args = (first.partition("?")[0] + "?…", *args[1:])  # the address may carry a key
        return True


def _is_live(record: logging.LogRecord) -> bool:
    try:
        return _LIVE in str(record.__dict__["websocket"].protocol.uri.path)
    except (KeyError, AttributeError, ReferenceError):  # not of a connection, or of one that is gone
        return False


_FILTER: Final = Discretion()
_OF_A_FAKE: Final = Discretion(all_live=True)


def keep_secrets() -> None:
    """Have the library's own logger filtered, once. A logger that a client was given of its own is not reached."""
    logging.getLogger("websockets.client").addFilter(_FILTER)


def discreet_server_logger() -> logging.Logger:
    """A logger for servers of Live connections: one below the library's own, whose other servers are left alone."""
    logger = logging.getLogger("websockets.server.relive")
    logger.addFilter(_OF_A_FAKE)
    return logger
