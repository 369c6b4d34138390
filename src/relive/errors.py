"""Everything relive raises, and whose fault it is.

::

    ReliveError
    ├── UsageError                 you: the call cannot be right
    │   ├── SettingError             a setting has a wrong value (also a ValueError)
    │   ├── MissingExtra             an extra is not installed (also a ModuleNotFoundError)
    │   ├── CommandError             not in this state: sending after close, entering twice (also a RuntimeError)
    │   └── ReceiverBusy             two receivers at once (also a RuntimeError)
    ├── TableError                 you: a table that cannot work (also a ValueError)
    ├── SessionTaken               they: another worker owns this session
    ├── SessionClosed              you: the session was closed by this side
    ├── StoreError                 they: a store did not do what it was asked; sessions go on
    │   ├── StoreUnavailable         it cannot be reached, or written, now: try later
    │   └── StoreUnreadable          what it holds cannot be used: look after it, nothing was overwritten
    ├── SessionFailed              they: the session was given up; `failure` says why
    └── SendBufferFull             they: nothing could be written for too long; the session goes on

What a session raises to its receivers is a `SessionFailed` that is the SDK's ``APIError`` as well; to its senders one
that is ``websockets.ConnectionClosedError`` as well (`relive.session`). Errors carry fields; ``str()`` makes the
sentence.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from relive.core.effects import Failure


class ReliveError(Exception):
    """The root of everything that relive raises."""


class UsageError(ReliveError):
    """The call cannot be right, whatever the network does."""


class SettingError(UsageError, ValueError):
    """A setting has a value that it cannot have."""

    def __init__(self, name: str, value: object, expected: str) -> None:
        self.name = name
        self.value = value
        self.expected = expected
        super().__init__(name, value, expected)

    def __str__(self) -> str:
        return f"{self.name} is {self.value!r}, but must be {self.expected}"


class MissingExtra(UsageError, ModuleNotFoundError):
    """What was asked for needs packages that only an extra of relive brings."""

    def __init__(self, who: str, *lacking: str, extra: str) -> None:
        self.who = who
        self.lacking = lacking
        "What is not there."
        self.extra = extra
        super().__init__(who, *lacking)

    def __reduce__(self) -> tuple[partial[MissingExtra], tuple[str, ...]]:
        return partial(MissingExtra, extra=self.extra), (self.who, *self.lacking)

    def __str__(self) -> str:
        lacking = ", ".join(self.lacking)
        return f"{self.who} needs {lacking}: install the extra with  pip install 'relive[{self.extra}]'"


class CommandError(UsageError, RuntimeError):
    """The session cannot do this in its state."""

    def __init__(self, command: str, state: str) -> None:
        self.command = command
        self.state = state
        super().__init__(command, state)

    def __str__(self) -> str:
        return f"cannot {self.command}: the session is {self.state}"


class ReceiverBusy(UsageError, RuntimeError):
    """Somebody else is receiving on this session; a frame can go to one receiver only."""

    def __str__(self) -> str:
        return "another task is receiving on this session; receive in one task and hand messages on from there"


class TableError(ReliveError, ValueError):
    """A table of the machine cannot work. `problems` names each fault."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__(problems)

    def __str__(self) -> str:
        return "this table cannot work: " + "; ".join(self.problems)


class SessionTaken(ReliveError):
    """Another worker owns this session, and it was not given up in time (`Policy.lease_wait`)."""

    def __init__(self, owner: str, left: float) -> None:
        self.owner = owner
        self.left = left
        super().__init__(owner, left)

    def __str__(self) -> str:
        return f"this session belongs to {self.owner or 'another worker'}, for {self.left:.0f} s or until it lets go"


class SessionClosed(ReliveError):
    """The session was closed by this side."""

    def __str__(self) -> str:
        return "the session is closed; open another with relive.connect()"


class StoreError(ReliveError):
    """A store did not do what it was asked. Never says what was to be stored: handles are secrets."""

    def __init__(self, where: str, problem: str) -> None:
        self.where = where
        self.problem = problem
        super().__init__(where, problem)

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


class StoreUnavailable(StoreError):
    """The store cannot be reached, or cannot be written, now. Sessions go on, and try again with the next handle."""


class StoreUnreadable(StoreError):
    """What the store holds cannot be used: it is broken, somebody else's, or sealed with a key that is not there."""


class SessionFailed(ReliveError):
    """The session was given up."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        Exception.__init__(self, failure)  # the classes that join it in `relive.session` have constructors of their own

    def __str__(self) -> str:
        drop = self.failure.drop
        said = ""
        if drop is not None:
            code = drop.code if drop.code is not None else drop.status
            said = " after " + " ".join(str(part) for part in (code, drop.reason) if part not in (None, ""))
        advice = f": {self.failure.detail}" if self.failure.detail else ""
        return f"the session failed ({self.failure.cause}{said}){advice}"


class SendBufferFull(ReliveError):
    """Nothing could be written for too long, and no more can be kept. The session goes on; this frame is not in it."""

    def __init__(self, waiting: int, limit: int) -> None:
        self.waiting = waiting
        self.limit = limit
        super().__init__(waiting, limit)

    def __str__(self) -> str:
        return f"{self.waiting} bytes wait to be written, {self.limit} may: the frame was not accepted; try again later"
