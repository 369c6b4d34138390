"""The test kit: a Live server of one's own, hosts for it, and an event loop with virtual time.

`FakeLiveServer` does what a `ServerScript` says and remembers what it consumed: the ground truth. `MemoryHost` and
`TlsHost` let clients reach it; `SimLoop` lets ten minutes pass in milliseconds. `strategies`, `stateful`, `contracts`
and `plugin` are for tests; `simulation.embedding` breaks an application of your own on purpose.

Names are looked up when they are first asked for: pytest loads a part of this package in every run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from relive.testing.host_memory import HostRefused, LinkClosed, MemoryHost, MemoryLink
    from relive.testing.host_tls import TlsHost
    from relive.testing.loop import Deadlock, SimLoop, TimeLimit
    from relive.testing.server import FakeLiveServer
    from relive.testing.server_model import Answer, CallTools, EchoModel, FunctionCall, Say, Speak
    from relive.testing.server_script import CLOSES, Closes, Limits, ServerScript, Updates

__all__ = [
    "CLOSES",
    "Answer",
    "CallTools",
    "Closes",
    "Deadlock",
    "EchoModel",
    "FakeLiveServer",
    "FunctionCall",
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

if not TYPE_CHECKING:  # to a type checker the names above are all there is
    _HOMES = {
        "host_memory": ("HostRefused", "LinkClosed", "MemoryHost", "MemoryLink"),
        "host_tls": ("TlsHost",),
        "loop": ("Deadlock", "SimLoop", "TimeLimit"),
        "server": ("FakeLiveServer",),
        "server_model": ("Answer", "CallTools", "EchoModel", "FunctionCall", "Say", "Speak"),
        "server_script": ("CLOSES", "Closes", "Limits", "ServerScript", "Updates"),
    }
    _HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

    def __getattr__(name: str) -> object:
        home = _HOME_OF.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{home}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted(__all__)
