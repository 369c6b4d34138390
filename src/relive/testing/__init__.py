"""The test kit: a Live server of one's own, hosts for it, and an event loop with virtual time.

`FakeLiveServer` does what a `ServerScript` says and remembers what it consumed: the ground truth. `MemoryHost` and
`TlsHost` let clients reach it; `SimLoop` lets ten minutes pass in milliseconds.
"""

from relive.testing.host_memory import HostRefused, LinkClosed, MemoryHost, MemoryLink
from relive.testing.host_tls import TlsHost
from relive.testing.loop import Deadlock, SimLoop, TimeLimit
from relive.testing.server import FakeLiveServer
from relive.testing.server_model import Answer, CallTools, EchoModel, Say, Speak
from relive.testing.server_script import CLOSES, Closes, Limits, ServerScript, Updates

__all__ = [
    "CLOSES",
    "Answer",
    "CallTools",
    "Closes",
    "Deadlock",
    "EchoModel",
    "FakeLiveServer",
    "HostRefused",
    "Limits",
    "LinkClosed",
    "MemoryHost",
    "MemoryLink",
    "Say",
    "ServerScript",
    "SimLoop",
    "Speak",
    "TimeLimit",
    "TlsHost",
    "Updates",
]
