"""A transport of one's own: the wire itself, over the websockets library, with a setup that we write ourselves.

`test_wire.py`, beside it, holds it to the contract that every transport has to keep.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection, connect
from websockets.protocol import State

from relive.core.closes import Dropped
from relive.ports import Connection, ConnectionGone, Opening
from relive.transports.memory import KNOWN_KEYS

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


def gone(error: Exception, *secrets: str | None, opening: bool = False) -> ConnectionGone:
    """Whatever was raised, in relive's words; without what must not be in a log."""
    phase = "opening" if opening else "steady"
    match error:
        case websockets.InvalidStatus():
            drop = Dropped(None, error.response.reason_phrase, phase, error.response.status_code)
        case websockets.ConnectionClosed(rcvd=close) if close is not None:
            drop = Dropped(close.code, close.reason, phase)
        case websockets.ConnectionClosed():
            drop = Dropped(1006, "", phase, origin="network")
        case _:
            drop = Dropped(None, f"{type(error).__name__}: {error}", phase, origin="network")
    return ConnectionGone(drop.without(*secrets))


class Wire:
    """Opens connections to one model of the Developer API."""

    backend = "developer"
    known_keys = KNOWN_KEYS
    compressed = True

    def __init__(self, base_url: str, key: str, model: str, *, trust: ssl.SSLContext | None = None) -> None:
        self.model = model
        self._url = f"{base_url.replace('https://', 'wss://')}{PATH}?key={key}"
        self._key = key
        self._trust = trust

    async def open(self, opening: Opening) -> Connection:
        ws: ClientConnection | None = None
        try:
            ws = await connect(self._url, ssl=self._trust, max_size=None, ping_interval=None, compression=None)
            await ws.send(self._setup(opening))
            answer = json.loads(await ws.recv())
        except (OSError, EOFError, ValueError, websockets.WebSocketException) as error:
            if ws is not None:
                ws.transport.abort()
            raise gone(error, self._key, opening.handle, opening=True) from None
        except asyncio.CancelledError:
            if ws is not None:
                ws.transport.abort()
            raise
        if not isinstance(answer, dict) or "setupComplete" not in answer:
            ws.transport.abort()
            raise ConnectionGone(Dropped(None, "the first frame was not setupComplete", "opening"))
        return Line(ws, self._key, answer["setupComplete"])

    def _setup(self, opening: Opening) -> str:
        setup: dict[str, Any] = {
            "model": f"models/{self.model}",
            "sessionResumption": {"handle": opening.handle} if opening.handle is not None else {},
            "contextWindowCompression": {"slidingWindow": {}},
        }
        if opening.seeded:
            setup["historyConfig"] = {"initialHistoryInClientContent": True}
        return json.dumps({"setup": setup})

    async def prepare(self) -> None:
        """Nothing can be had in advance here."""

    async def aclose(self) -> None:
        """Every connection was closed or aborted; there is nothing else."""


class Line:
    """A websocket as a connection."""

    def __init__(self, ws: ClientConnection, key: str, setup_complete: dict[str, Any]) -> None:
        self._ws = ws
        self._key = key
        self._time = asyncio.get_running_loop().time
        self.setup_complete = setup_complete
        self.session_id: str | None = setup_complete.get("sessionId")
        self.last_sign_of_life = self._time()

    @property
    def writable(self) -> bool:
        return self._ws.state is State.OPEN and self._ws.transport.get_write_buffer_size() == 0

    async def send(self, frame: str | bytes) -> None:
        try:
            await self._ws.send(frame)
        except (OSError, websockets.ConnectionClosed) as error:
            raise gone(error, self._key) from None

    async def recv(self) -> bytes:
        try:
            frame = await self._ws.recv(decode=False)
        except (OSError, websockets.ConnectionClosed) as error:
            raise gone(error, self._key) from None
        self.last_sign_of_life = self._time()
        return frame

    async def ping(self) -> float:
        began = self._time()
        try:
            await (await self._ws.ping())
        except (OSError, websockets.ConnectionClosed) as error:
            raise gone(error, self._key) from None
        self.last_sign_of_life = self._time()
        return self.last_sign_of_life - began

    async def close(self) -> None:
        await self._ws.close()

    def abort(self) -> None:
        self._ws.transport.abort()
