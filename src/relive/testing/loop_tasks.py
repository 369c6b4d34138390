"""Tasks and futures that hash by number, not by address: a set of them iterates alike in every process."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator, Iterator
from typing import Any, Protocol, TypeVar, cast

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Coro = Generator[Any, None, T] | Coroutine[Any, Any, T]


class Numbering(Protocol):
    """A loop that numbers its tasks, as `SimLoop` does."""

    @property
    def task_numbers(self) -> Iterator[int]:
        """Where the next task takes its number from."""
        ...


class SimFuture(asyncio.Future[T]):
    """A future that hashes by its `number`, its place among the futures of its loop. `create_future` makes them."""

    number: int = 0

    def __hash__(self) -> int:
        return self.number


class SimTask(asyncio.Task[T_co]):
    """A task that hashes by its `number`, its place among those of its loop; fit for `create_eager_task_factory`."""

    def __init__(self, coro: Coro[T_co], *, loop: Numbering, name: str | None = None, **options: Any) -> None:
        self.number = next(loop.task_numbers)
        name = f"Task-{self.number}" if name is None else name
        super().__init__(coro, loop=cast("asyncio.AbstractEventLoop", loop), name=name, **options)

    def __hash__(self) -> int:
        return self.number
