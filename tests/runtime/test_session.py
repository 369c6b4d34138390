"""What a session adds to the SDK's, and what `connect` refuses."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, cast

import attrs
import pytest
from google import genai
from google.genai.live import AsyncSession
from tests.runtime.puppets import Exchange, Shelf, left_behind, moment, said, simulated, update

import relive
from relive.runtime import DialLimiter
from relive.telemetry.logging import LogObserver

CALM = relive.Policy(stable_after=0.5, probe=False)


@contextlib.asynccontextmanager
async def connected(**options: Any) -> AsyncIterator[tuple[relive.Session, Exchange]]:
    exchange = Exchange()
    options = {"policy": CALM, "limiter": DialLimiter(), "transport": cast("Any", exchange), **options}
    client = genai.Client(api_key="dummy")
    try:
        async with relive.connect(client, model="model", **options) as session:
            yield session, exchange
    finally:
        client.close()
    assert left_behind() == []


@simulated
async def test_it_is_the_sdk_s_session_with_the_newest_connection_s_id() -> None:
    async with connected() as (session, exchange):
        assert isinstance(session, AsyncSession)
        assert session.session_id == "session-1"
        assert cast("Any", session.setup_complete) == {"sessionId": "session-1"}
        exchange.wire.says(update("one"))
        await asyncio.sleep(1)
        exchange.wire.ends()
        await moment()
        assert session.session_id == "session-2"
        assert session.stats.connections == 2
        assert str(session.verdict) == "resumed"
        assert repr(session) == "<relive.Session: ACTIVE, connection 2>"


@simulated
async def test_waiting_for_a_state_ends_in_it_or_with_the_session() -> None:
    async with connected() as (session, exchange):
        await session.wait_for("ACTIVE")
        exchange.wire.says(update("one"))
        await asyncio.sleep(1)
        waits = [asyncio.create_task(session.wait_for(state)) for state in ("RESUMING", "CLOSED", "FAILED")]
        await moment()
        exchange.wire.ends()
        await moment()
        assert waits[0].done()
        await session.close()
        await waits[1]
        with pytest.raises(relive.SessionClosed):
            await waits[2]
        await session.wait_for("CLOSED")
        with pytest.raises(relive.SessionClosed):
            await session.wait_for("ACTIVE")
        with pytest.raises(relive.SettingError, match="state is 'Active', but must be one of IDLE"):
            await session.wait_for(cast("Any", "Active"))


@simulated
async def test_changes_follow_from_the_call_on() -> None:
    async with connected() as (session, _):
        changes = session.changes()
    assert [change.dest async for change in changes] == ["CLOSED"]


@simulated
async def test_a_key_without_a_store_a_store_without_a_key_or_no_model_cannot_be_meant() -> None:
    for options in ({"key": "ada"}, {"store": Shelf()}):
        with pytest.raises(relive.SettingError, match="key and store"):
            async with connected(**cast("Any", options)):
                pass
    client = genai.Client(api_key="dummy")
    with pytest.raises(relive.SettingError, match="the name of a model"):
        async with relive.connect(client, model=""):
            pass
    client.close()


class Wrapper:
    """Hands on what it does not do itself."""

    def __init__(self, wrapped: object) -> None:
        self.wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)


@pytest.mark.parametrize("store", ["redis://:secret@host/0", relive.MemoryStore, object()])
@simulated
async def test_what_is_no_store_is_told_at_once(store: Any) -> None:
    with pytest.raises(relive.SettingError, match=r"store is <class .*relive\.stores\.open") as caught:
        async with connected(key="ada", store=store):
            pass
    assert "secret" not in str(caught.value)
    async with connected(key="ada", store=Wrapper(Shelf())) as (session, _):
        assert session.state == "ACTIVE"


@pytest.mark.parametrize("observer", [None, LogObserver, object()])
@simulated
async def test_what_is_no_observer_is_told_at_once(observer: Any) -> None:
    with pytest.raises(relive.SettingError, match=r"an observer is <class .* a relive\.ports\.Observer"):
        async with connected(observers=[LogObserver(), observer]):
            pass
    async with connected(observers=(Wrapper(one) for one in [LogObserver()])) as (session, _):
        assert session.state == "ACTIVE"


@pytest.mark.parametrize("turns", [None, [], [{"role": "user", "parts": [{"text": "earlier"}]}]])
@simulated
async def test_the_application_s_turns_begin_the_fresh_session(turns: Any) -> None:
    """P19."""
    asked: list[Any] = []

    async def seed(reason: str, transcript: Any) -> Any:
        asked.append((reason, [(one.role, one.text) for one in transcript]))
        return turns

    async with connected(seed=seed) as (session, exchange):
        await session.send_realtime_input(text="hello")
        exchange.wire.says(said("hi"))
        await asyncio.sleep(1)
        exchange.wire.ends()
        await moment()
        assert asked == [("no_handle", [("user", "hello"), ("model", "hi")])]
        if turns is None:
            with pytest.raises(relive.SessionFailed, match="seed_refused"):
                await session.send_realtime_input(text="again")
        else:
            assert len(exchange.wire.taken) == bool(turns) + 1
            assert exchange.openings[-1].seeded is bool(turns)
            assert ("earlier" in str(exchange.wire.taken[0])) is bool(turns)


@simulated
async def test_a_session_that_cannot_be_opened_raises_an_error_of_ours_and_of_the_sdk() -> None:
    exchange = Exchange()
    exchange.raises["open"] = ValueError("wrong")
    with pytest.raises(genai.errors.APIError) as caught:
        async with connected(transport=exchange):
            pass
    assert isinstance(caught.value, relive.SessionFailed)


@simulated
async def test_a_fact_that_the_table_has_no_row_for_is_refused() -> None:
    @attrs.frozen
    class Unheard:
        connection: None = None

    async with connected() as (session, _):
        with pytest.raises(relive.CommandError, match="Unheard"):
            session.tell(cast("Any", Unheard()))
