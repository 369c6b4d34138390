"""Hosts: what gives a `FakeLiveServer` a transport, a clock and clients.

`MemoryHost` has no sockets and runs on any event loop, also on one with virtual time. `TlsHost` is a real websocket
server over TLS, for the unmodified SDK. Both take their time from the running loop. A test may act on the server
behind a host directly; it calls the host's `flush()` afterwards.
"""

from __future__ import annotations

from relive.testing.host_memory import HostRefused, LinkClosed, MemoryHost, MemoryLink
from relive.testing.host_tls import TlsHost

__all__ = ["HostRefused", "LinkClosed", "MemoryHost", "MemoryLink", "TlsHost"]
