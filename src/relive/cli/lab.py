"""The demo's server: a `FakeLiveServer` on which one fault after another strikes, each at its frame or chunk.

It looks at what the server consumed and sent, step by step, so a fault strikes at the same place of a conversation
even where the machine is so busy that much is overdue.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, assert_never

import attrs

from relive.cli.plan import GO_AWAY_SECONDS, Fault, Storyteller, number_of
from relive.testing.server import FakeLiveServer
from relive.testing.server_desk import Send, ServerOutput
from relive.testing.server_script import CLOSES, ServerScript, Updates
from relive.testing.server_truth import Session, Snapshot

_HANDLES: Final = Updates(every_frames=25)
_NO_HANDLES: Final = Updates(after_turn=False)
_MODEL_TURN: Final = b'"modelTurn"'
SCRIPT: Final = ServerScript(model=Storyteller(), updates=_HANDLES, vad_silence=None)
"Handles come after each turn and with every 25th message in between; speech ends where the user says so."


class Lab(FakeLiveServer):
    """A fake server that can be told what will go wrong next."""

    def __init__(self, seed: int, on_fault: Callable[[Fault], None] = lambda _: None) -> None:
        """Nothing will go wrong yet."""
        super().__init__(SCRIPT, seed=seed)
        self.changed: Callable[[], None] = lambda: None
        "Called whenever something was consumed, or went wrong."
        self.struck: list[Fault] = []
        "What has gone wrong so far."
        self.last_frame = 0
        "Number of the newest microphone frame consumed."
        self._on_fault = on_fault
        self._fault: Fault | None = None
        self._speech_from = 0
        self._chunks = 0
        self._looked = 0
        self._expired: dict[str, Snapshot] = {}

    def expect(self, fault: Fault | None, speech_from: int) -> None:
        """Have this strike in the turn that begins now; its speech begins after that frame."""
        self._fault = fault
        self._speech_from = speech_from
        self._chunks = 0

    def answer_heard(self, now: float) -> None:
        """Learn that the user has heard an answer to its end. The host's `flush` is to be called afterwards."""
        if self._fault is not None and self._fault.place == "after":
            self.advance(now)
            self._strike(self.live[-1])

    def at_rest(self, turns: int, handle: str) -> bool:
        """Say whether so many turns have been answered for good, and this handle covers the last of them."""
        answers = [answer for session in self.sessions for answer in session.answers if answer.ended == "completed"]
        snapshot = self.snapshot(handle)
        if len(answers) < turns or snapshot is None or snapshot.session is not self.sessions[-1]:
            return False
        return snapshot.context.turn >= answers[-1].turn

    def snapshot(self, handle: str) -> Snapshot | None:
        """Return what a handle stands for, or stood for."""
        return self._desk.snapshots.get(handle) or self._expired.get(handle)

    def receive(self, conn: int, frame: str | bytes, now: float) -> None:
        """Take a client frame, and look whether a fault is due."""
        super().receive(conn, frame, now)
        session = self.session_of(conn)
        if session is not None:
            self._look_at_input(conn, session)
        self._look_at_output()
        self.changed()

    def advance(self, now: float) -> None:
        """Let time pass from one thing to the next, and look at each whether a fault is due."""
        while (due := self.deadline) is not None and due <= now:
            super().advance(due)
            self._look_at_output()
        super().advance(now)

    def take(self) -> list[ServerOutput]:
        """Take what is to be done to connections."""
        self._looked = 0
        return super().take()

    def expire_handles(self, now: float) -> None:
        """Make all handles unknown; what they stood for is remembered for the account."""
        self._expired |= self._desk.snapshots
        super().expire_handles(now)

    def _look_at_input(self, conn: int, session: Session) -> None:
        newest = session.consumed[-1:]
        if not newest or newest[0].kind != "audio" or not isinstance(newest[0].payload, bytes):
            return
        self.last_frame = max(self.last_frame, number_of(newest[0].payload) or 0)
        fault = self._fault
        if fault is not None and fault.place == "speech" and self.last_frame >= self._speech_from + fault.at:
            self._strike(conn)

    def _look_at_output(self) -> None:
        fresh = self._desk.outputs[self._looked :]
        self._looked += len(fresh)
        for output in fresh:
            if isinstance(output, Send) and isinstance(output.frame, bytes) and _MODEL_TURN in output.frame:
                self._chunks += 1
                if self._fault is not None and self._fault.place == "after":
                    self.script = attrs.evolve(SCRIPT, updates=_NO_HANDLES)  # the handle of this answer is late
                if self._fault is not None and self._fault.place == "answer" and self._chunks == self._fault.at:
                    self._strike(output.conn)

    def _strike(self, conn: int) -> None:
        fault, now = self._fault, self._now
        if fault is None:
            return
        self._fault = None
        self.script = SCRIPT
        self.struck.append(fault)
        self._on_fault(fault)
        if fault.refused:
            self.refuse_next(503)
        match fault.kind:
            case "go_away":
                self.go_away(conn, GO_AWAY_SECONDS, now)
            case "go_away_now":
                # Some servers fall silent at once; the connection would be cut only much later.
                self.script = attrs.evolve(SCRIPT, after_go_away="silence")
                self.go_away(conn, None, now)
                self.script = SCRIPT
            case "reset":
                self.reset(conn, now)
            case "close":
                self.close(conn, *CLOSES["internal_error"], now)
            case "expire":
                self.expire_handles(now)
                self.close(conn, *CLOSES["operation_aborted"], now)
            case _:
                assert_never(fault.kind)
        self.changed()
