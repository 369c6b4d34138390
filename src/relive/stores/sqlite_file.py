"""The file of a `SqliteStore`, as its thread sees it: everything here may wait for a disk, or for another process."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from relive.errors import StoreError, StoreUnavailable, StoreUnreadable
from relive.ports import Lease
from relive.stores.forks import close_before_forks
from relive.stores.record import MEMORY, Record, decode_checkpoint, unreadable

P = ParamSpec("P")
T = TypeVar("T")

_OURS: Final = 0x72656C76
"Says in the file's header whose it is: ``relv``."
_SCHEMA: Final = 1
_SWEEP: Final = 3600.0
"Seconds after which what has run out is looked for again."
_MOMENT: Final = 0.005
"Seconds between two attempts to change a file that another process is changing."

_CREATE: Final = (
    """CREATE TABLE sessions (
        key TEXT PRIMARY KEY,
        checkpoint TEXT,
        epoch INTEGER NOT NULL DEFAULT 0,
        sequence INTEGER NOT NULL DEFAULT 0,
        expires REAL NOT NULL DEFAULT 0,
        claimed INTEGER NOT NULL DEFAULT 0,
        owner TEXT NOT NULL DEFAULT '',
        owned_until REAL NOT NULL DEFAULT 0,
        term REAL NOT NULL DEFAULT 0
    )""",
    "CREATE TABLE condemned (key TEXT, digest TEXT, falls REAL NOT NULL, PRIMARY KEY (key, digest)) WITHOUT ROWID",
    f"PRAGMA application_id = {_OURS}",
    f"PRAGMA user_version = {_SCHEMA}",
)

# One statement each, so that nobody can come in between a question and its answer, or another question.
_WHOSE: Final = """
    SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)
    FROM pragma_application_id, pragma_user_version"""
_SAVE: Final = """
    INSERT INTO sessions (key, checkpoint, epoch, sequence, expires) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET
        checkpoint = excluded.checkpoint, epoch = excluded.epoch, sequence = excluded.sequence,
        expires = excluded.expires
    WHERE (excluded.epoch, excluded.sequence) >= (epoch, sequence) AND excluded.epoch >= claimed"""
_CONDEMN: Final = """
    INSERT INTO condemned (key, digest, falls) VALUES (?, ?, ?)
    ON CONFLICT (key, digest) DO UPDATE SET falls = max(falls, excluded.falls)"""
_OWN: Final = """
    INSERT INTO sessions (key, claimed, owner, owned_until, term) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET
        claimed = excluded.claimed, owner = excluded.owner, owned_until = excluded.owned_until, term = excluded.term"""

_UNAVAILABLE: Final = {
    sqlite3.SQLITE_BUSY: "another process has been writing to it for too long",
    sqlite3.SQLITE_LOCKED: "another process has been writing to it for too long",
    sqlite3.SQLITE_READONLY: "it may only be read",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_IOERR: "the disk cannot be read or written",
}
_UNREADABLE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_TYPES: Final = (int, int, float, int, bytes, float, float)
"What the columns after a checkpoint must hold: in a file that is broken anything may stand in any of them."


def _mapped(
    method: Callable[Concatenate[SqliteFile, P], T],
) -> Callable[Concatenate[SqliteFile, P], T]:
    """What SQLite and the file system raise, in our words. The connection is made anew after it."""

    def mapped(self: SqliteFile, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            with self.in_use:
                return method(self, *args, **kwargs)
        except sqlite3.Error as exc:
            error = _error(self.where, exc)
        except OSError as exc:
            self.close()
            raise StoreUnavailable(self.where, exc.strerror or type(exc).__name__) from exc
        except StoreError:
            self.close()
            raise
        self.close()
        raise error  # here, so that it does not have for its context what may quote a handle

    return mapped


class SqliteFile:
    """A file of sessions, and the one connection to it, which is made when it is first needed."""

    def __init__(self, path: Path, patience: float) -> None:
        self.where = str(path)
        self.in_use = threading.RLock()
        self._path = path
        self._patience = patience
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        self._swept = float("-inf")
        close_before_forks(self)

    @_mapped
    def load(self, key: str, now: float) -> tuple[bytes | None, frozenset[str]]:
        """The text of a checkpoint, if it has not run out, and its tombstones."""
        database = self._open(make=False)
        if database is None:
            return None, frozenset()
        with _together(database, "DEFERRED"):
            found = database.execute("SELECT checkpoint FROM sessions WHERE key = ? AND expires > ?", (key, now))
            (text,) = found.fetchone() or (None,)
            found = database.execute("SELECT digest FROM condemned WHERE key = ? AND falls > ?", (key, now))
            if not isinstance(text, bytes | None):
                raise unreadable(self.where)
            return text, frozenset(_text(digest) for (digest,) in found)

    @_mapped
    def save(self, key: str, text: str, generation: tuple[int, int], expires: float, now: float) -> bool:
        """Keep the text of a checkpoint, unless a newer generation is there, or was claimed."""
        return self._writable(now).execute(_SAVE, (key, text, *generation, expires)).rowcount == 1

    @_mapped
    def condemn(self, key: str, digest: str, falls: float, now: float) -> None:
        """Put up a tombstone."""
        self._writable(now).execute(_CONDEMN, (key, digest, falls))

    @_mapped
    def delete(self, key: str) -> None:
        """Forget a session."""
        database = self._open(make=False)
        if database is not None:
            with _together(database):
                database.execute("DELETE FROM sessions WHERE key = ?", (key,))
                database.execute("DELETE FROM condemned WHERE key = ?", (key,))

    @_mapped
    def claim(self, key: str, owner: str, now: float, ttl: float) -> Lease:
        """Own a session, if nobody does."""
        database = self._writable(now)
        with _together(database):
            record = self._leased(database, key) or Record()
            lease = record.claim(owner, now, ttl)
            if lease.owner == owner:
                database.execute(_OWN, (key, record.epoch, record.owner, record.owned_until, record.term))
            return lease

    @_mapped
    def renew(self, key: str, lease: Lease, now: float, ttl: float) -> bool:
        """Own it further, if nobody has claimed it since."""
        database = self._writable(now)
        with _together(database):
            record = self._leased(database, key)
            if record is None or not record.renew(lease, now, ttl):
                return False
            database.execute(_OWN, (key, record.epoch, record.owner, record.owned_until, record.term))
            return True

    @_mapped
    def release(self, key: str, lease: Lease) -> None:
        """Own it no longer."""
        database = self._open(make=False)
        if database is not None:
            ours = (key, lease.owner, lease.epoch)
            database.execute("UPDATE sessions SET owner = '' WHERE key = ? AND owner = ? AND claimed = ?", ours)

    @_mapped
    def records(self, key: str | None) -> dict[str, Record | StoreUnreadable]:
        """All of it, or what is under one key; of what cannot be read, why."""
        database = self._open(make=False)
        if database is None:
            return {}
        records: dict[str, Record | StoreUnreadable] = {}
        chosen, keys = ("WHERE key = ?", (key,)) if key is not None else ("", ())
        with _together(database, "DEFERRED"):
            fields = "key, checkpoint, epoch, sequence, expires, claimed, owner, owned_until, term"
            for row in database.execute(f"SELECT {fields} FROM sessions {chosen}", keys):  # noqa: S608 - no input in it
                try:
                    records[_text(row[0])] = self._record(*row[1:])
                except StoreUnreadable as exc:
                    records[_text(row[0])] = exc
            for name, digest, falls in database.execute(f"SELECT key, digest, falls FROM condemned {chosen}", keys):  # noqa: S608
                record = records.setdefault(_text(name), Record())
                if isinstance(record, Record):
                    record.condemned[_text(digest)] = falls
        return records

    def close(self) -> None:
        """Close the connection; what is done next opens another."""
        with self.in_use:
            if self._connection is not None:
                connection, self._connection = self._connection, None
                with contextlib.suppress(sqlite3.Error):
                    connection.close()

    def _record(self, text: object, *columns: Any) -> Record:
        if tuple(map(type, columns)) != _TYPES or not isinstance(text, bytes | None):
            raise unreadable(self.where)
        epoch, sequence, expires, claimed, owner, owned_until, term = columns
        checkpoint = decode_checkpoint(text, self.where) if text is not None else None
        return Record(
            checkpoint, (epoch, sequence), expires,
            owner=_text(owner), epoch=claimed, owned_until=owned_until, term=term,
        )  # fmt: skip

    def _leased(self, database: sqlite3.Connection, key: str) -> Record | None:
        """A record without its checkpoint, of which owners need know nothing."""
        fields = "NULL, epoch, sequence, expires, claimed, owner, owned_until, term"
        row = database.execute(f"SELECT {fields} FROM sessions WHERE key = ?", (key,)).fetchone()  # noqa: S608 - as above
        return self._record(*row) if row is not None else None

    def _writable(self, now: float) -> sqlite3.Connection:
        database = self._open(make=True)
        assert database is not None  # noqa: S101 - it was to be made
        if abs(now - self._swept) > _SWEEP:
            self._sweep(database, now)
        return database

    def _sweep(self, database: sqlite3.Connection, now: float) -> None:
        """Remove what has run out long ago: a clock that was set forward for a while costs nobody his session."""
        before = now - MEMORY
        with _together(database):
            database.execute("DELETE FROM condemned WHERE falls < ?", (before,))
            database.execute("DELETE FROM sessions WHERE max(expires, owned_until) < ?", (before,))
        self._swept = now

    def _open(self, *, make: bool) -> sqlite3.Connection | None:
        """The connection; None if there is no file, and none is to be made."""
        if self._connection is not None:
            if _identity(self._path) == self._opened:
                return self._connection
            self.close()  # the file was removed, or another took its place: nobody would find what is written to it
        if make:
            _make(self._path)
        self._opened = _identity(self._path)
        if self._opened is None:
            return None
        # Transactions begin where we say so: Python would begin one at its own discretion. Whoever forks closes it.
        self._connection = sqlite3.connect(
            self._path, timeout=self._patience, isolation_level=None, check_same_thread=False
        )
        self._connection.text_factory = bytes  # Python would quote what it cannot decode, and that may be a handle
        self._connection.execute("PRAGMA synchronous = NORMAL")
        if self._is_new(self._connection):
            if not make:
                self.close()
                return None
            self._set_up(self._connection)
        return self._connection

    def _is_new(self, database: sqlite3.Connection) -> bool:
        """Whether nobody has used it yet.

        Raises:
            StoreUnreadable: somebody else has, or another version of relive.
        """
        whose, schema, tables = database.execute(_WHOSE).fetchone()
        if (whose, schema, tables) == (0, 0, 0):
            return True
        if whose != _OURS:
            raise StoreUnreadable(self.where, "this is another program's database; nothing was written to it")
        if schema != _SCHEMA:
            problem = f"it has schema {schema}, and this relive knows schema {_SCHEMA}; nothing was written to it"
            raise StoreUnreadable(self.where, problem)
        return False

    def _set_up(self, database: sqlite3.Connection) -> None:
        self._use_wal(database)
        with _together(database):
            if self._is_new(database):  # nobody else has been faster
                for statement in _CREATE:
                    database.execute(statement)

    def _use_wal(self, database: sqlite3.Connection) -> None:
        """SQLite does not wait here for another process that does the same, but refuses at once."""
        patient_until = time.monotonic() + self._patience
        while True:
            try:
                database.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as exc:
                if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= patient_until:
                    raise
                time.sleep(_MOMENT)
            else:
                return


def _make(path: Path) -> None:
    """Make an empty file that its owner alone can read, unless it is there; SQLite gives its companions the same."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        path.chmod(0o600)  # a umask could have left less


@contextlib.contextmanager
def _together(database: sqlite3.Connection, how: str = "IMMEDIATE") -> Generator[None]:
    """All of it or nothing."""
    database.execute(f"BEGIN {how}")
    with database:
        yield


def _identity(path: Path) -> tuple[int, int] | None:
    """Tells a file from another that is put in its place; None if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _text(value: bytes) -> str:
    """What a column says; for people, if it is broken."""
    return value.decode(errors="replace")


def _error(where: str, exc: sqlite3.Error) -> StoreError:
    code: int = getattr(exc, "sqlite_errorcode", 0) & 0xFF
    if code in _UNREADABLE:
        return StoreUnreadable(where, "it is broken, or no database; nothing was written to it")
    return StoreUnavailable(where, _UNAVAILABLE.get(code, f"SQLite says {type(exc).__name__}"))
