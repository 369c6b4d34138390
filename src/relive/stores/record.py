"""What is kept of a session, whatever keeps it: the rules of a record, and how it is written down.

A record outlives its checkpoint: the generation and the epoch stay, so that an old owner who wakes up late is refused.
What cannot be read raises `StoreUnreadable`, which never quotes it: it may be a handle.
"""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any, Final, cast

import attrs

from relive.core.checkpoint import Checkpoint
from relive.errors import StoreUnreadable
from relive.ports import Entry, Lease, Stored

VERSION: Final = 1
"Of the text. A reader refuses any other, rather than guess."
LONGEST: Final = 100 * 365 * 86400.0
"Seconds of the longest time to live. A policy may say for ever, which databases cannot count."
MEMORY: Final = 86400.0
"Seconds for which a record is remembered after all that was in it has run out: a late owner is still told apart."


def until(now: float, ttl: float) -> float:
    """The wall-clock second at which what is kept from now on for `ttl` seconds runs out."""
    return now + min(ttl, LONGEST)


@attrs.define
class Record:
    """All that is kept of a session. Times are wall-clock seconds."""

    checkpoint: Checkpoint | None = None
    generation: tuple[int, int] = (0, 0)
    "Of the newest save."
    expires: float = 0.0
    "When the checkpoint is no longer handed out."
    condemned: dict[str, float] = attrs.Factory(dict[str, float])
    "Tombstones, and when each of them falls."
    owner: str = ""
    "Who claimed it last; empty once it was released."
    epoch: int = 0
    "Of the newest claim; what is older is not saved any more."
    owned_until: float = 0.0
    term: float = 0.0
    "Seconds for which it was claimed or renewed."

    def save(self, checkpoint: Checkpoint, generation: tuple[int, int], expires: float) -> bool:
        """Keep this checkpoint, unless a newer generation is there, or was claimed."""
        if generation < self.generation or generation[0] < self.epoch:
            return False
        self.checkpoint, self.generation, self.expires = checkpoint, generation, expires
        return True

    def condemn(self, digest: str, now: float, ttl: float) -> None:
        """Put up a tombstone; one that falls later stays as it is.

        Those that fell long ago are cleared away; not at once, because clocks are set back.
        """
        self.condemned = {name: falls for name, falls in self.condemned.items() if now < falls + MEMORY}
        self.condemned[digest] = max(self.condemned.get(digest, 0.0), until(now, ttl))

    def claim(self, owner: str, now: float, ttl: float) -> Lease:
        """Own it, if nobody else does. Returns the lease that there is then."""
        held = self.lease(now)
        if held is not None and held.owner != owner:
            return held
        # Milliseconds, because a session without leases begins its generations there. A record that was deleted or
        # forgotten begins above its old owners by that, too.
        self.epoch = max(self.epoch + 1, self.generation[0] + 1, int(now * 1000))
        self.owner, self.owned_until, self.term = owner, until(now, ttl), min(ttl, LONGEST)
        return Lease(owner, self.epoch, self.term)

    def renew(self, lease: Lease, now: float, ttl: float) -> bool:
        """Own it further, if nobody has claimed it since."""
        if not self._is_of(lease):
            return False
        self.owned_until, self.term = until(now, ttl), min(ttl, LONGEST)
        return True

    def release(self, lease: Lease) -> None:
        """Own it no longer. The epoch stays."""
        if self._is_of(lease):
            self.owner = ""

    def lease(self, now: float) -> Lease | None:
        """Who owns it.

        A lease that would last for more than twice its term was given before the clock was set back: it has ended,
        lest nobody can own the session for an hour. Its owner can still renew it until somebody else claims it.
        """
        left = self.owned_until - now
        if not self.owner or not 0.0 < left <= 2 * self.term:
            return None
        return Lease(self.owner, self.epoch, min(left, self.term))

    def stored(self, now: float) -> Stored:
        """What of it is handed out."""
        condemned = frozenset(digest for digest, falls in self.condemned.items() if now < falls)
        return Stored(self.checkpoint if now < self.expires else None, condemned)

    def entry(self, key: str, now: float) -> Entry | None:
        """What of it is shown; None if there is nothing left to show."""
        stored, lease = self.stored(now), self.lease(now)
        if stored == Stored(None) and lease is None:
            return None
        return Entry(key, stored, self.generation, self.expires if stored.checkpoint is not None else None, lease)

    def kept_until(self) -> float:
        """When there is nothing left that is worth remembering."""
        return max(self.expires, self.owned_until, *self.condemned.values()) + MEMORY

    def _is_of(self, lease: Lease) -> bool:
        return bool(self.owner) and (self.owner, self.epoch) == (lease.owner, lease.epoch)


def encode_checkpoint(checkpoint: Checkpoint) -> str:
    """A checkpoint as text."""
    return _text(_of_checkpoint(checkpoint))


def decode_checkpoint(text: str | bytes, where: str) -> Checkpoint:
    """A checkpoint from its text.

    Args:
        text: what was kept.
        where: names the store, for the error.

    Raises:
        StoreUnreadable: that is no checkpoint, or one of another version.
    """
    return _to_checkpoint(_Fields(_parsed(text, where), where))


def encode_record(record: Record) -> str:
    """What was saved and condemned, as text. Leases are not in it: where they matter, the store keeps them itself."""
    checkpoint = record.checkpoint
    return _text(
        {
            "checkpoint": None if checkpoint is None else _of_checkpoint(checkpoint),
            "generation": list(record.generation),
            "expires": record.expires,
            "condemned": record.condemned,
        }
    )


def decode_record(text: str | bytes, where: str) -> Record:
    """The same back.

    Raises:
        StoreUnreadable: that is no record, or one of another version.
    """
    fields = _Fields(_parsed(text, where), where)
    checkpoint = fields.content.get("checkpoint")
    epoch, sequence = fields.integers("generation", 2)
    return Record(
        checkpoint=None if checkpoint is None else _to_checkpoint(_Fields(checkpoint, where)),
        generation=(epoch, sequence),
        expires=fields.number("expires"),
        condemned=fields.numbers("condemned"),
    )


def unreadable(where: str) -> StoreUnreadable:
    """What to raise about something that is not what relive has written."""
    return StoreUnreadable(where, "what is there was not written by relive, or is broken")


def shown_unreadable(key: str, error: StoreUnreadable) -> Entry:
    """What is shown of a session that cannot be read."""
    return Entry(key, Stored(None), (0, 0), None, problem=error.problem)


class _Fields:
    """An object of JSON whose fields have to be of their types."""

    def __init__(self, content: object, where: str) -> None:
        if not isinstance(content, dict):
            raise unreadable(where)
        self.content = cast("dict[str, Any]", content)
        self.where = where

    def text(self, name: str, missing: str | None = None) -> str:
        value = self.content.get(name, missing)
        if not isinstance(value, str) or not _encodable(value):
            raise unreadable(self.where)
        return value

    def number(self, name: str) -> float:
        return self._number(self.content.get(name))

    def numbers(self, name: str) -> dict[str, float]:
        value = self.content.get(name)
        if not isinstance(value, dict):
            raise unreadable(self.where)
        return {digest: self._number(falls) for digest, falls in cast("dict[str, Any]", value).items()}

    def integer(self, name: str) -> int:
        value = self.content.get(name)
        if type(value) is not int or value < 0:
            raise unreadable(self.where)
        return value

    def integers(self, name: str, count: int) -> list[int]:
        value = self._list(name)
        if len(value) != count or not all(type(one) is int for one in value):
            raise unreadable(self.where)
        return value

    def texts(self, name: str) -> list[str]:
        value = self._list(name)
        if not all(isinstance(one, str) and _encodable(one) for one in value):
            raise unreadable(self.where)
        return value

    def _list(self, name: str) -> list[Any]:
        value = self.content.get(name)
        if not isinstance(value, list):
            raise unreadable(self.where)
        return cast("list[Any]", value)

    def _number(self, value: object) -> float:
        if type(value) not in (int, float):
            raise unreadable(self.where)
        number = math.inf
        with contextlib.suppress(OverflowError):  # JSON has longer integers than any float
            number = float(cast("float", value))
        if not math.isfinite(number):
            raise unreadable(self.where)
        return number


def _encodable(text: str) -> bool:
    """Whether it is whole. JSON can say half a character, which would raise later, in an error that holds all of it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _of_checkpoint(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "handle": checkpoint.handle,
        "model": checkpoint.model,
        "backend": checkpoint.backend,
        "wall": checkpoint.wall,
        "calls": sorted(checkpoint.calls),
        "left_behind": checkpoint.left_behind,
        "bound_to": checkpoint.bound_to,
    }


def _to_checkpoint(fields: _Fields) -> Checkpoint:
    return Checkpoint(
        handle=fields.text("handle"),
        model=fields.text("model"),
        backend=fields.text("backend"),
        wall=fields.number("wall"),
        calls=frozenset(fields.texts("calls")),
        left_behind=fields.integer("left_behind"),
        bound_to=fields.text("bound_to", ""),
    )


def _text(content: dict[str, Any]) -> str:
    return json.dumps({"v": VERSION, **content}, separators=(",", ":"), allow_nan=False)


def _parsed(text: str | bytes, where: str) -> dict[str, Any]:
    content: Any = None
    with contextlib.suppress(ValueError, RecursionError):  # they quote the text, and are not to be anybody's context
        content = json.loads(text)
    if not isinstance(content, dict) or "v" not in content:
        raise unreadable(where)
    version = cast("dict[str, Any]", content)["v"]
    if type(version) is not int:
        raise unreadable(where)
    if version != VERSION:
        raise StoreUnreadable(where, f"it was written in version {version}, and this relive reads version {VERSION}")
    return cast("dict[str, Any]", content)
