"""Leaving nothing behind once a session has ended: in less than two seconds, whatever hangs."""

from __future__ import annotations

import asyncio
import contextlib

from relive.ports import Transport
from relive.runtime.keeper import Keeper
from relive.runtime.link import Link
from relive.runtime.tasks import Tasks
from relive.runtime.watch import Watch

# Seconds at most; one after the other they are less than two (P21).
_FLUSH = 1.0  # for what is unwritten (P13)
_FAREWELL = 0.3  # for the answer to our close frame
_SAVE = 0.25  # for the store, besides
_REST = 0.1  # for observers, for the transport, for cancelled tasks


async def release(
    link: Link | None,
    keeper: Keeper | None,
    watch: Watch,
    tasks: Tasks,
    transport: Transport,
    *,
    flush: bool,
    grace: float,
    save: float | None = None,
) -> None:
    """Write what waits if asked to, take leave, and let what happened last be saved and told.

    `save`: seconds for the store, if somebody waits for what is saved.
    """
    try:
        if keeper is not None:
            keeper.end()
        if link is not None:
            if flush and not await link.flush(_FLUSH):
                link.release()  # who takes no frames takes no farewell either
            else:
                await link.close(min(grace, _FAREWELL))
        if keeper is not None:
            await keeper.leave(save or _SAVE)
        watch.end()
        await watch.rest(_REST)
        watch.finish()
        await asyncio.wait([tasks.spawn(_leave(transport), "leave")], timeout=_REST)
        await tasks.end(_REST)
    finally:  # a loop that ends may cancel us
        if link is not None:
            link.release()
        watch.end()
        tasks.cancel()


async def _leave(transport: Transport) -> None:
    with contextlib.suppress(Exception):
        await transport.aclose()
