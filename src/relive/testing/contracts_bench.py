"""What the contracts of stores have in common: what a check works with, and how it is judged."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from time import monotonic
from typing import Any, Final, TypeAlias, TypeVar, cast

import attrs

from relive.core.checkpoint import Checkpoint
from relive.ports import HandleStore, Leases, Stored

T = TypeVar("T")
MakeStore: TypeAlias = Callable[[], HandleStore | Awaitable[HandleStore]]
Sleep: TypeAlias = Callable[[float], Awaitable[object]]

PATIENCE: Final = 10.0
"Seconds after which something that should happen has not."
STEPS: Final = 20
"Turns of the loop after each of which a call is cancelled: more than it takes to get hold of a lock."
TODAY: Final = 1_764_000_000_000
"Milliseconds since 1970, as in the epoch of a session that nobody owns."


@attrs.define
class Pauses:
    """How a check lets time pass, and whether as much passed in fact: a machine may stand still for a second."""

    sleep: Sleep
    asked: float = attrs.field(default=0.0, init=False)
    "Seconds that were to pass."
    began: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.began = monotonic()

    async def __call__(self, seconds: float) -> None:
        """Let so many seconds pass on the store's clock."""
        self.asked += seconds
        await self.sleep(seconds)

    def in_time(self, slack: float) -> bool:
        """Whether it took no longer than asked for, but for this many seconds. Always so of what asked for none."""
        return not self.asked or monotonic() - self.began <= self.asked + slack


@attrs.frozen
class Bench:
    """What a check has besides the store."""

    ttl: float
    sleep: Sleep
    rival: HandleStore
    "What another process would have: a second store that sees what the first one saves, or else the first itself."

    async def passes(self, share: float) -> None:
        """Wait for this share of a time to live."""
        await self.sleep(share * self.ttl)


Check: TypeAlias = Callable[[Any, str, Bench], Coroutine[Any, Any, None]]


@contextlib.asynccontextmanager
async def judged(what: str, patience: float, *stores: HandleStore) -> AsyncGenerator[None]:
    """Close them in the end; whatever goes wrong is an `AssertionError`."""
    try:
        async with asyncio.timeout(patience):
            yield
            for store in (*stores, *stores):  # again and again
                await store.aclose()
    except TimeoutError:
        raise AssertionError(f"a store answers in time; {what} took too long") from None
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(f"a store raises nothing; {what} got {error!r}") from error
    finally:
        for store in stores:
            with contextlib.suppress(Exception):  # what it raises there has been told, or is not the point
                await store.aclose()


async def given_up(call: Awaitable[object], turns: int) -> None:
    """Make a call, and cancel it so many turns of the loop later, unless it has returned."""
    calling = asyncio.ensure_future(call)
    for _ in range(turns):
        await asyncio.sleep(0)
    calling.cancel()
    await asyncio.wait([calling])
    if not calling.cancelled():
        calling.result()


@contextlib.asynccontextmanager
async def still_answered() -> AsyncGenerator[None]:
    """Whoever waits here for a lock that a cancelled call has left taken waits in vain."""
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except TimeoutError:
        raise AssertionError("a call that is cancelled leaves no lock taken: those that follow are answered") from None


def is_empty(found: Stored | None) -> bool:
    """Whether there is nothing: no checkpoint, no tombstones."""
    return found is None or (found.checkpoint is None and not found.condemned)


async def checkpoint_of(store: HandleStore, key: str) -> Checkpoint | None:
    """The checkpoint under a key."""
    found = await store.load(key)
    return found.checkpoint if found is not None else None


def leases_of(store: object) -> Leases | None:
    """The store as one that offers leases; None if it does not."""
    return store if isinstance(store, Leases) else None


async def made(thing: T | Awaitable[T]) -> T:
    """The thing, whether it took an await to make it or not."""
    return await thing if inspect.isawaitable(thing) else cast("T", thing)
