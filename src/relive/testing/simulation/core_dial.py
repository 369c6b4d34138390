"""Opening connections at the core level: `relive.runtime.dialling` without an event loop."""

from __future__ import annotations

import json
from collections import deque
from typing import Any, Final

from relive.core import events as ev
from relive.core.closes import Dropped
from relive.ports import Opening
from relive.testing.links import Hang
from relive.testing.simulation.core_host import End, Host
from relive.testing.simulation.core_link import Owner, dropped
from relive.testing.simulation.history import Dialled
from relive.testing.simulation.live import MODEL

_COMPRESSED: Final[dict[str, Any]] = {"contextWindowCompression": {"slidingWindow": {}}}


def setup_frame(opening: Opening, *, compressed: bool, transparent: bool) -> str:
    """The first frame of a connection, as `relive.transports.memory` writes it."""
    resumption: dict[str, Any] = {"transparent": True} if transparent else {}
    if opening.handle is not None:
        resumption["handle"] = opening.handle
    setup: dict[str, Any] = {**(_COMPRESSED if compressed else {}), "model": MODEL, "sessionResumption": resumption}
    if opening.seeded:
        setup["historyConfig"] = {"initialHistoryInClientContent": True}
    return json.dumps({"setup": setup})


class Limiter:
    """Lets so many dials run at a time; the others wait their turn, first come, first served."""

    def __init__(self, limit: int = 32) -> None:
        self._left = limit
        self._waiting: deque[Dial] = deque()

    def enter(self, dial: Dial) -> bool:
        """Whether it may go on now; else it is called later."""
        if self._left:
            self._left -= 1
            return True
        self._waiting.append(dial)
        return False

    def leave(self, dial: Dial) -> None:
        """A dial is over, or no longer wanted."""
        if dial in self._waiting:
            self._waiting.remove(dial)
        elif self._waiting:
            dial.time.soon(self._waiting.popleft().go)
        else:
            self._left += 1


class Dial:
    """An attempt to open a connection: the dial, and the setup.

    Args:
        opening: what is asked for.
        setup: the first frame.
        owner: is told.
        path: what is dialled.
        host: whom to dial.
        limiter: keeps a herd from dialling all at once.
        conns: where the client of each of the server's connections is noted.
    """

    def __init__(
        self,
        opening: Opening,
        setup: str,
        owner: Owner,
        *,
        path: str,
        host: Host,
        limiter: Limiter,
        conns: dict[int, int],
    ) -> None:
        self.time = owner.time
        self._opening = opening
        self._setup = setup
        self._path = path
        self._owner = owner
        self._host = host
        self._limiter = limiter
        self._conns = conns
        self._end: End | None = None
        self._over = self._entered = self._noted = self._welcomed = self._greeted = False
        self.time.soon(self._begin)

    def _begin(self) -> None:
        if not self._over:
            self._entered = True
            if self._limiter.enter(self):
                self.go()

    def go(self) -> None:
        """It is our turn."""
        if self._over:
            return
        opening, scribe = self._opening, self._owner.scribe
        self._owner.tell(ev.DialStarted(opening.number))
        name = scribe.history.name(opening.handle)
        scribe.note("open", "resume" if opening.handle else "fresh", [opening.number, name, opening.seeded])
        self._noted = True
        end = self._host.dial(self._path)
        if end is None:
            self._failed(Dropped(None, "", "opening", None, "network"))
        elif not isinstance(end, Hang):
            self._end = end
            end.reader = self._read
            self._read()

    def _read(self) -> None:
        end = self._end
        if self._over or end is None:
            return
        if not self._welcomed:
            if end.refusal is not None:
                self._failed(Dropped(None, end.refusal.body, "opening", end.refusal.status, "server"))
                return
            if end.welcome:
                self._welcomed = True
                scribe = self._owner.scribe
                self._conns[end.conn] = scribe.client
                scribe.history.dialled[end.conn] = Dialled(scribe.client, scribe.life.number, scribe.conn)
                self._greet()
            elif end.closed is not None:
                self._failed(Dropped(None, "", "opening", None, "network"))
                return
        if not self._greeted:
            return
        if end.frames:
            self._answered(end, end.frames.popleft())
        elif end.closed is not None and self._welcomed:
            self._owner.scribe.note("gone", "", [end.closed.code, end.closed.reason])
            self._failed(dropped(end.closed, "opening"))

    def _greet(self) -> None:
        """Send the setup."""
        if self._over or self._end is None:
            return
        if self._owner.clogged:
            self._owner.unclogged.append(self._greet)
        else:
            self._owner.scribe.flow[1] += 1
            if self._end.send(self._setup):
                self._greeted = True
                self.time.soon(self._read)
            elif self._end.closed is not None:
                self._failed(dropped(self._end.closed, "opening"))

    def _answered(self, end: End, frame: str | bytes) -> None:
        try:
            up: Any = json.loads(frame)["setupComplete"]
        except (ValueError, TypeError, KeyError):
            up = None
        if up is None:
            self._cut(end)
            self._failed(Dropped(None, "the first frame was not setupComplete", "opening"))
            return
        end.reader = None
        self._owner.scribe.note("up", "", [self._opening.number])
        self._leave()
        self._owner.up(self._opening.number, end)

    def _cut(self, end: End) -> None:
        if end.closed is None:
            if self._welcomed:
                self._owner.scribe.note("left", "abort")
            end.abort()

    def _failed(self, drop: Dropped) -> None:
        number = self._opening.number
        self._owner.scribe.note("refused", drop.origin, [number, drop.code, drop.status, drop.reason])
        self._leave()
        self._owner.tell(ev.OpenFailed(number, drop.without(self._opening.handle)))

    def _leave(self) -> None:
        self._over = True
        self._limiter.leave(self)

    def abandon(self) -> None:
        """It is no longer wanted."""
        if self._over:
            return
        self._over = True
        if self._entered:
            self._limiter.leave(self)
        if self._end is not None:
            self._end.reader = None
            self._cut(self._end)
        if self._noted:
            self._owner.scribe.note("refused", "given up", [self._opening.number, None, None, ""])
