"""The caller of `bridge.py` is answered to the end, through a GoAway and a reset."""

import asyncio

import pytest
from docs.examples.bridge import talk
from google.genai import Client

from relive.testing import EchoModel, ServerScript, TlsHost


class Browser:
    """Somebody who speaks for a second, and listens for four; again and again."""

    def __init__(self, calls):
        self.calls = calls
        self.heard = bytearray()
        self.told = []

    async def iter_bytes(self):
        for _ in range(self.calls):
            for _ in range(50):
                await asyncio.sleep(0.02)
                yield b"\1\2" * 320
            await asyncio.sleep(4.0)

    async def send_bytes(self, data):
        self.heard += data

    async def send_json(self, data):
        self.told.append(data)


@pytest.fixture
def live_script() -> ServerScript:
    return ServerScript(model=EchoModel(chunks=4, interval=0.5, chunk_bytes=480))


@pytest.mark.virtual_time
async def test_a_call_is_answered_to_its_end(live_server: TlsHost, live_client: Client) -> None:
    browser = Browser(calls=4)
    call = asyncio.create_task(talk(live_client, browser))
    await asyncio.sleep(2.5)
    live_server.go_away(time_left=10.0)  # in the middle of the first answer
    await asyncio.sleep(5.0)
    live_server.kill(live_server.newest)  # and in the middle of the second
    await call
    assert browser.told.count({"play": "nothing"}) == 1
    assert {"line": "one moment"} in browser.told
    assert len(browser.heard) >= 4 * 4 * 480
    assert len(live_server.server.ground_truth("audio")) == 4 * 50
