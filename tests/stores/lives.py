"""The life of a session, as far as its store can tell: it loads once, and saves a handle."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import attrs

from relive.core import events as ev
from relive.core.checkpoint import Checkpoint
from relive.core.policy import Policy
from relive.ports import HandleStore
from relive.runtime.keeper import Keeper
from relive.runtime.tasks import Tasks

POLICY = Policy(load_timeout=5.0, save_timeout=5.0)


@attrs.frozen
class Life:
    """What a session found, and what it was told of its store."""

    found: str | None
    "The handle that it could resume from."
    told: list[str]


@attrs.frozen
class _Transport:
    model: str = "m"
    backend: str = "b"


async def live(
    store: HandleStore, handle: str, *, key: str = "ada", wall: Callable[[], float] = time.time, policy: Policy = POLICY
) -> Life:
    """Live through one, with the keeper that every session has."""
    told: list[str] = []

    def notice(what: str, detail: str, _seconds: float | None) -> None:
        if what != "saved":
            told.append(f"{what}: {detail}")

    keeper = Keeper(store, key, policy, wall=wall, notice=notice)
    loaded = await keeper.load(cast("Any", _Transport()))
    keeper.begin(Tasks(lambda *_: None))
    keeper.save(Checkpoint(handle, "m", "b", wall()))
    keeper.end()
    await keeper.leave(10.0)
    checkpoint = loaded.checkpoint if isinstance(loaded, ev.CheckpointLoaded) else None
    return Life(checkpoint.handle if checkpoint is not None else None, told)


def chain(error: BaseException | None) -> Iterator[str]:
    """All that can be had from an error, and from those behind it."""
    while error is not None:
        yield f"{error!r} {error} {vars(error)} {getattr(error, 'object', '')!r}"
        error = error.__cause__ or error.__context__


def lost(what: str) -> list[str]:
    """What a session is told whose store did neither load nor save."""
    return [f"store_error: load failed: {what}", f"store_error: save failed: {what}"]
