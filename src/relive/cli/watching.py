"""`relive demo --watch`: a conversation that can be looked at in a browser while it is held."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol

import relive
from relive.cli.report import Report
from relive.diagrams.timeline.live import LiveTimeline


class Hold(Protocol):
    """Holds a conversation, and reports of it."""

    async def __call__(self, *, observers: Sequence[relive.Observer] = ()) -> Report:
        """Hold it, and tell the observers of it."""
        ...


async def watched(hold: Hold, say: Callable[[str], object]) -> Report:
    """Hold a conversation, and serve its page from before its beginning until somebody interrupts.

    An interrupt after the conversation has ended is no more than the wish to stop looking.
    """
    async with LiveTimeline("relive demo") as live:
        say(f"Look at {live.url}")
        report = await hold(observers=[live.observer(conversation="demo")])
        say("The conversation is over; its page is there until Ctrl-C.")
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.get_running_loop().create_future()
    return report
