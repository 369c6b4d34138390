"""Opening connections: one at a time, in its turn, and given up when it is no longer wanted."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Callable

from relive.core import events as ev
from relive.core.closes import Dropped
from relive.ports import Connection, ConnectionGone, Opening, Transport
from relive.runtime.limiter import DialLimiter, shared_limiter
from relive.runtime.link import cut
from relive.runtime.tasks import Tasks


class Dialling:
    """Has the transport open a connection, and tells what came of it, if that is still wanted.

    Args:
        transport: opens them.
        limiter: keeps sessions from dialling all at once; None for the one of the process.
        tasks: where dials run.
        tell: where the start of a dial, and its failure, go.
        up: gets the number and the connection that is up.
        notice: told how long a dial took, or why it failed.
    """

    __slots__ = ("_cause", "_limiter", "_notice", "_task", "_tasks", "_tell", "_transport", "_up")

    def __init__(
        self,
        transport: Transport,
        limiter: DialLimiter | None,
        tasks: Tasks,
        *,
        tell: Callable[[ev.Event], None],
        up: Callable[[int, Connection], None],
        notice: Callable[[str, str, float | None], None],
    ) -> None:
        self._transport = transport
        self._limiter = limiter
        self._tasks = tasks
        self._tell = tell
        self._up = up
        self._notice = notice
        self._task: asyncio.Task[None] | None = None
        self._cause: tuple[Exception, str | None] | None = None

    @property
    def cause(self) -> Exception | None:
        """What the last failure came from, for a traceback; None if that would tell the handle."""
        exc, handle = self._cause or (None, None)
        if exc is None or (handle and handle in "".join(traceback.format_exception(exc))):
            return None
        return exc

    def open(self, opening: Opening) -> None:
        """Begin to; `ConnectionOpened` or `OpenFailed` follows."""
        self._task = self._tasks.spawn(self._dial(opening), f"dial {opening.number}")

    def abandon(self) -> None:
        """It is no longer wanted: should it succeed all the same, it is cut at once."""
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    async def prepare(self, within: float) -> None:
        """Have the transport prepare for a dial, in so many seconds; whether it can, the dial itself will tell."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(within):
                await self._transport.prepare()

    async def _dial(self, opening: Opening) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with self._limiter or shared_limiter():
                self._tell(ev.DialStarted(opening.number))
                began = loop.time()
                connection = await self._transport.open(opening)
        except asyncio.CancelledError:
            if self._task is asyncio.current_task():  # somebody else cancelled it
                self._failed(opening, Dropped(None, "the dial was cancelled", "opening", origin="network"))
            raise
        except ConnectionGone as exc:
            self._cause = exc, opening.handle
            self._failed(opening, exc.drop)
        except Exception as exc:  # noqa: BLE001 - a wrong configuration surfaces as whatever the SDK raises
            self._cause = exc, opening.handle
            self._failed(opening, Dropped(None, f"{type(exc).__name__}: {exc}", "opening", origin="local"))
        else:
            if self._task is not asyncio.current_task():
                cut(connection)
                return
            self._task = None
            self._notice("dialled", "", loop.time() - began)
            self._up(opening.number, connection)

    def _failed(self, opening: Opening, drop: Dropped) -> None:
        drop = drop.without(opening.handle)
        if self._task is asyncio.current_task():  # else nobody waits for it any more
            self._notice("dialled", drop.in_short(), None)
        self._tell(ev.OpenFailed(opening.number, drop))
