"""The user of the demo and the user's device: a microphone that never stops, and somebody who listens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from google.genai import types

import relive
from relive.cli import account
from relive.cli.lab import Lab
from relive.cli.plan import FRAME_SECONDS, Plan, Turn, chunks_in, frame
from relive.cli.screen import Screen
from relive.testing.hosts import TlsHost

_PATIENCE: Final = 8.0
_LIVE_PATIENCE: Final = 60.0


class Stuck(Exception):
    """The conversation does not go on."""


class Conversation:
    """The user and the user's device: speaks, types, streams the microphone, listens.

    Without a lab it is held with a real service: then the user marks the beginning and the end of speech, because
    nobody knows what a service makes of this voice.
    """

    def __init__(
        self,
        session: relive.Session,
        plan: Plan,
        screen: Screen,
        lab: Lab | None = None,
        host: TlsHost | None = None,
    ) -> None:
        """Say nothing yet."""
        self.sent: list[str] = []
        "What was sent, in order."
        self.heard: list[list[str]] = []
        "The answers that were heard to their end, as chunks."
        self.handles: list[str] = []
        "Handles that came, oldest first."
        self._session = session
        self._say: Callable[..., Awaitable[None]] = cast("Any", session).send_realtime_input
        self._plan = plan
        self._screen = screen
        self._lab = lab
        self._host = host
        self._bell = asyncio.Event()
        self._work: list[asyncio.Task[None]] = []
        self._frames = 0
        self._playing: list[str] = []

    def ring(self) -> None:
        """Something has changed: look again."""
        self._bell.set()

    async def hold(self) -> None:
        """Take every turn of the plan.

        Raises:
            Stuck: it did not go on.
        """
        microphone = asyncio.create_task(self._stream())
        self._work = [microphone, asyncio.create_task(self._listen())]
        for task in self._work:
            task.add_done_callback(lambda _: self.ring())
        try:
            for turn in self._plan.turns:
                await self._take(turn)
            self._work.remove(microphone)
            await _stop(microphone)
            lab = self._lab
            if lab is not None:
                await self._until(lambda: lab.last_frame >= self._frames, "the last frame was not consumed")
        finally:
            await _stop(*self._work)

    async def _take(self, turn: Turn) -> None:
        self._screen.turn_began(turn)
        lab, fault = self._lab, turn.fault
        if lab is not None:
            lab.expect(fault, self._frames)
        if turn.spoken:
            await self._speak(turn)
        else:
            self.sent.append(account.text(turn.text))
            words = types.Content(role="user", parts=[types.Part(text=turn.text)])
            await self._session.send_client_content(turns=words, turn_complete=True)
        await self._until(lambda: self._settled(turn), f"turn {turn.number} did not come to its end")
        self._screen.turn_ended(len(self.heard[-1]))

    async def _speak(self, turn: Turn) -> None:
        lab, until = self._lab, self._frames + turn.frames
        if lab is None:
            await self._say(activity_start=types.ActivityStart())
        # Whoever is waiting for something to go wrong while they speak, speaks on.
        waiting = turn.fault is not None and turn.fault.place == "speech"
        await self._until(
            lambda: self._frames >= until and not (waiting and turn.fault not in self._struck),
            f"the speech of turn {turn.number} did not come to its end",
        )
        if lab is None:
            await self._say(activity_end=types.ActivityEnd())
        else:
            self.sent.append(account.end(self._frames))
            await self._say(audio_stream_end=True)

    @property
    def _struck(self) -> tuple[object, ...]:
        return tuple(self._lab.struck) if self._lab is not None else ()

    def _settled(self, turn: Turn) -> bool:
        """Whether the turn is over and, on our own server, everything about it has come to rest."""
        if len(self.heard) < turn.number:
            return False
        if self._lab is None:
            return True
        if not self.handles or not self._lab.at_rest(turn.number, self.handles[-1]):
            return False
        fault_over = turn.fault is None or turn.fault in self._struck
        up = self._session.state == "ACTIVE" and self._session.stats.connections == 1 + len(self._struck)
        return fault_over and up

    async def _stream(self) -> None:
        """The microphone: fifty frames a second, whatever the connection is doing."""
        while True:
            self._frames += 1
            self.sent.append(account.audio(self._frames))
            sound = types.Blob(data=frame(self._frames), mime_type="audio/pcm;rate=16000")
            await self._say(audio=sound)
            self.ring()
            await asyncio.sleep(FRAME_SECONDS)

    async def _listen(self) -> None:
        while True:
            async for message in self._session.receive():
                self._hear(message)
                self.ring()

    def _hear(self, message: types.LiveServerMessage) -> None:
        update, content = message.session_resumption_update, message.server_content
        if update is not None and update.new_handle:
            self.handles.append(update.new_handle)
        if content is None:
            return
        if content.interrupted:
            self._screen.interrupted(len(self._playing))
            self._playing.clear()
        for part in (content.model_turn.parts if content.model_turn else None) or ():
            sound = part.inline_data.data if part.inline_data is not None else None
            self._playing += chunks_in(part.text or "", sound or b"")
            self._screen.chunk(len(self._playing))
        if content.turn_complete:
            self.heard.append(self._playing)
            self._playing = []
            if self._lab is not None and self._host is not None:
                self._lab.answer_heard(self._host.now)
                self._host.flush()

    async def _until(self, reached: Callable[[], bool], otherwise: str) -> None:
        patience = _LIVE_PATIENCE if self._lab is None else _PATIENCE
        try:
            async with asyncio.timeout(patience):
                while not reached():
                    for task in self._work:
                        if task.done():
                            task.result()
                    self._bell.clear()
                    await self._bell.wait()
        except TimeoutError:
            raise Stuck(f"{otherwise} within {patience:.0f} s") from None


async def _stop(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
