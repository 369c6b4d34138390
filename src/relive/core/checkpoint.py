"""A checkpoint: a handle, what it covers, when it came, what it belongs to."""

from __future__ import annotations

import hashlib
import hmac

import attrs


@attrs.frozen
class Checkpoint:
    """Where a conversation can be resumed from.

    The handle is a secret: it opens the conversation to whoever holds it. It is left out of the repr; say
    `fingerprint` where one must be named.
    """

    handle: str = attrs.field(repr=False)
    "The server's token."
    model: str = ""
    "The model that it belongs to; a handle cannot be used with another."
    backend: str = ""
    "Where it is valid: the Developer API, or a Vertex project and location."
    wall: float = 0.0
    "Wall-clock seconds when it was last known to be alive: the age counts from here."
    calls: frozenset[str] = frozenset()
    "Tool calls that were pending when it came; the resumed session knows these and no others."
    left_behind: int = 0
    "Frames that were taken after it and are in nobody's journal any more: whoever resumes from it has so large a gap."
    bound_to: str = ""
    "What else it belongs to: `Policy.bind_to` of the session that it came to."

    def seen(self, wall: float, *, left_behind: int = 0) -> Checkpoint:
        """The same, known to be alive at this wall-clock time; and what is left behind with it."""
        return attrs.evolve(self, wall=wall, left_behind=left_behind)


def digest(handle: str) -> str:
    """What a tombstone says of a handle: enough to know it again, nothing to use it by."""
    return hashlib.sha256(handle.encode()).hexdigest()


@attrs.frozen
class Fingerprint:
    """Names handles without telling them: a keyed hash, so that nobody can test a guess against a log."""

    key: bytes = attrs.field(repr=False)
    "At least 16 random bytes, drawn once per process."

    def __call__(self, handle: str) -> str:
        """Ten hex digits that stand for this handle wherever it must be named."""
        return hmac.new(self.key, handle.encode(), hashlib.sha256).hexdigest()[:10]
