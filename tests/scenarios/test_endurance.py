"""Sessions that were opened, drained, resumed and closed leave nothing behind. Many more: `tests.bench.endurance`."""

from __future__ import annotations

import pytest
from tests.bench.endurance import Batch, Left, left_since, memory, tls


async def leaves_nothing(batch: Batch, size: int, times: int) -> None:
    await batch(size)  # whatever is made once is made now
    before = await Left.now()
    for _ in range(times):
        await batch(size)
    assert (await left_since(before)).since(before) == {}


async def test_two_hundred_sessions_over_memory_leave_no_task_no_timer_and_no_object() -> None:
    """P21."""
    await leaves_nothing(memory, size=50, times=4)


@pytest.mark.sockets
async def test_twenty_sessions_over_tls_leave_no_task_no_timer_no_socket_and_no_object() -> None:
    """P21."""
    await leaves_nothing(tls, size=5, times=4)
