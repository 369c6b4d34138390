"""The transport of `wire.py` keeps the contract, and carries a session through a reset."""

import pytest
from docs.examples.wire import Wire
from google.genai import Client, types

import relive
from relive.testing import TlsHost
from relive.testing.contracts import check_transport

MODEL = "gemini-3.1-flash-live-preview"


def make_wire(host: TlsHost) -> Wire:
    return Wire(host.base_url, "none", MODEL, trust=host.ssl_client_context())


@pytest.mark.virtual_time
async def test_it_keeps_the_contract(live_server: TlsHost) -> None:
    await check_transport(lambda: make_wire(live_server), live_server)


@pytest.mark.virtual_time
async def test_a_session_goes_on_over_it(live_server: TlsHost, live_client: Client) -> None:
    async with relive.connect(live_client, model=MODEL, transport=make_wire(live_server)) as session:
        for number in (1, 2):
            await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text="Hello!")]))
            said = "".join([message.text async for message in session.receive() if message.text])
            assert said == f"turn {number}: Hello!"
            live_server.kill(live_server.newest)
