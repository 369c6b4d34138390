"""Seals what a store keeps: whoever can read the store cannot resume a session. Needs the extra ``sealed``.

::

    keys = [Fernet.generate_key()]  # keep them where secrets are kept
    store = SealedStore(RedisStore.from_url(url), keys)
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from relive.clock import wall_clock
from relive.core.checkpoint import Checkpoint
from relive.errors import SettingError, StoreUnreadable
from relive.extras import extra
from relive.ports import Browsable, Entry, HandleStore, Leases, Stored
from relive.stores.record import Record, decode_record, encode_record, until

with extra("sealed", __name__):
    from cryptography.fernet import Fernet, InvalidToken, MultiFernet

_MARK: Final = "sealed:1:"
"What a sealed handle begins with."


class SealedStore:
    """Seals checkpoints on their way into another store.

    The key of the session, the generation and the expiry are sealed in with the checkpoint, and compared when it comes
    back. So what is refused, with `StoreUnreadable`, is a checkpoint that was never sealed, or with a key that is not
    among ours; one that was taken from another session; and one that is not of the generation that the store tells, as
    when somebody has put an older one in its place. The last needs a store that is `Browsable`. If a whole record
    is put back, with the generation that the store had then, nothing tells; nor if the whole store is.

    In clear remain the key of the session, the model, times, generations, tombstones and owners. Offers leases and
    browsing if the inner store does.

    Args:
        inner: any store. It is closed with this one.
        keys: Fernet keys. The first seals, all of them open: to change keys, put the new one in front, and remove the
            old one when what it sealed has run out.
        wall: the wall clock, in seconds; by default that of the running loop, if it has one.

    Raises:
        SettingError: there is no key, or one that is none.
    """

    def __init__(
        self, inner: HandleStore, keys: Sequence[str | bytes], *, wall: Callable[[], float] = wall_clock
    ) -> None:
        self._inner = inner
        self._wall = wall
        self._fernet = _fernet(keys)
        # What the inner store cannot do, this one must not seem to do: `isinstance(store, Leases)` is the question.
        if isinstance(inner, Leases):
            self.claim, self.renew, self.release = inner.claim, inner.renew, inner.release
        if isinstance(inner, Browsable):
            self._browse = inner.browse
            self.browse = self._unsealed_entries

    def __repr__(self) -> str:
        return f"<SealedStore: {self._inner!r}>"

    async def load(self, key: str) -> Stored | None:
        """What is there under this key, if it is not too old.

        Raises:
            StoreUnreadable: it is not what was sealed for this session last.
        """
        if isinstance(self._inner, Browsable):
            return next((self._unsealed(entry).stored for entry in await self._inner.browse(key)), None)
        stored = await self._inner.load(key)
        if stored is None or stored.checkpoint is None:
            return stored
        return attrs.evolve(stored, checkpoint=self._current(self._open(key, stored.checkpoint)))

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        """Seal it, and keep it, unless a newer generation is there, or was claimed."""
        sealed = self._seal(key, Record(checkpoint, generation, until(self._wall(), ttl)))
        shown = Checkpoint(sealed, model=checkpoint.model, wall=checkpoint.wall)
        return await self._inner.save(key, shown, generation=generation, ttl=ttl)

    async def condemn(self, key: str, digest: str, *, ttl: float) -> None:
        """Put up a tombstone: a digest needs no seal."""
        await self._inner.condemn(key, digest, ttl=ttl)

    async def delete(self, key: str) -> None:
        """Forget this session."""
        await self._inner.delete(key)

    async def aclose(self) -> None:
        """Close the inner store."""
        await self._inner.aclose()

    async def _unsealed_entries(self, key: str | None = None) -> list[Entry]:
        """What is there, opened."""
        return [self._shown(entry) for entry in await self._browse(key)]

    def _shown(self, entry: Entry) -> Entry:
        try:
            return self._unsealed(entry)
        except StoreUnreadable as exc:
            stored = attrs.evolve(entry.stored, checkpoint=None)
            return attrs.evolve(entry, stored=stored, expires=None, problem=exc.problem)

    def _unsealed(self, entry: Entry) -> Entry:
        if entry.problem:
            raise StoreUnreadable(_where(entry.key), entry.problem)
        if entry.stored.checkpoint is None:
            return entry
        record = self._open(entry.key, entry.stored.checkpoint)
        if record.generation != entry.generation:
            raise StoreUnreadable(_where(entry.key), "it is not the newest that was saved: an older one took its place")
        checkpoint = self._current(record)
        expires = record.expires if checkpoint is not None else None
        return attrs.evolve(entry, stored=attrs.evolve(entry.stored, checkpoint=checkpoint), expires=expires)

    def _current(self, record: Record) -> Checkpoint | None:
        return record.stored(self._wall()).checkpoint

    def _seal(self, key: str, record: Record) -> str:
        # The name is escaped, and so has no line break in it.
        return _MARK + self._fernet.encrypt(f"{json.dumps(key)}\n{encode_record(record)}".encode()).decode()

    def _open(self, key: str, checkpoint: Checkpoint) -> Record:
        where = _where(key)
        if not checkpoint.handle.startswith(_MARK):
            raise StoreUnreadable(where, "it is not sealed")
        plain = ""
        with contextlib.suppress(InvalidToken, ValueError):  # they quote it, and are not to be anybody's context
            plain = self._fernet.decrypt(checkpoint.handle.removeprefix(_MARK)).decode()
        if not plain:
            raise StoreUnreadable(where, "it is broken, or sealed with a key that is not among ours")
        name, _, text = plain.partition("\n")
        if name != json.dumps(key):
            raise StoreUnreadable(where, "it was sealed for another session")
        return decode_record(text, where)


def _fernet(keys: Sequence[str | bytes]) -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        pass
    raise SettingError("keys", "…", "one Fernet key or more, as `Fernet.generate_key()` makes them")  # never shown


def _where(key: str) -> str:
    return f"the checkpoint of {key!r}"


_: type[HandleStore] = SealedStore
