"""What travels between a `MemoryHost` and its links, beside frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

import attrs

CONTROL: Final = 6
"Bytes of a ping, and of a close frame without its reason."


@attrs.define
class HostRefused(Exception):
    """The upgrade was answered with an HTTP status."""

    status: int
    "HTTP status."
    body: str
    "Text of the answer."

    def __str__(self) -> str:
        """Say what the server said."""
        return f"the server refused the upgrade: HTTP {self.status}, {self.body!r}"


@attrs.define
class LinkClosed(Exception):
    """The link has ended, for whichever side's doing."""

    code: int | None
    "Close code; None if there was no close frame."
    reason: str
    "Reason in the close frame."

    def __str__(self) -> str:
        """Say how it ended."""
        return "the link ended without a close frame" if self.code is None else f"closed: {self.code} {self.reason!r}"

    @property
    def size(self) -> int:
        """Bytes of the close frame; a reset has none."""
        return 0 if self.code is None else CONTROL + len(self.reason)


@attrs.frozen
class Upgrade:
    """A client wants a link."""

    path: str
    headers: Mapping[str, str]
    status: int | None
    "With what the network answers in place of the server."


@attrs.define
class Ping:
    """Goes up and comes down again."""

    answered: bool = False


Welcome: TypeAlias = int
"The number of the connection: the upgrade has worked."

Item: TypeAlias = str | bytes | LinkClosed | HostRefused | Upgrade | Ping | Welcome
"What travels on a line; up go upgrades, and down go refusals and welcomes."


def is_close_frame(item: Item) -> bool:
    """Whether it may be slow, as closes are."""
    return isinstance(item, LinkClosed) and item.code is not None
