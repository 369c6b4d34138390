"""P5: with every logger at DEBUG, neither a key nor a handle is in any record."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from google import genai
from google.genai import types
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

import relive
from relive.testing import FakeLiveServer, TlsHost
from relive.transports.discretion import Discretion
from relive.transports.genai import _discreet, _dropped

KEY = "canary-key-4711"


async def test_a_session_through_a_reset_and_a_dead_handle_tells_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for side in ("client", "server"):  # the fake server is discreet, too
        logging.getLogger(f"websockets.{side}").setLevel(logging.DEBUG)
    handles: set[str] = set()
    async with TlsHost(FakeLiveServer()) as host:
        options: Any = host.http_options()
        client = genai.Client(vertexai=True, api_key=KEY, http_options=options)
        async with relive.connect(client, model="m", policy=relive.Policy(stable_after=0.0)) as session:
            for deed in (lambda: host.kill(host.newest), lambda: host.server.expire_handles(host.now)):
                await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text="hello")]))
                async for message in session.receive():
                    if message.server_content and message.server_content.turn_complete:
                        break
                update = await session._receive()
                assert update.session_resumption_update is not None
                handles.add(str(update.session_resumption_update.new_handle))
                deed()
                if host.server.live:
                    host.kill(host.newest)
                await session.wait_for("RESUMING")
                await session.wait_for("ACTIVE")
            assert str(session.verdict) == "not_restored(rejected)"
    for side in ("client", "server"):
        logging.getLogger(f"websockets.{side}").setLevel(logging.NOTSET)
    text = caplog.text
    assert "< x-goog-api-key: …" in text.lower()
    assert "x-goog-api-key: …" in text.lower()
    assert "TEXT (" in text
    assert "BINARY (" in text
    assert len(handles) == 2
    assert [secret for secret in (KEY, *handles) if secret in text] == []
    pieces = {handle[start : start + 12] for handle in handles for start in range(8, len(handle) - 12)}
    assert [piece for piece in pieces if piece in text] == []
    await asyncio.sleep(0)


def test_other_connections_are_left_alone() -> None:
    record = logging.LogRecord("websockets.client", logging.DEBUG, "", 0, "> %s: %s", ("Authorization", "x"), None)
    assert Discretion().filter(record)
    assert record.getMessage() == "> Authorization: x"
    assert not logging.getLogger("websockets.server").filters


def test_of_a_page_that_quotes_a_key_no_part_of_it_is_kept() -> None:
    """Also where the page is cut in the middle of it."""
    page = f"{{\n  'message': 'Permission denied: {'x' * 60} Consumer 'api_key:{KEY}' has been suspended.'".encode()
    assert page.decode().index(KEY) < 123 < page.decode().index(KEY) + len(KEY)
    refused = InvalidStatus(Response(403, "Forbidden", Headers(), page))
    drop = _discreet(_dropped(refused, "opening"), None, KEY)
    assert (drop.status, len(drop.reason)) == (403, 123)
    assert "canar" not in drop.reason
    assert drop.reason.startswith("{\n  'message': 'Permission denied")
