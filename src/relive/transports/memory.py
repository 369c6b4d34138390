"""A transport without a network: two queues, for tests and for simulation.

`pair` makes the two ends of a pipe. `MemoryTransport` opens connections over whatever its `dial` returns: the near end
of a pair, or anything else with an end's methods (`relive.testing` has a host that dials a fake server so).
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import attrs

from relive.core.closes import Dropped, Phase
from relive.core.journal import Frame
from relive.ports import Connection, ConnectionGone, Opening, Transport

KNOWN_KEYS: Final = frozenset({
    "setupComplete", "serverContent", "toolCall", "toolCallCancellation", "usageMetadata", "goAway",
    "sessionResumptionUpdate", "voiceActivityDetectionSignal", "voiceActivity",
})  # fmt: skip
"What the SDK understands (google-genai 3.4.0); here there is no SDK to ask."


class End(Protocol):
    """One end of a link. Its errors carry ``code`` and ``reason``, those of a refused dial ``status`` and ``body``."""

    @property
    def writable(self) -> bool: ...  # noqa: D102 - all as in `Connection`
    async def send(self, frame: Frame, /) -> None: ...  # noqa: D102
    async def recv(self) -> bytes: ...  # noqa: D102
    async def ping(self) -> object: ...  # noqa: D102
    async def close(self) -> None: ...  # noqa: D102
    def abort(self) -> None: ...  # noqa: D102


@attrs.define
class PipeClosed(Exception):
    """The other end has gone, and all it sent has been read."""

    code: int | None
    "Close code; None if it went without a word."
    reason: str = ""


class _Queue:
    """One direction: frames, and then the end."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._news: asyncio.Future[None] | None = None
        self.end: PipeClosed | None = None

    def put(self, frame: Frame) -> None:
        self._frames.append(frame.encode() if isinstance(frame, str) else frame)
        self._wake()

    async def get(self) -> bytes:
        while not self._frames:
            if self.end is not None:
                raise PipeClosed(self.end.code, self.end.reason)
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        return self._frames.popleft()

    def close(self, end: PipeClosed) -> None:
        if self.end is None:
            self.end = end
            self._wake()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


class Pipe:
    """One end of two queues."""

    writable: bool = True

    def __init__(self, incoming: _Queue, outgoing: _Queue) -> None:
        self._incoming = incoming
        self._outgoing = outgoing

    async def send(self, frame: Frame, /) -> None:
        """Put a frame into the queue that the peer reads."""
        self._check()
        self._outgoing.put(frame)

    async def recv(self) -> bytes:
        """Take the next frame out of our own."""
        return await self._incoming.get()

    async def ping(self) -> None:
        """The other end is always there."""
        self._check()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close both directions."""
        self._end(PipeClosed(code, reason))

    def abort(self) -> None:
        """Cut both directions without a word."""
        self._end(PipeClosed(None))

    def _check(self) -> None:
        end = self._outgoing.end
        if end is not None:
            raise PipeClosed(end.code, end.reason)

    def _end(self, end: PipeClosed) -> None:
        self._incoming.close(end)
        self._outgoing.close(end)


def pair() -> tuple[Pipe, Pipe]:
    """Two ends: what is sent into one comes out of the other."""
    there, back = _Queue(), _Queue()
    return Pipe(back, there), Pipe(there, back)


def _gone(exc: Exception, phase: Phase = "steady", handle: str | None = None) -> ConnectionGone:
    """To be raised from None: what it is of may quote the handle."""
    status = getattr(exc, "status", None)
    code = getattr(exc, "code", None)
    reason = str(getattr(exc, "reason", "") or getattr(exc, "body", ""))
    origin = "network" if code is None and status is None else "server"
    return ConnectionGone(Dropped(code, reason, phase, status, origin).without(handle))


def _answer(frame: bytes) -> dict[str, Any] | None:
    try:
        return json.loads(frame)["setupComplete"]
    except (ValueError, TypeError, KeyError):
        return None


class MemoryTransport:
    """Opens connections over pipes. It writes the setup itself, since there is no SDK to do it.

    Args:
        dial: makes a link and returns our end of it.
        model: goes into the setup; handles are bound to it.
        config: more fields of the setup, in camelCase.
        transparent: whether to ask for message indices.
        backend: what handles are bound to besides the model.
    """

    def __init__(
        self,
        dial: Callable[[], Awaitable[End]],
        *,
        model: str = "models/memory",
        config: Mapping[str, Any] | None = None,
        transparent: bool = True,
        backend: str = "memory",
    ) -> None:
        self.model = model
        self.backend = backend
        self.known_keys = KNOWN_KEYS
        self._dial = dial
        self._config = dict(config or {})
        self._transparent = transparent

    @property
    def compressed(self) -> bool:
        """Whether the setup asks for compression."""
        return "contextWindowCompression" in self._config

    def _setup(self, opening: Opening) -> str:
        resumption: dict[str, Any] = {"transparent": True} if self._transparent else {}
        if opening.handle is not None:
            resumption["handle"] = opening.handle
        setup: dict[str, Any] = {**self._config, "model": self.model, "sessionResumption": resumption}
        if opening.seeded:
            setup["historyConfig"] = {"initialHistoryInClientContent": True}  # a seed is history: it wants no answer
        return json.dumps({"setup": setup})

    async def open(self, opening: Opening) -> Connection:
        """Dial, send the setup, and wait for the answer."""
        try:
            end = await self._dial()
        except Exception as exc:  # noqa: BLE001 - in our words, and without what it quotes
            raise _gone(exc, "opening", opening.handle) from None
        try:
            await end.send(self._setup(opening))
            answer = await end.recv()
        except BaseException as exc:
            end.abort()
            if isinstance(exc, Exception):
                raise _gone(exc, "opening", opening.handle) from None
            raise
        said = _answer(answer)
        if said is None:
            end.abort()
            raise ConnectionGone(Dropped(None, "the first frame was not setupComplete", "opening"))
        return _MemoryConnection(end, said)

    async def prepare(self) -> None:
        """There is nothing to prepare."""

    async def aclose(self) -> None:
        """There is nothing to release."""


class _MemoryConnection:
    def __init__(self, end: End, setup_complete: Mapping[str, Any]) -> None:
        self._end = end
        self._loop = asyncio.get_running_loop()
        self.setup_complete = setup_complete
        self.session_id: str | None = setup_complete.get("sessionId")
        self.last_sign_of_life = self._loop.time()

    @property
    def writable(self) -> bool:
        return self._end.writable

    async def send(self, frame: Frame) -> None:
        try:
            await self._end.send(frame)
        except Exception as exc:
            raise _gone(exc) from exc

    async def recv(self) -> bytes:
        try:
            frame = await self._end.recv()
        except Exception as exc:
            raise _gone(exc) from exc
        self.last_sign_of_life = self._loop.time()
        return frame

    async def close(self) -> None:
        await self._end.close()

    def abort(self) -> None:
        self._end.abort()

    async def ping(self) -> float:
        began = self._loop.time()
        try:
            await self._end.ping()
        except Exception as exc:
            raise _gone(exc) from exc
        self.last_sign_of_life = self._loop.time()
        return self.last_sign_of_life - began


_: type[Transport] = MemoryTransport
