"""Tokens that are good for one connection each, from a server that is away when the second one is wanted."""

import pytest
from docs.examples.credentials import renewed
from google.genai import types

import relive
from relive.testing import ServerScript, TlsHost

MODEL = "gemini-3.1-flash-live-preview"


@pytest.mark.virtual_time
async def test_each_connection_has_a_token_of_its_own(live_server: TlsHost) -> None:
    given = []

    async def fetch_token() -> str:
        given.append(f"token-{len(given) + 1}")
        if len(given) == 2:
            raise RuntimeError("the token server is being restarted")
        live_server.server.script = ServerScript(keys=frozenset({given[-1]}))  # the ones before it are refused now
        return given[-1]

    client = renewed(fetch_token, http_options=live_server.http_options())
    async with relive.connect(client, model=MODEL) as session:
        for number in (1, 3):
            await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text="Hello!")]))
            assert [message async for message in session.receive()]
            assert len(given) == number
            live_server.kill(live_server.newest)
            await session.wait_for("RESUMING")
            await session.wait_for("ACTIVE")
        assert session.stats.openings == 4
