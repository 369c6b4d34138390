"""Two queues as a transport."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from relive.core.effects import Open
from relive.ports import ConnectionGone
from relive.transports.memory import MemoryTransport, Pipe, PipeClosed, pair


async def serve(far: Pipe, *answers: dict[str, Any]) -> dict[str, Any]:
    """Read the setup, answer, and return what was read."""
    setup = json.loads(await far.recv())
    for answer in answers:
        await far.send(json.dumps(answer))
    return setup


async def test_the_setup_names_model_handle_and_indices() -> None:
    near, far = pair()

    async def dial() -> Pipe:
        return near

    serving = asyncio.create_task(serve(far, {"setupComplete": {"sessionId": "s"}}))
    connection = await MemoryTransport(dial, model="models/m").open(Open(2, "a handle"))
    assert (await serving)["setup"] == {
        "model": "models/m",
        "sessionResumption": {"transparent": True, "handle": "a handle"},
    }
    assert connection.session_id == "s"
    await connection.send("{}")
    assert await far.recv() == b"{}"
    assert await connection.ping() >= 0.0
    await connection.close()
    with pytest.raises(PipeClosed):
        await far.recv()


async def test_another_first_frame_is_no_setup() -> None:
    near, far = pair()

    async def dial() -> Pipe:
        return near

    serving = asyncio.create_task(serve(far, {"serverContent": {}}))
    with pytest.raises(ConnectionGone):
        await MemoryTransport(dial).open(Open(1, None))
    await serving


async def test_the_end_comes_after_what_was_sent_before_it() -> None:
    near, far = pair()
    await far.send("1")
    await far.close(1011, "gone")
    assert await near.recv() == b"1"
    with pytest.raises(PipeClosed) as caught:
        await near.recv()
    assert (caught.value.code, caught.value.reason) == (1011, "gone")
    with pytest.raises(PipeClosed):
        await near.send("2")
    with pytest.raises(PipeClosed):
        await near.ping()


async def test_cancelling_a_recv_loses_nothing() -> None:
    near, far = pair()
    waiting = asyncio.create_task(near.recv())
    await asyncio.sleep(0)
    waiting.cancel()
    await far.send("1")
    assert await near.recv() == b"1"


async def test_a_dial_that_fails_is_told_as_a_drop() -> None:
    async def dial() -> Pipe:
        raise PipeClosed(1008, "no")

    with pytest.raises(ConnectionGone) as caught:
        await MemoryTransport(dial).open(Open(1, None))
    assert (caught.value.drop.code, caught.value.drop.phase) == (1008, "opening")


async def test_an_abort_is_no_close() -> None:
    near, far = pair()
    near.abort()
    with pytest.raises(PipeClosed) as caught:
        await far.recv()
    assert caught.value.code is None
