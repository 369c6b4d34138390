"""Who talks at the core level: takes what the user says to the session, as a channel does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from math import inf

from relive.core import events as ev
from relive.core.client_frames import AUDIO, read_client, said
from relive.testing.simulation.core_session import Session
from relive.testing.simulation.core_time import Alarm, Timeline
from relive.testing.simulation.history import Fate, Ledger, Refused, Sent
from relive.testing.simulation.recording import Scribe
from relive.testing.simulation.user import Item, audio_frame, frame_of


@lru_cache(1 << 15)
def _sound(number: int) -> tuple[str, bool]:
    """A frame of audio, and whether it says no more than that: the same in every simulation, so it is read once."""
    frame = audio_frame(number)
    return frame, read_client(frame) is AUDIO


class Mouth:
    """Says what the user has to say. Call `talk` at `talk_at`.

    Args:
        ledger: the client.
        scribe: writes its life down.
        session: whom it talks to.
        time: its time.
        ended: called when the session takes nothing more, because it has ended.
    """

    def __init__(
        self, ledger: Ledger, scribe: Scribe, session: Session, time: Timeline, ended: Callable[[str], None]
    ) -> None:
        self.talk_at = inf
        "When the user speaks next."
        self.order = 0
        "Among what is due at the same time."
        self._ledger = ledger
        self._scribe = scribe
        self._session = session
        self._time = time
        self._user = ledger.user
        self._ended = ended
        self._talking = self._shut = False
        self._bursts: list[Item] = []
        self._held: tuple[Item, Iterator[Item]] | None = None
        "What waits for room in the journal, and what is to be said after it."
        self._held_since = 0.0
        self._patience: Alarm | None = None

    def open(self) -> None:
        """Begin to talk, if that has not begun."""
        if not self._talking:
            self._talking = True
            self._time.soon(self.talk)

    def shut(self) -> None:
        """Say nothing more."""
        self._shut = True
        self.talk_at = inf
        self._time.stale = True
        if self._patience is not None:
            self._patience.cancel()

    def rouse(self) -> None:
        """Look at the user's deadline again."""
        if self._talking and not (self._shut or self._held) and self._user.deadline < self.talk_at:
            self.talk_at = max(self._user.deadline, self._time.now)
            self.order = self._time.order()
            self._time.stale = True

    def burst(self, frames: int) -> None:
        """Have the user send so many frames at once."""
        self._bursts += self._user.burst(frames)
        if self._talking:
            self._time.soon(self.talk)

    def wake(self) -> None:
        """It is time to speak."""
        self.talk_at = inf
        self._time.soon(self.talk)

    def talk(self) -> None:
        """Say what is due."""
        user, scribe, session, now = self._user, self._scribe, self._session, self._time.now
        if self._shut or self._held:
            return
        if now >= scribe.until:
            scribe.cut(now, len(session.journal.waiting), len(session.journal.written))
        if self._bursts:
            items, self._bursts = self._bursts, []
            self._send(items)
        while user.deadline <= now and not (self._shut or self._held):
            number = user.audio_due(now)
            if number:
                # Nearly all that is said: it goes straight.
                link, (frame, plain) = session.link, _sound(number)
                if link is not None and plain and link.speak(frame):
                    scribe.flow[0] += 1
                    self._ledger.audio.append(number)
                else:
                    self._send((Item("audio", number),))
            else:
                self._send(user.due(now))
        if user.deadline != self.talk_at and not (self._shut or self._held):
            self.talk_at = user.deadline
            self._time.orders = self.order = self._time.orders + 1

    def _send(self, items: Iterable[Item]) -> None:
        """Send items, until all are sent, or one has to wait, or the session has ended."""
        rest = iter(items)
        for item in rest:
            frame = frame_of(item)
            if self._session.failure is None and self._lacks_room(len(frame)):
                self._held, self._held_since = (item, rest), self._time.now
                self.talk_at = inf
                self._patience = self._time.at(
                    self._time.now + self._session.policy.send_timeout, lambda: self._time.soon(self._lose_patience)
                )
                return
            self._send_one(item, frame, self._time.now)
            if self._shut:
                return

    def _send_one(self, item: Item, frame: str, began: float) -> None:
        failure = self._session.failure
        if failure is None:
            self._accept(frame)
            self._sent(item, "ok")
        else:
            self._ended("send")
            self._refused(item, frame, began, type(failure).__name__)

    def _refused(self, item: Item, frame: str, began: float, error: str) -> None:
        waiting = self._session.journal.waiting_bytes
        self._scribe.life.refused.append(Refused(began, self._time.now, error, len(frame), waiting))
        self._sent(item, "fail")

    def _sent(self, item: Item, fate: Fate) -> None:
        ledger, scribe = self._ledger, self._scribe
        scribe.flow[0] += 1
        if item.kind != "audio":
            ledger.sent.append(Sent(item, self._time.now, scribe.life.number, fate, len(ledger.audio)))
            scribe.note("sent", item.kind, [item.number, fate])
        elif fate == "ok":
            ledger.audio.append(item.number)
        else:
            ledger.audio_failed += 1

    def _accept(self, frame: str) -> None:
        """Take a frame into the journal, and write it if nothing waits before it."""
        session = self._session
        reading = read_client(frame)
        link = session.link
        if reading is AUDIO and link is not None and link.speak(frame):
            return
        position = session.journal.accept(frame, reading.lane, self._time.now, reading.answers)
        scene = session.lifecycle.scene
        first_video = reading.lane == "video" and not scene.video
        if first_video:
            scene.video = True
        if first_video or not reading.plain:
            if session.remembers:
                session.delivery.transcript.wrote("user", said(frame), position)
            session.tell(ev.InputAccepted(position, reading.opens_turn, reading.demands_answer, reading.answers))
        link = session.link
        direct = link.write_directly() if link is not None else None
        if link is not None and direct is not None:
            link.send(direct)

    def _lacks_room(self, size: int) -> bool:
        waiting = self._session.journal.waiting_bytes
        return waiting > 0 and waiting + size > self._session.policy.send_limit

    def written(self) -> None:
        """Less waits than before, or the session has ended: whoever waits for room may have it now."""
        if self._held is not None and self._patience is not None:
            size = len(frame_of(self._held[0]))
            if self._session.failure is not None or not self._lacks_room(size):
                self._patience.cancel()
                self._patience = None
                self._time.soon(self._go_on)

    def _go_on(self) -> None:
        """There is room."""
        if self._held is None or self._shut:
            return
        (item, rest), self._held = self._held, None
        self._send_one(item, frame_of(item), self._held_since)
        self._send(rest)
        self.talk()

    def _lose_patience(self) -> None:
        """There was no room in time: the frame is not accepted."""
        if self._held is None or self._patience is None or self._shut:
            return
        (item, rest), self._held, self._patience = self._held, None, None
        self._refused(item, frame_of(item), self._held_since, "SendBufferFull")
        self._send(rest)
        self.talk()
