"""P12: credentials are renewed for every connection, ahead of it where that can be done, and never kept for later."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from google import genai

import relive
from relive.core.closes import judge
from relive.core.effects import Open
from relive.ports import ConnectionGone
from relive.transports.genai import GenaiTransport
from relive.transports.memory import MemoryTransport, pair


class Factory:
    """Makes clients when it is told to."""

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[Any]] = []

    async def __call__(self) -> Any:
        self.asked.append(asyncio.get_running_loop().create_future())
        return await self.asked[-1]


def client(key: str) -> genai.Client:
    # Dialling it is refused at once: nobody listens there.
    return genai.Client(api_key=key, http_options={"base_url": "https://127.0.0.1:9"})


def transport(factory: Factory) -> GenaiTransport:
    made = GenaiTransport(client("first"), model="m", policy=relive.Policy(), factory=factory)
    made._fresh_client = False
    return made


async def test_what_was_prepared_too_late_for_one_connection_is_not_kept_for_the_next() -> None:
    factory = Factory()
    opener = transport(factory)
    ahead = asyncio.create_task(opener.prepare())
    await asyncio.sleep(0)
    opening = asyncio.create_task(opener.open(Open(2, None)))
    await asyncio.sleep(0)
    factory.asked[1].set_result(client("second"))
    with pytest.raises(ConnectionGone):
        await opening
    factory.asked[0].set_result(client("late"))
    await ahead
    assert opener.client._api_client.api_key == "second"
    again = asyncio.create_task(opener.open(Open(3, None)))
    await asyncio.sleep(0)
    assert len(factory.asked) == 3
    factory.asked[2].set_result(client("third"))
    with pytest.raises(ConnectionGone):
        await again
    await opener.aclose()


async def test_a_function_that_returns_no_client_ends_the_session_and_says_so() -> None:
    factory = Factory()
    opener = transport(factory)
    opening = asyncio.create_task(opener.open(Open(2, None)))
    await asyncio.sleep(0)
    factory.asked[0].set_result(None)
    with pytest.raises(ConnectionGone) as caught:
        await opening
    assert caught.value.drop.origin == "local"
    assert "must be a google.genai.Client" in caught.value.drop.reason


async def test_a_function_that_fails_may_do_better_the_next_time() -> None:
    """P11: whoever makes tokens has bad minutes, and what its library raises is no mistake of the configuration."""
    factory = Factory()
    opener = transport(factory)
    opening = asyncio.create_task(opener.open(Open(2, None)))
    await asyncio.sleep(0)
    factory.asked[0].set_exception(RuntimeError("503 from the token server"))
    with pytest.raises(ConnectionGone) as caught:
        await opening
    assert judge(caught.value.drop, resuming=False) == "retry"
    assert "503 from the token server" in caught.value.drop.reason


async def test_whoever_is_cancelled_waiting_for_connections_to_go_leaves_none() -> None:
    opener = transport(Factory())
    stuck = asyncio.create_task(asyncio.Event().wait())
    opener._track(stuck)
    leaving = asyncio.create_task(opener.aclose())
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving, stuck])
    assert stuck.cancelled()
    await opener.aclose()


@pytest.mark.parametrize("answer", [b"", b"[", b"[]", b"7", b"{}"])
async def test_an_answer_that_is_no_setup_complete_is_a_failed_opening_and_leaves_no_link(answer: bytes) -> None:
    ours, theirs = pair()

    async def dial() -> Any:
        return ours

    await theirs.send(answer)
    with pytest.raises(ConnectionGone, match="the first frame was not setupComplete"):
        await MemoryTransport(dial).open(Open(1, None))
    with pytest.raises(Exception, match="None"):
        await theirs.send(b"anybody?")
