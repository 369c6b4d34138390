"""One connection of the fake server, from its setup to its end: who may talk, for how long, and what ends it."""

from __future__ import annotations

import re
from collections import deque
from typing import Literal, assert_never

import attrs

from relive.testing.server_admission import Door, Turned, judge_key, judge_setup
from relive.testing.server_conversation import Conversation
from relive.testing.server_desk import Desk, Timer
from relive.testing.server_script import CLOSES
from relive.testing.server_truth import Session
from relive.testing.server_wire import Malformed, Setup, read


@attrs.frozen
class Fate:
    """What was decided about a connection before it was opened."""

    kind: Literal["hang", "close_in_setup", "close_later", "mute_later"]
    "Never answer the setup; close instead of answering it; answer and then close, or fall silent."
    close: tuple[int | None, str] = (None, "")
    "Code and reason of the close; no code for a reset."
    delay: float = 0.0
    "Seconds after `setupComplete`."


class Connection:
    """Takes the frames of one connection in, and ends it. All times are the server's."""

    def __init__(self, desk: Desk, number: int, door: Door, fate: Fate | None) -> None:
        """Wait for a setup."""
        self.number = number
        self.is_open = True
        self.muted = False
        self.talk: Conversation | None = None
        self._desk = desk
        self._door = door
        self._fate = fate
        self._setup: Setup | None = None
        self._received = 0
        self._inbox: deque[tuple[float, int, str]] = deque()
        self._notice = 0.0

    @property
    def session(self) -> Session | None:
        """The session that it belongs to; None before the setup is complete."""
        return self.talk.session if self.talk else None

    def receive(self, frame: str | bytes, now: float) -> None:
        """Take a client frame in. It is consumed at once, or after the script's lag."""
        if self.muted:
            return
        text = frame if isinstance(frame, str) else frame.decode(errors="replace")
        if self._setup is None:
            self._read_setup(text, now)
            return
        self._received += 1
        lag = self._desk.script.consume_lag
        if lag <= 0 and self.talk and not self._inbox:
            self._consume(self.talk, self._received, text, now)
            return
        self._inbox.append((now + lag, self._received, text))
        if self.talk and not self._desk.is_armed(self.number, "inbox"):
            self._desk.arm(self.number, "inbox", self._inbox[0][0])

    def due(self, timer: Timer, at: float) -> None:
        """Do what a timer was set for."""
        match timer:
            case "setup":
                self._complete_setup(at)
            case "inbox":
                self._empty_inbox(at)
            case "notice":
                self.go_away(self._notice, at)
            case "deadline":
                self.close(*self._desk.script.closes.deadline, at)
            case "session":
                self._end_session(at)
            case "fate":
                self._meet_fate(at)
            case "turn" | "late" | "rhythm" | "speech":
                assert self.talk is not None
                self.talk.due(timer, at)
            case _:
                assert_never(timer)

    def go_away(self, time_left: float | str | None, now: float) -> None:
        """Send GoAway, and end the connection as the script says.

        `time_left` is in seconds; a text is sent as it is, and None leaves the field out. Where no time can be read
        from it, the script's lead counts.
        """
        script = self._desk.script
        seconds, shown = _time_left(time_left, script.time_left)
        self._desk.say(self.number, {"goAway": {} if shown is None else {"timeLeft": shown}})
        if script.after_go_away == "silence":
            self.mute()
        if script.after_go_away != "never":
            self._desk.arm(self.number, "deadline", now + ((script.limits.lead or 0.0) if seconds is None else seconds))

    def mute(self) -> None:
        """Stay open, consume nothing and say nothing from now on. What was about to end the connection still does."""
        self.muted = True
        self._inbox.clear()
        self._desk.disarm(self.number, "setup", "inbox", "turn", "late", "rhythm", "speech", "notice")

    def close(self, code: int | None, reason: str, now: float) -> None:
        """End the connection; without a code, or with 1006, by a reset."""
        self._desk.hang_up(self.number, code, reason)
        self.lost(now)

    def lost(self, now: float) -> None:
        """Forget the connection: it has ended. What was not consumed is gone."""
        self.is_open = False
        self._inbox.clear()
        self._desk.disarm_all(self.number)
        if self.talk:
            self.talk.end()
            self.talk.session.left(self.number, now)

    def _read_setup(self, text: str, now: float) -> None:
        message = read(text)
        bad_key = judge_key(self._door)
        if isinstance(message, Malformed):
            self.close(*message.close, now)
        elif bad_key is not None:
            self.close(*bad_key.close, now)
        elif not isinstance(message, Setup):
            self.close(*CLOSES["invalid_argument"], now)
        elif self._fate and self._fate.kind == "close_in_setup":
            self.close(*self._fate.close, now)
        else:
            self._setup = message
            if self._fate is None or self._fate.kind != "hang":
                self._desk.arm(self.number, "setup", now + self._desk.script.setup_delay)

    def _complete_setup(self, now: float) -> None:
        setup = self._setup
        assert setup is not None
        verdict = judge_setup(self._desk, self._door, setup, now)
        if isinstance(verdict, Turned):
            if verdict.after_setup:
                self._desk.say(self.number, {"setupComplete": {"sessionId": self._desk.new_id("session")}})
            self.close(*verdict.close, now)
            return
        if verdict is None:
            session = Session(self._desk.new_id("session"), setup.model, self._door.backend, now)
            self._desk.sessions.append(session)
        else:
            session = verdict.session
        self._desk.say(self.number, {"setupComplete": {"sessionId": session.id}})
        self.talk = Conversation(self._desk, self.number, setup, session, verdict)
        self.talk.start(now)
        self._watch_connection(now)
        self._watch_session(self.talk, now)
        if self._fate:
            self._desk.arm(self.number, "fate", now + self._fate.delay)
        if self._inbox:
            self._desk.arm(self.number, "inbox", max(now, self._inbox[0][0]))

    def _consume(self, talk: Conversation, index: int, text: str, now: float) -> None:
        had_video = talk.context.video
        refusal = talk.consume(index, text, now)
        if refusal is not None:
            self.close(*refusal, now)
        elif talk.context.video and not had_video:
            self._watch_session(talk, now)

    def _empty_inbox(self, at: float) -> None:
        assert self.talk is not None
        while self._inbox and self._inbox[0][0] <= at:
            _, index, text = self._inbox.popleft()
            self._consume(self.talk, index, text, at)
        if self._inbox:
            self._desk.arm(self.number, "inbox", self._inbox[0][0])

    def _watch_connection(self, now: float) -> None:
        limits = self._desk.script.limits
        if limits.connection is None:
            return
        if limits.lead is None:
            self._desk.arm(self.number, "deadline", now + limits.connection)
        else:
            self._notice = min(limits.lead, limits.connection)
            self._desk.arm(self.number, "notice", now + limits.connection - self._notice)

    def _watch_session(self, talk: Conversation, now: float) -> None:
        """Set the end of the session. Video shortens it; compression lifts the limit."""
        limits = self._desk.script.limits
        limit = limits.video_session if talk.context.video else limits.audio_session
        if limit is not None and self._setup and not self._setup.compression:
            self._desk.arm(self.number, "session", max(now, talk.session.started_at + limit))

    def _end_session(self, at: float) -> None:
        assert self.talk is not None
        self.talk.session.over = True
        self.close(*self._desk.script.closes.session_limit, at)

    def _meet_fate(self, at: float) -> None:
        assert self._fate is not None
        if self._fate.kind == "close_later":
            self.close(*self._fate.close, at)
        else:
            self.mute()


def _time_left(time_left: float | str | None, style: str) -> tuple[float | None, str | None]:
    """Return the seconds that are meant, None if that cannot be said, and what is shown."""
    if time_left is None:
        return None, None
    if isinstance(time_left, str):
        found = re.fullmatch(r"(\d+(?:\.\d+)?)s?", time_left)
        return (float(found[1]) if found else None), time_left
    seconds = max(0.0, float(time_left))
    shown = f"{seconds:.0f}" if seconds.is_integer() else f"{seconds:.3f}"
    if style == "missing":
        return seconds, None
    return seconds, shown if style == "bare" else shown + "s"
