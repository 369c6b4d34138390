"""A reset, where asyncio would close a socket in good order."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Final, cast

_LINGER_ZERO: Final = struct.pack("ii", 1, 0)
"Closing a socket with this sends a TCP reset."


def reset(transport: asyncio.WriteTransport) -> None:
    """Send a TCP reset at once; what was still to be sent is lost."""
    sock = transport.get_extra_info("socket")
    # A socket that is closed already is not there any more, or says so.
    with contextlib.suppress(OSError, AttributeError):
        cast("socket.socket", sock).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()
