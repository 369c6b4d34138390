"""Two hundred sessions over TLS are told to go away in the same second, while each of them has been asked something."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import pytest
from google import genai
from google.genai import types

import relive
from relive.testing.host_tls import TlsHost
from relive.testing.server import FakeLiveServer
from relive.testing.server_model import EchoModel
from relive.testing.server_script import ServerScript

pytestmark = [pytest.mark.slow, pytest.mark.sockets]

HERD: Final = 200
LEFT: Final = 60.0
"What the server leaves them, in seconds: all are gone long before that, also from a busy machine."
PATIENT: Final = relive.Policy(late_handle=20.0, probe=False)
"""On such a machine the handle that covers an answer may come late: without it the question would be asked again. So it
would be after a round trip that was measured while 200 sessions and their server opened in one process: an answer that
comes sooner than that seems to be about something else, and the frame is uncertain."""


async def ask(session: relive.Session, text: str) -> None:
    await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text=text)]))


async def answer(session: relive.Session) -> str:
    return "".join([message.text or "" async for message in session.receive()])


async def test_all_of_them_leave_in_time_and_each_hears_all_of_its_own_conversation() -> None:
    """P12 P15 P17."""
    server = FakeLiveServer(ServerScript(model=EchoModel(chunks=3, interval=0.05)))
    async with TlsHost(server) as host, contextlib.AsyncExitStack() as stack:
        client = genai.Client(api_key="dummy", http_options=host.http_options())
        stack.callback(client.close)
        sessions = [relive.connect(client, model="gemini-live", policy=PATIENT) for _ in range(HERD)]
        herd = await asyncio.gather(*(stack.enter_async_context(session) for session in sessions))
        first = server.live
        assert len(first) == HERD

        await asyncio.gather(*(ask(session, f"first of {number}") for number, session in enumerate(herd)))
        for conn in first:
            server.go_away(conn, LEFT, host.now)
        host.flush()
        heard = await asyncio.gather(*(answer(session) for session in herd))
        assert heard == [f"turn 1: first of {number}" for number in range(HERD)]

        # All have read the notice by now, so whoever is ACTIVE is on another connection.
        await asyncio.gather(*(session.wait_for("ACTIVE") for session in herd))
        await asyncio.gather(*(ask(session, f"second of {number}") for number, session in enumerate(herd)))
        heard = await asyncio.gather(*(answer(session) for session in herd))
        assert heard == [f"turn 2: second of {number}" for number in range(HERD)]
        assert {str(session.verdict) for session in herd} == {"resumed"}
    assert len(server.admissions) == 2 * HERD
    asked = [f"{which} of {number}" for which in ("first", "second") for number in range(HERD)]
    assert sorted(server.ground_truth("content")) == sorted(asked)
