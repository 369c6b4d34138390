"""The store at the core level: `relive.runtime.keeper` without an event loop. It asks the same simulated store."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from relive.core import events as ev
from relive.core.checkpoint import Checkpoint, digest
from relive.core.policy import Policy
from relive.ports import HandleStore, Stored
from relive.runtime.keeper import TRY_AGAIN, TRY_AGAIN_LATER, compared
from relive.testing.simulation.core_time import Alarm, Run, Timeline


class Keeper:
    """Saves: the newest wins, one at a time, each with a time limit; what fails is told, and tried again later.

    Args:
        store: where to.
        key: under which name.
        policy: the numbers.
        time: its time.
        bound: what checkpoints are bound to: the model, and the backend.
        trouble: where failures are told.
    """

    def __init__(
        self,
        store: HandleStore,
        key: str,
        policy: Policy,
        *,
        time: Timeline,
        bound: tuple[str, str],
        trouble: Callable[[str, str], None],
    ) -> None:
        self.errors = 0
        self._store = store
        self._key = key
        self._policy = policy
        self._time = time
        self._bound = bound
        self._trouble = trouble
        self._generation = (0, 0)
        self._unsaved: Checkpoint | None = None
        self._condemned: list[str] = []
        self._dead: set[str] = set()
        self._failed: set[str] = set()
        self._wait = TRY_AGAIN
        self._again: Alarm | None = None
        self._runs: dict[Run, Alarm] = {}
        self._busy = False
        self._ended = self._done = self._taken = False
        self._rested: Callable[[], None] | None = None
        self._patience: Alarm | None = None

    def begin(self) -> None:
        """From now on what is to be saved is saved."""
        self._busy = True
        self._time.soon(self._begin)

    def _begin(self) -> None:
        self._generation = (int(self._time.wall() * 1000), 0)  # a session that begins later is newer
        self._work()

    def load(self, then: Callable[[ev.Event], None]) -> None:
        """Ask for what the store holds, compared with what it would be used for."""

        def loaded(stored: Stored | None, error: Exception | None) -> None:
            if error is not None:
                self._fail("load", error)
            then(compared(stored, *self._bound, self._policy.bind_to) if error is None else ev.CheckpointNotLoaded())

        self._run(self._store.load(self._key), self._policy.load_timeout, loaded)

    def save(self, checkpoint: Checkpoint) -> None:
        """Have this kept; an older one that still waits is not saved at all."""
        self._unsaved = checkpoint
        self._rouse()

    def condemn(self, handle: str) -> None:
        """Have a tombstone put up."""
        tombstone = digest(handle)
        self._dead.add(tombstone)
        self._condemned.append(tombstone)
        self._rouse()

    def end(self) -> None:
        """Save what is unsaved, and stop."""
        self._ended = True
        self._rouse()

    def rest(self, within: float, then: Callable[[], None]) -> None:
        """Wait so many seconds for the last save."""
        if self._done:
            self._time.soon(then)
            return
        self._rested = then
        self._patience = self._time.at(self._time.now + within, self._out_of_patience)

    def _out_of_patience(self) -> None:
        self._fail("the last save", TimeoutError())
        self._finish()
        self.stop()

    def stop(self) -> None:
        """Break off whatever is under way."""
        self._done = True
        for run, alarm in self._runs.items():
            alarm.cancel()
            run.cancel()
        self._runs.clear()
        if self._again is not None:
            self._again.cancel()
        if self._patience is not None:
            self._patience.cancel()

    def _rouse(self) -> None:
        if not (self._busy or self._done):
            self._busy = True
            if self._again is not None:
                self._again.cancel()
            self._time.soon(self._work)

    def _work(self) -> None:
        """Do the next thing; at its end comes the one after."""
        if self._done:
            return
        policy = self._policy
        if self._condemned and not self._taken and "condemn" not in self._failed:
            work = self._store.condemn(self._key, self._condemned[0], ttl=policy.handle_ttl)
            self._run(work, policy.save_timeout, self._condemned_it)
        elif self._unsaved is not None and not self._taken and "save" not in self._failed:
            checkpoint, self._unsaved = self._unsaved, None
            if digest(checkpoint.handle) in self._dead:
                self._work()
                return
            epoch, sequence = self._generation
            self._generation = (epoch, sequence + 1)
            work = self._store.save(self._key, checkpoint, generation=self._generation, ttl=policy.handle_ttl)
            self._run(work, policy.save_timeout, partial(self._saved, checkpoint))
        else:
            self._rest()

    def _rest(self) -> None:
        """Wait for more to do, or for the time to try again what failed."""
        self._busy = False
        self._failed.clear()
        if self._ended:
            self._done = True
            self._finish()
            return
        settled = self._taken or not (self._condemned or self._unsaved is not None)
        self._again = None if settled else self._time.at(self._time.now + self._wait, self._rouse)
        self._wait = TRY_AGAIN if settled else min(2 * self._wait, TRY_AGAIN_LATER)

    def _finish(self) -> None:
        rested, self._rested = self._rested, None
        if self._patience is not None:
            self._patience.cancel()
        if rested is not None:
            self._time.soon(rested)

    def _saved(self, checkpoint: Checkpoint, kept: bool | None, error: Exception | None) -> None:
        if error is not None:
            self._fail("save", error)
            if self._unsaved is None:  # else a newer one came meanwhile, and is saved instead
                self._unsaved = checkpoint
                self._failed.add("save")
        elif not kept:
            self._taken = True
            self._trouble("session_taken", "another worker owns this key now; nothing more is saved from here")
        self._work()

    def _condemned_it(self, _result: object, error: Exception | None) -> None:
        if error is not None:
            self._fail("condemn", error)
            self._failed.add("condemn")
        else:
            self._condemned.pop(0)
        self._work()

    def _run(
        self, work: Coroutine[Any, Any, Any], timeout: float, done: Callable[[Any, Exception | None], None]
    ) -> None:
        """Run something of the store's, for so many seconds at most."""

        def over(result: Any, error: Exception | None) -> None:
            self._runs.pop(run).cancel()
            done(result, error)

        def too_long() -> None:
            if run in self._runs:  # it may have been broken off at this very instant
                run.cancel()
                over(None, TimeoutError())

        run = Run(self._time, work, over)
        self._runs[run] = self._time.at(self._time.now + timeout, lambda: self._time.soon(too_long))
        run.step()

    def _fail(self, what: str, exc: Exception) -> None:
        self.errors += 1
        # The text of a foreign exception may quote what was being saved: name its kind only.
        self._trouble("store_error", f"{what} failed: {type(exc).__name__}")
