"""One connection of the fake server, from its setup to its end: who may talk, for how long, and what ends it."""

from __future__ import annotations

import re
from collections import deque
from typing import assert_never

from relive.testing.server_admission import Door, Turned, judge_key, judge_setup
from relive.testing.server_conversation import Conversation
from relive.testing.server_desk import Close, Desk, Timer
from relive.testing.server_fate import Fate
from relive.testing.server_record import Admission, Ending
from relive.testing.server_script import CLOSES, CloseCause
from relive.testing.server_truth import Session
from relive.testing.server_unsolicited import BROKEN, SAID, Unsolicited
from relive.testing.server_wire import Malformed, Setup, read


class Connection:
    """Takes the frames of one connection in, and ends it. All times are the server's."""

    def __init__(self, desk: Desk, record: Admission, door: Door, fate: Fate | None) -> None:
        """Wait for a setup."""
        self.number = record.number
        self.is_open = True
        self.muted = False
        self.talk: Conversation | None = None
        self._desk = desk
        self._record = record
        self._door = door
        self._fate = fate
        self._setup: Setup | None = None
        self._received = 0
        self._inbox: deque[tuple[float, int, str]] = deque()
        self._notice = 0.0
        self._sees_video = False

    @property
    def session(self) -> Session | None:
        """The session that it belongs to; None before the setup is complete."""
        return self.talk.session if self.talk else None

    def receive(self, frame: str | bytes, now: float) -> None:
        """Take a client frame in. It is consumed at once, or after the script's lag."""
        talk = self.talk
        if talk is None or self.muted or self._inbox or self._desk.script.consume_lag > 0.0:
            self._keep(frame, now)
        else:
            self._received = index = self._received + 1
            refusal = talk.consume(index, frame if isinstance(frame, str) else _text(frame), now)
            # Nearly always nothing comes of it, and nothing is called to find that out.
            if refusal is not None or talk.context.video:
                self._after(talk, refusal, now)

    def _keep(self, frame: str | bytes, now: float) -> None:
        """Take in what cannot be consumed at once."""
        if self.muted:
            return
        text = frame if isinstance(frame, str) else _text(frame)
        if self._setup is None:
            self._read_setup(text, now)
            return
        self._received += 1
        self._inbox.append((now + self._desk.script.consume_lag, self._received, text))
        if self.talk and not self._desk.is_armed(self.number, "inbox"):
            self._desk.arm(self.number, "inbox", self._inbox[0][0])

    def due(self, timer: Timer, at: float) -> None:
        """Do what a timer was set for."""
        match timer:
            case "turn" | "speech" | "late" | "rhythm":
                assert self.talk is not None
                self.talk.due(timer, at)
            case "inbox":
                self._empty_inbox(at)
            case "setup":
                self._complete_setup(at)
            case "notice":
                self.go_away(self._notice, at)
            case "deadline":
                self.close(*self._desk.script.closes.deadline, at, "limit")
            case "session":
                self._end_session(at)
            case "fate":
                self._meet_fate(at)
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

    def release(self, now: float) -> None:
        """Let the handle out that was withheld, if there is one."""
        if self.talk and not self.muted:
            self.talk.release(now)

    def unsolicited(self, kind: Unsolicited, now: float) -> None:
        """Say something out of turn, if there is anybody to say it."""
        if self.muted:
            return
        if kind in SAID:
            self._desk.say(self.number, SAID[kind])
        elif kind in BROKEN:
            frame = BROKEN[kind]
            self._desk.send(self.number, frame.encode() if self._desk.script.binary else frame)
        elif self.talk:
            self.talk.unsolicited(kind, now)

    def close(self, code: int | None, reason: str, now: float, by: Ending) -> None:
        """End the connection; without a code, or with 1006, by a reset."""
        output = self._desk.hang_up(self.number, code, reason)
        if isinstance(output, Close):
            self._record.code, self._record.reason = output.code, output.reason
        self.lost(now, by)

    def lost(self, now: float, by: Ending = "client", code: int | None = None) -> None:
        """Forget the connection: it has ended. What was not consumed is gone."""
        self.is_open = False
        self._record.ended_at, self._record.ended_by, self._record.client_code = now, by, code
        self._inbox.clear()
        self._desk.forget(self.number)
        if self.talk:
            self.talk.end()
            self.talk.session.left(self.number, now)

    def _read_setup(self, text: str, now: float) -> None:
        message = read(text)
        if isinstance(message, Setup):
            self._record.setup_at, self._record.handle = now, message.handle or None
        bad_key = judge_key(self._door)
        fate = self._fate.kind if self._fate else None
        if isinstance(message, Malformed):
            self.close(*message.close, now, "frame")
        elif bad_key is not None:
            self.close(*bad_key.close, now, "setup")
        elif not isinstance(message, Setup):
            self.close(*CLOSES["invalid_argument"], now, "frame")
        elif self._fate and fate == "close_in_setup":
            self.close(*self._fate.close, now, "server")
        else:
            self._setup = message
            if fate != "hang":
                delay = self._fate.delay if self._fate and fate == "late_setup" else self._desk.script.setup_delay
                self._desk.arm(self.number, "setup", now + delay)

    def _complete_setup(self, now: float) -> None:
        setup = self._setup
        assert setup is not None
        verdict = judge_setup(self._desk, self._door, setup, now)
        if isinstance(verdict, Turned):
            self._record.refused = verdict.fault
            if verdict.after_setup:
                self._record.up_at = now
                self._desk.say(self.number, {"setupComplete": {"sessionId": self._desk.new_id("session")}})
            self.close(*verdict.close, now, "setup")
            return
        if verdict is None:
            session = Session(self._desk.new_id("session"), setup.model, self._door.backend, now)
            self._desk.sessions.append(session)
        else:
            session = verdict.session
        self._record.up_at, self._record.session = now, session
        self._desk.say(self.number, {"setupComplete": {"sessionId": session.id}})
        self.talk = Conversation(self._desk, self.number, setup, session, verdict)
        self.talk.start(now)
        self._watch_connection(now)
        self._watch_session(self.talk, now)
        self._await_fate(setup, now)
        if self._inbox:
            self._desk.arm(self.number, "inbox", max(now, self._inbox[0][0]))

    def _after(self, talk: Conversation, refusal: CloseCause | None, now: float) -> None:
        """Close if what was consumed was refused; and see whether there was video in it."""
        if refusal is not None:
            self.close(*refusal, now, "limit" if talk.full else "frame")
        elif talk.context.video and not self._sees_video:
            self._watch_session(talk, now)

    def _empty_inbox(self, at: float) -> None:
        assert self.talk is not None
        while self._inbox and self._inbox[0][0] <= at:
            _, index, text = self._inbox.popleft()
            self._after(self.talk, self.talk.consume(index, text, at), at)
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
        self._sees_video = talk.context.video
        limit = limits.video_session if talk.context.video else limits.audio_session
        if limit is not None and self._setup and not self._setup.compression:
            self._desk.arm(self.number, "session", max(now, talk.session.started_at + limit))

    def _end_session(self, at: float) -> None:
        assert self.talk is not None
        self.talk.session.over = True
        self.close(*self._desk.script.closes.session_limit, at, "limit")

    def _await_fate(self, setup: Setup, now: float) -> None:
        """Set the timer of what was decided about this connection or, if nothing was, about its handle."""
        if self._fate is None or not self._fate.comes_later:
            self._fate = self._desk.dooms.get(setup.handle)
        if self._fate:
            self._desk.arm(self.number, "fate", now + self._fate.delay)

    def _meet_fate(self, at: float) -> None:
        assert self._fate is not None
        if self._fate.kind == "close_later":
            self.close(*self._fate.close, at, "server")
        else:
            self.mute()


def _text(frame: bytes) -> str:
    return frame.decode(errors="replace")


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
