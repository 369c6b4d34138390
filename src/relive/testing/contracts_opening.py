"""What opening a connection must be like. To be had from `contracts`."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Callable, Coroutine
from typing import Any, Final

from relive.core.effects import Open
from relive.ports import Transport
from relive.testing import server_client as words
from relive.testing.contracts_bench import PATIENCE
from relive.testing.contracts_links import MOMENT, Host, handle_on, is_gone, opened, until

_ONCE: Final = "open does not retry: it dials once, and raises ConnectionGone if that is refused"
_HANDLE: Final = "relive-check-5dd1bbd4dd4c47f3"


async def _opens(transport: Transport, host: Host) -> None:
    assert isinstance(transport, Transport), "a transport has all of its protocol"
    assert transport.model, "a transport names its model"
    assert transport.backend, "a transport names its backend"
    await transport.prepare()
    assert not host.server.live, "prepare sends no setup"
    async with opened(transport) as connection:
        assert connection.setup_complete is not None, "open returns once the server has answered the setup"
        assert connection.session_id == host.server.sessions[-1].id, "a connection has the id that the server gave"
        assert connection.writable, "a connection that has nothing to write is writable"
        assert abs(connection.last_sign_of_life - host.now) < PATIENCE, "the answer to the setup is a sign of life"


async def _resumes(transport: Transport, host: Host) -> None:
    async with opened(transport) as connection:
        await connection.send(words.content("one"))
        handle = await handle_on(connection)
    await until(lambda: not host.server.live, "a closed connection is closed at the server")
    connection = await transport.open(Open(2, handle))
    assert host.server.admissions[-1].handle == handle, "open presents the handle that it is given"
    connection.abort()


async def _opens_for_a_seed(transport: Transport, host: Host) -> None:
    async with opened(transport, seeded=True) as connection:
        await connection.send(words.content("one"))
        await connection.send(words.content("two"))
        await handle_on(connection)
    answered = [answer.said.text for answer in host.server.sessions[-1].emitted]
    assert answered == ["two"], "what is written first after open(seeded) is history, to which the server says nothing"


async def _is_refused(transport: Transport, host: Host) -> None:
    before = len(host.server.admissions)
    drop = (
        await is_gone(transport.open(Open(1, "no-such-handle")), "open raises ConnectionGone if it is refused")
    ).drop
    assert len(host.server.admissions) == before + 1, _ONCE
    told = host.server.admissions[-1]
    assert drop.phase == "opening", "what fails before the setup is answered is a drop while opening"
    assert (drop.code, drop.reason) == (told.code, told.reason), "a drop says what the close frame said"


async def _gives_up_a_dial(transport: Transport, host: Host) -> None:
    host.server.hang_next_setup(1)
    before = len(asyncio.all_tasks())
    opening = asyncio.ensure_future(transport.open(Open(1, None)))
    await until(lambda: bool(host.server.live), "open dials")
    await asyncio.sleep(MOMENT)
    opening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await opening
    assert opening.cancelled(), "open that is cancelled is cancelled"
    await transport.aclose()
    await until(lambda: not host.server.live, "a cancelled open leaves no connection behind")
    await until(lambda: len(asyncio.all_tasks()) <= before, "a cancelled open leaves no task behind")


async def _is_turned_away(transport: Transport, host: Host) -> None:
    host.server.refuse_next(503)
    try:
        drop = (await is_gone(transport.open(Open(1, None)), _ONCE)).drop
    finally:
        host.server.forget_plans()
    assert drop.phase == "opening", "what fails before the setup is answered is a drop while opening"
    assert drop.status == 503, "a drop says with which HTTP status the upgrade was refused"


async def _quotes_no_handle(transport: Transport, host: Host) -> None:
    host.server.close_next_setup(1008, f"there is no session {_HANDLE} here")
    error = await is_gone(transport.open(Open(2, _HANDLE)), _ONCE)
    shown = f"{error.drop!r} {''.join(traceback.format_exception(error))}"
    assert _HANDLE not in shown, "what open raises quotes no handle: neither its drop does, nor what it was raised from"


async def _leaves_no_task_behind(transport: Transport, host: Host) -> None:
    before = len(asyncio.all_tasks())
    async with opened(transport):
        pass
    (await transport.open(Open(1, None))).abort()
    await transport.aclose()
    await until(lambda: not host.server.live, "abort cuts the connection")
    await until(lambda: len(asyncio.all_tasks()) <= before, "connections that have ended leave no task behind")


OPENING_CHECKS: Final[tuple[Callable[[Transport, Any], Coroutine[Any, Any, None]], ...]] = (
    _opens, _resumes, _opens_for_a_seed, _is_refused, _is_turned_away, _quotes_no_handle, _gives_up_a_dial,
    _leaves_no_task_behind,
)  # fmt: skip
