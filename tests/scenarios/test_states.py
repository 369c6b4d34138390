"""No state exists only on paper: all nine are reached, and each is left as the table says."""

from __future__ import annotations

import asyncio

import pytest
from tests.scenarios.world import World, simulated, world

import relive
from relive.core.table import TABLE
from relive.testing.server import FakeLiveServer
from relive.testing.server_script import CLOSES, ServerScript

QUICK = relive.Policy(stable_after=0.5)


async def eventful(w: World) -> None:
    """One life: GoAway, a reset with a refused dial, a dead handle, a close."""
    for deed in (
        lambda: w.go_away(30.0),
        lambda: (w.server.refuse_next(503), w.reset()),
        lambda: (w.act(w.server.expire_handles), w.close(*CLOSES["internal_error"])),
    ):
        await w.ask("hello")
        await w.turn()
        await asyncio.sleep(1.0)
        deed()
        await asyncio.sleep(2.0)


@simulated
async def test_one_life_passes_through_eight_states() -> None:
    async with world(policy=QUICK) as w:
        await eventful(w)
        assert str(w.session.verdict) == "not_restored(rejected)"
    assert w.steps() == [
        "IDLE → CONNECTING on ConnectRequested",
        "CONNECTING → ACTIVE on ConnectionOpened: fresh",
        "ACTIVE → DRAINING on GoAwayReceived",
        "DRAINING → RESUMING on SafePointReached",
        "RESUMING → ACTIVE on ConnectionOpened: resumed",
        "ACTIVE → RESUMING on ConnectionDropped",
        "RESUMING → WAITING on OpenFailed",
        "WAITING → RESUMING on DeadlineReached(retry)",
        "RESUMING → ACTIVE on ConnectionOpened: resumed",
        "ACTIVE → RESUMING on ConnectionDropped",
        "RESUMING → HANDLE_EXPIRED on OpenFailed",
        "HANDLE_EXPIRED → CONNECTING on SeedAnswered",
        "CONNECTING → ACTIVE on ConnectionOpened: not_restored(rejected)",
        "ACTIVE → CLOSED on CloseRequested",
    ]


@simulated
async def test_the_ninth_state_is_failed() -> None:
    server = FakeLiveServer(ServerScript(models=frozenset({"another"})))
    visited: set[str] = set()
    with pytest.raises(relive.SessionFailed) as caught:
        async with world(server=server):
            pass
    assert caught.value.failure.cause == "fatal"
    assert "model" in str(caught.value)
    async with world(policy=QUICK) as w:
        await eventful(w)
    for line in w.steps():
        source, _, rest = line.partition(" → ")
        visited |= {source, rest.split(" ", 1)[0]}
    assert visited | {"FAILED"} == set(TABLE.states)
