"""What one connection does to its session: it consumes input, answers turns and gives handles.

Setup, limits and closes are in `server_connection`.
"""

from __future__ import annotations

from collections import deque
from typing import Literal, assert_never

from relive.testing.server_desk import Desk
from relive.testing.server_model import Answer, TurnInput, ask
from relive.testing.server_resumption import Handles
from relive.testing.server_script import CLOSES, CloseCause
from relive.testing.server_truth import Branch, Consumed, Context, Emitted, Kind, Payload, Session, Snapshot
from relive.testing.server_turn import Turn
from relive.testing.server_unsolicited import Unsolicited
from relive.testing.server_wire import (
    ClientFrame,
    Content,
    ContextUpdate,
    Malformed,
    Realtime,
    Setup,
    ToolResponse,
    read,
    read_audio,
)


class Conversation:
    """The part of a session that lives on one connection, and ends with it. What it consumed stays in the session."""

    def __init__(self, desk: Desk, conn: int, setup: Setup, session: Session, start: Snapshot | None) -> None:
        """Start fresh, or from a snapshot: what was consumed after it is rolled back, and no turn is in progress."""
        self.session = session
        self.context = start.context.copy() if start else Context()
        self.full = False
        "What was refused last was refused because the context has no room for it."
        self._desk = desk
        self._conn = conn
        self._setup = setup
        self._branch = Branch(start.branch, start.length, start.context.turn) if start else Branch(None, 0, 0)
        self._handles = Handles(desk, conn, setup)
        self._resumed = start is not None
        self._history = setup.initial_history
        self._swallow = False
        self._consumed = 0
        self._turn: Turn | None = None
        self._owed: deque[tuple[Emitted, Answer]] = deque()
        self._last_audio = 0.0
        self._listening = False
        # Tool calls outside a turn that nobody has responded to.
        self._unasked: dict[str, None] = {}
        session.entered(conn, self._branch)

    def start(self, now: float) -> None:
        """Begin the rhythm of updates, and listen on if the snapshot was taken in the middle of speech."""
        updates = self._desk.script.updates
        first = None if self._resumed else updates.first_after
        beats = [seconds for seconds in (updates.every_seconds, first) if seconds is not None]
        if beats and self._setup.resumption:
            self._desk.arm(self._conn, "rhythm", now + min(beats))
        if self.context.audio_frames:
            self._heard_audio(now)

    def consume(self, index: int, frame: str, now: float) -> CloseCause | None:
        """Take one client message in; return with what to close the connection if the service would not have it."""
        script = self._desk.script
        if script.poison and any(poison in frame for poison in script.poison):
            return script.closes.poison
        self._consumed = index
        audio = read_audio(frame)
        if audio is not None:
            self._hear(audio, now)
        else:
            refusal = self._apply(read(frame), now)
            if refusal is not None:
                return refusal
        limit = script.limits.context_bytes
        if limit is not None and self.context.size > limit and not self._setup.compression:
            self.full = True
            return script.closes.context_exhausted
        every = script.updates.every_frames
        if every is not None and index % every == 0:
            self.update(now)
        return None

    def due(self, timer: Literal["turn", "late", "rhythm", "speech"], at: float) -> None:
        """Do what a timer was set for."""
        match timer:
            case "turn":
                self._step(at)
            case "late":
                self.update(at)
            case "rhythm":
                self._beat(at)
            case "speech":
                self._check_silence(at)
            case _:
                assert_never(timer)

    def update(self, now: float) -> None:
        """Send a resumption update about this moment."""
        busy = self._turn is not None
        self._handles.update(self.session, self.context, self._branch, self._consumed, busy=busy, now=now)

    def release(self, now: float) -> None:
        """Send the update that was due while handles were withheld."""
        if self._handles.held_back and not self._desk.is_armed(self._conn, "late"):
            self._desk.arm(self._conn, "late", now)

    def unsolicited(self, kind: Unsolicited, now: float) -> None:
        """Say something out of turn that is about this session: a tool call, a cancellation or else a handle."""
        if kind == "tool_call":
            call = self._desk.new_call(self._conn)
            self._unasked[call] = None
            self.session.unsolicited_calls.append(call)
            self._desk.say(self._conn, {"toolCall": {"functionCalls": [{"id": call, "name": "unasked", "args": {}}]}})
        elif kind == "tool_call_cancellation":
            ids = list(self._unasked) or [self._desk.new_id("call")]
            self._unasked.clear()
            self._desk.say(self._conn, {"toolCallCancellation": {"ids": ids}})
        else:
            self._handles.give(self.session, self.context, self._branch, self._consumed, now)

    def _beat(self, at: float) -> None:
        """Send the update that the clock asks for."""
        self.update(at)
        every = self._desk.script.updates.every_seconds
        if every is not None:
            self._desk.arm(self._conn, "rhythm", at + every)

    def _check_silence(self, at: float) -> None:
        """End the speech if nothing was heard for long enough; look again later if something was."""
        self._listening = False
        silence = self._desk.script.vad_silence
        if silence is None or not self.context.audio_frames or self.context.activity:
            return
        over_at = self._last_audio + silence
        if over_at > at:
            self._listen(over_at)
        else:
            self._demand(at)

    def _step(self, at: float) -> None:
        """Let the turn go on."""
        turn = self._turn
        assert turn is not None
        delay = turn.step(self.context.size, vertex=self.session.backend == "vertex")
        if delay is not None:
            self._desk.arm(self._conn, "turn", at + delay)
        elif turn.phase == "over":
            self._turn = None
            self._after_turn(at)

    def end(self) -> None:
        """Note that the connection has ended: so has everything that was going on."""
        self._drop_turn("lost")

    def _apply(self, message: ClientFrame, now: float) -> CloseCause | None:
        match message:
            case Malformed():
                return message.close
            case Setup():
                return CLOSES["invalid_argument"]
            case Content():
                seeds = self._resumed and self._consumed == 1 and message.from_model
                if seeds and self._desk.script.refuse_seed_on_resume:
                    return CLOSES["invalid_argument"]
                self._take_content(message, now)
            case Realtime():
                for kind, payload in message.items:
                    self._take(kind, payload, now)
            case ToolResponse():
                self._note("tool_response", message.ids, now)
                self._take_responses(message.ids, now)
            case ContextUpdate():
                self._note("context_update", "", now)
            case _:
                assert_never(message)
        return None

    def _note(self, kind: Kind, payload: Payload, now: float) -> None:
        self._branch.items.append(Consumed(kind, payload, self._conn, self._consumed, now))

    def _take_content(self, content: Content, now: float) -> None:
        self._note("content", content.text, now)
        self._interrupt(now)
        self.context.read(content.text)
        if not content.turn_complete:
            return
        if self._history:
            self._history = False
            self.context.forget_said()
        else:
            self._demand(now)

    def _hear(self, audio: bytes, now: float) -> None:
        """Take in one audio frame. Nearly all frames are: it goes straight, past what the others need."""
        script = self._desk.script
        kept = audio if script.keep_bytes is None else audio[: script.keep_bytes]
        self._branch.items.append(Consumed("audio", kept, self._conn, self._consumed, now))
        self.context.hear(audio)
        if script.audio_interrupts:
            self._interrupt(now)
        self._heard_audio(now)

    def _take(self, kind: Kind, payload: Payload, now: float) -> None:
        if kind == "audio" and isinstance(payload, bytes):
            self._hear(payload, now)
            return
        self._note(kind, payload if isinstance(payload, str) else payload[: self._desk.script.keep_bytes], now)
        context = self.context
        if kind == "video":
            context.video = True
            context.size += len(payload)
        elif kind == "text" and isinstance(payload, str):
            self._interrupt(now)
            context.read(payload)
            self._demand(now)
        elif kind == "activity_start":
            self._interrupt(now)
            context.activity = True
        elif kind == "activity_end" and context.activity:
            context.activity = False
            self._demand(now)
        elif kind == "stream_end" and context.audio_frames and not context.activity:
            self._demand(now)

    def _heard_audio(self, now: float) -> None:
        """Watch for the end of speech. The timer is not moved by every frame: it looks again when it is due."""
        self._last_audio = now
        script = self._desk.script
        if self._listening and script.vad_frames is None:
            return
        if self.context.activity or not self._setup.automatic:
            return
        if script.vad_frames is not None and self.context.audio_frames >= script.vad_frames:
            self._demand(now)
        elif script.vad_silence is not None and not self._listening:
            self._listen(now + script.vad_silence)

    def _listen(self, until: float) -> None:
        """Look then whether speech has ended."""
        self._listening = True
        self._desk.arm(self._conn, "speech", until)

    def _demand(self, now: float) -> None:
        """Answer what was said: now, or when the turn in progress is over.

        Raises:
            ModelFailed: there is no answer.
        """
        if self._swallow:
            self._swallow = False
            self.context.forget_said()
            return
        said: TurnInput = self.context.begin_turn()
        answer = ask(self._desk.script.model, said)
        emitted = Emitted(said, self._conn)
        self.session.began(emitted)
        if answer.silent:
            emitted.ended = "silent"
        elif self._turn:
            self._owed.append((emitted, answer))
        else:
            self._begin(emitted, answer, now)

    def _begin(self, emitted: Emitted, answer: Answer, now: float) -> None:
        self._turn = Turn(self._desk, self._conn, self._setup, answer, emitted)
        self._handles.announce_busy()
        self._turn.hear()
        self._desk.arm(self._conn, "turn", now + self._turn.next_delay())

    def _take_responses(self, ids: tuple[str, ...], now: float) -> None:
        pending = self._turn.pending if self._turn else {}
        unawaited = [call for call in ids if call not in pending and call not in self._unasked]
        for call in unawaited:
            here = self._desk.callers.get(call) == self._conn
            (self.session.late_tool_responses if here else self.session.stray_tool_responses).append(call)
        for call in ids:
            self._unasked.pop(call, None)
        if unawaited and self._desk.script.stray_tool_response == "swallow":
            self._swallow = True
            self._drop_turn("swallowed")
        elif self._turn and self._turn.respond(ids):
            self._desk.arm(self._conn, "turn", now + self._turn.next_delay())

    def _interrupt(self, now: float) -> None:
        if self._turn:
            self._turn.interrupt()
            self._drop_turn("interrupted")
            self._after_turn(now)

    def _drop_turn(self, how: Literal["interrupted", "lost", "swallowed"]) -> None:
        """End the turn in progress without another word, and those that wait for it."""
        if self._turn:
            self._turn.end(how)
            self._turn = None
            self._desk.disarm(self._conn, "turn")
        for emitted, _ in self._owed:
            emitted.ended = how
        self._owed.clear()

    def _after_turn(self, now: float) -> None:
        updates = self._desk.script.updates
        if updates.after_turn and self._handles.wanted:
            self._desk.arm(self._conn, "late", now + updates.late)
        if self._owed:
            self._begin(*self._owed.popleft(), now)
