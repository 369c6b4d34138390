"""One process of a client at the core level: a session, somebody who talks, and somebody who listens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from relive.errors import CommandError, SessionFailed
from relive.testing.simulation.core_ear import Ear
from relive.testing.simulation.core_mouth import Mouth
from relive.testing.simulation.core_session import Session
from relive.testing.simulation.core_time import Timeline
from relive.testing.simulation.history import Ledger
from relive.testing.simulation.recording import Scribe
from relive.testing.simulation.stray import stray


class Process:
    """Runs one life of a client.

    Args:
        ledger: the client.
        scribe: writes this life down.
        time: its time.
        make: makes its session, of which it is the application.
    """

    def __init__(self, ledger: Ledger, scribe: Scribe, time: Timeline, make: Callable[[Process], Session]) -> None:
        self.scribe = scribe
        self.user = ledger.user
        self.time = time
        self.over = False
        "The session has ended, or the process has crashed."
        scribe.life.audio_from = len(ledger.audio)
        self.at_end: Callable[[], None] | None = None
        "Called when the session has ended by itself."
        self._up: Callable[[bool], None] | None = None
        self.session = session = make(self)
        self.mouth = Mouth(ledger, scribe, session, time, self._ended)
        self.ear = Ear(
            ledger.user,
            scribe,
            time,
            session.policy.output_limit,
            rouse=self.mouth.rouse,
            room=session.room,
            ended=lambda: self._ended("receive"),
        )
        session.deliver_to(self.ear)

    @property
    def at_rest(self) -> bool:
        """Whether the session has recovered: it is over, or up with everything written."""
        lifecycle = self.session.lifecycle
        return self.over or (lifecycle.state == "ACTIVE" and not lifecycle.journal.waiting)

    def open(self, handle: str | None, up: Callable[[bool], None], *, eager: bool) -> None:
        """Open the session; `up` is told whether it came up. `eager`: the user does not wait for that."""
        self._up = up
        if eager:
            self.mouth.open()
        self.time.soon(lambda: self.session.start(handle))

    def opened(self) -> None:
        """The session has come up, or ended before it had."""
        up, self._up = self._up, None
        if up is None:
            return
        if self.session.failure is not None:
            self.session.close(lambda: self._not_opened(up))
        elif self.over:
            up(False)
        else:
            self.mouth.open()
            self.ear.open()
            self.time.soon(lambda: up(True))  # the user begins first

    def _not_opened(self, up: Callable[[bool], None]) -> None:
        self._ended("start")
        up(False)

    def ended(self) -> None:
        """The session has ended: no frame follows."""
        self.ear.last()
        self.mouth.written()

    def written(self) -> None:
        """Less waits to be written than before."""
        self.mouth.written()

    def close(self, then: Callable[[], None]) -> None:
        """Close the session, and see how it leaves."""
        self.over = True
        self.mouth.shut()
        before = self.time.now
        self.session.close(lambda: self._closed(before, then))

    def _closed(self, before: float, then: Callable[[], None]) -> None:
        life, scribe, journal, now = self.scribe.life, self.scribe, self.session.journal, self.time.now
        life.closing = now - before
        self.ear.finish()
        life.ended = now
        life.stats = self.session.stats()
        scribe.cut(now, len(journal.waiting), len(journal.written))
        scribe.all_delivered()
        life.passed_over, life.passed_over_control = scribe.kept_back, scribe.kept_back_control
        life.made = scribe.made
        failure = self.session.failure
        if isinstance(failure, SessionFailed):
            life.failure = failure.failure
        scribe.note("end", life.state, life.failure.cause if life.failure is not None else "")
        then()

    def die(self) -> None:
        """Stop as a killed process does: nothing it still does is seen."""
        life, journal = self.scribe.life, self.session.journal
        life.stats, life.crashed, life.ended = self.session.stats(), True, self.time.now
        self.scribe.cut(self.time.now, len(journal.waiting), len(journal.written))
        self.scribe.note("crash", life.state, len(journal.waiting) + len(journal.written))
        self.scribe.mute = self.over = True
        self.mouth.shut()
        self.ear.deafen()
        self.session.die()

    def stray(self, fact: str) -> None:
        """Tell the machine what comes too late, or again: not what it waits for, and no command it could obey."""
        event = stray(fact, self.session.lifecycle)
        if event is not None:
            with contextlib.suppress(CommandError):  # a final state has ears for few
                self.session.tell(event)

    def _ended(self, where: str) -> None:
        error = self.session.failure
        self.scribe.life.errors[where] = type(error).__name__
        if isinstance(error, SessionFailed):
            self.scribe.life.failure = error.failure
        self.over = True
        self.mouth.shut()
        at_end, self.at_end = self.at_end, None
        if at_end is not None:
            at_end()
