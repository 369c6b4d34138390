"""A handle store in Redis, for workers on many machines. Needs the extra ``redis``; Redis 5 or newer, or Valkey."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Awaitable
from typing import Any, Final, TypeVar, cast
from urllib.parse import urlsplit

from relive.core.checkpoint import Checkpoint
from relive.errors import StoreUnavailable, StoreUnreadable
from relive.extras import extra
from relive.ports import Browsable, Entry, HandleStore, Lease, Leases, Stored
from relive.stores import redis_scripts as scripts
from relive.stores.record import LONGEST, Record, decode_checkpoint, encode_checkpoint, shown_unreadable, unreadable

with extra("redis", __name__):
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as Lost, ReadOnlyError, RedisError, ResponseError, TimeoutError as Late

T = TypeVar("T")

_CONNECTIONS: Final = 16
_TOMBSTONE: Final = "d:"
_DATABASE: Final = re.compile(r"/?|/\d+")
_ROOM: Final = 500
"Keys asked for at a time when all are looked at."


class RedisStore:
    """Keeps checkpoints, and who owns which session, in Redis.

    Each session is one hash, under its key with a prefix, changed by scripts that Redis runs as one step. Time is the
    server's, and Redis forgets a session by itself a day after all that was in it has run out. A call waits for a short
    time and is not tried again: the session saves its next handle soon. After a failover the connections that were left
    are given up, so the next call dials anew. Belongs to one event loop.

    Epochs and sequence numbers must be below 2⁵³, which is what the scripts can count to.

    Args:
        client: a client from ``redis.asyncio``, with timeouts, retries, sentinels or a cluster as you like. It stays
            yours: close it yourself. `from_url` makes one that suits.
        prefix: what all keys begin with.
    """

    def __init__(self, client: Redis, *, prefix: str = "relive:") -> None:
        self._client: Any = client  # its methods have types for the synchronous client as well
        self._prefix = prefix
        self._ours = False
        self._scripts: dict[str, Any] = {}

    @classmethod
    def from_url(cls, url: str, *, prefix: str = "relive:", timeout: float = 1.0) -> RedisStore:
        """A store that dials by itself, and closes its connections.

        Args:
            url: as in ``redis.from_url``: ``redis://…`` or ``rediss://…``. Options in its query win.
            prefix: what all keys begin with.
            timeout: seconds to wait for a connection, and for an answer.

        Raises:
            ValueError: the URL cannot be understood.
        """
        if url.startswith(("redis:", "rediss:")) and not _DATABASE.fullmatch(urlsplit(url).path):
            raise ValueError("a Redis database is a number")  # redis-py would take number 0
        # A thousand sessions may save at once. They wait for each other here, and not for ever: they have timeouts.
        pool = cast("Any", BlockingConnectionPool).from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=None,
            socket_connect_timeout=timeout,
            socket_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            protocol=2,  # with 3 redis-py 8 listens for notices, and no longer sees that an idle connection has ended
            client_name="relive",
        )
        try:
            pool.make_connection()  # which dials nothing yet
        except (TypeError, AttributeError, RedisError):
            pool = None
        if pool is None:
            raise ValueError("the URL has an option that redis-py cannot use")
        store = cls(Redis.from_pool(pool), prefix=prefix)
        store._ours = True
        return store

    def __repr__(self) -> str:
        return f"<RedisStore: {self._prefix}*>"  # not the client: its repr can show a password

    async def load(self, key: str) -> Stored | None:
        """What is there under this key, if it is not too old."""
        now, record = await self._read(self._prefix + key)
        return record.stored(now) if record is not None else None

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        """Keep this checkpoint, unless a newer generation is there, or was claimed."""
        text = encode_checkpoint(checkpoint)
        return await self._run(scripts.SAVE, self._prefix + key, text, *generation, _ms(ttl)) == 1

    async def condemn(self, key: str, digest: str, *, ttl: float) -> None:
        """Put up a tombstone for the handle with this digest."""
        await self._run(scripts.CONDEMN, self._prefix + key, _TOMBSTONE + digest, _ms(ttl))

    async def delete(self, key: str) -> None:
        """Forget this session."""
        await self._answer(self._client.delete(self._prefix + key))

    async def claim(self, key: str, owner: str, *, ttl: float) -> Lease:
        """Own this session, if nobody does."""
        holder, epoch, left = await self._run(scripts.CLAIM, self._prefix + key, owner, _ms(ttl))
        return Lease(_text(holder, "replace"), int(epoch), left / 1000)

    async def renew(self, key: str, lease: Lease, *, ttl: float) -> bool:
        """Own it further, if nobody has claimed it since."""
        return await self._run(scripts.RENEW, self._prefix + key, lease.owner, lease.epoch, _ms(ttl)) == 1

    async def release(self, key: str, lease: Lease) -> None:
        """Own it no longer."""
        await self._run(scripts.RELEASE, self._prefix + key, lease.owner, lease.epoch)

    async def browse(self, key: str | None = None) -> list[Entry]:
        """What is there. All of it is a walk through the whole database: for people, not for programs."""
        names = [self._prefix + key] if key is not None else await self._names()
        entries = [await self._entry(name) for name in names]
        return sorted((entry for entry in entries if entry is not None), key=lambda entry: entry.key)

    async def aclose(self) -> None:
        """Close the connections, if they are the store's own."""
        if self._ours:
            await self._answer(self._client.aclose())

    async def _entry(self, name: str | bytes) -> Entry | None:
        key = _text(name, "backslashreplace").removeprefix(self._prefix)
        try:
            now, record = await self._read(name)
        except StoreUnreadable as exc:
            return shown_unreadable(key, exc)
        return record.entry(key, now) if record is not None else None

    async def _names(self) -> set[str | bytes]:
        pattern = "".join(f"\\{letter}" if letter in "*?[]\\" else letter for letter in self._prefix) + "*"

        async def walk() -> set[str | bytes]:  # which may show a key twice
            return {name async for name in self._client.scan_iter(match=pattern, count=_ROOM)}

        return await self._answer(walk())

    async def _read(self, name: str | bytes) -> tuple[float, Record | None]:
        """The server's wall clock, and what is there."""
        now, fields = await self._run(scripts.READ, name)
        return now / 1000, _record(fields, f"{_text(name, 'backslashreplace')} in Redis")

    async def _run(self, script: str, name: str | bytes, *words: str | int) -> Any:
        known = self._scripts.get(script)
        if known is None:
            known = self._scripts[script] = self._client.register_script(script)
        return await self._answer(known(keys=[name], args=words))

    async def _answer(self, asked: Awaitable[T]) -> T:
        """What Redis answers; what the client raises, in our words."""
        try:
            return await asked
        except (Lost, Late, ReadOnlyError) as exc:
            # It is down, or was demoted to a replica; so the idle connections lead nowhere, either. A cluster's client
            # has no pool of its own, and looks after its connections itself.
            pool = getattr(self._client, "connection_pool", None)
            if pool is not None:
                with contextlib.suppress(RedisError, OSError):
                    await pool.disconnect(inuse_connections=False)
            raise StoreUnavailable("Redis", _PROBLEMS.get(type(exc), f"it says {type(exc).__name__}")) from exc
        except ResponseError as exc:
            error = _refused(exc)
        except RedisError as exc:
            error = StoreUnavailable("Redis", f"the client says {type(exc).__name__}")
        except UnicodeDecodeError:  # of a client that decodes answers itself
            error = unreadable("Redis")
        raise error  # here, so that it does not have for its context what may quote a handle


_PROBLEMS: Final[dict[type[RedisError], str]] = {
    Lost: "it cannot be reached",
    Late: "it did not answer in time",
    ReadOnlyError: "it is a replica that may only be read",
}


def _refused(exc: ResponseError) -> StoreUnavailable | StoreUnreadable:
    """What to raise instead. Redis may quote in its answer what it was given, so only the first word of it is told."""
    code = str(exc).partition(" ")[0]
    if code == "WRONGTYPE":
        return StoreUnreadable("Redis", "there is something else under this key; nothing was written to it")
    return StoreUnavailable("Redis", f"it refused the command: {code if code.isupper() else type(exc).__name__}")


def _ms(seconds: float) -> int:
    """Whole milliseconds, one at least: Redis takes nothing less for an expiry."""
    return max(1, int(min(seconds, LONGEST) * 1000))


def _text(value: str | bytes, errors: str = "strict") -> str:
    """What a client returned, whether it decodes or not."""
    return value.decode(errors=errors) if isinstance(value, bytes) else value


def _record(answer: list[str | bytes], where: str) -> Record | None:
    """What a hash says, which comes as names and values in turn."""
    if not answer:
        return None
    with contextlib.suppress(ValueError, OverflowError):  # they may quote a handle, and are not to be anybody's context
        texts = [_text(field) for field in answer]
        fields = dict(zip(texts[::2], texts[1::2], strict=True))
        text = fields.get("c")
        checkpoint = decode_checkpoint(text, where) if text is not None else None
        return Record(
            checkpoint=checkpoint,
            generation=(int(fields.get("e", 0)), int(fields.get("s", 0))),
            expires=int(fields.get("x", 0)) / 1000,
            condemned={
                name.removeprefix(_TOMBSTONE): int(falls) / 1000
                for name, falls in fields.items()
                if name.startswith(_TOMBSTONE)
            },
            owner=fields.get("o", ""),
            epoch=int(fields.get("n", 0)),
            owned_until=int(fields.get("u", 0)) / 1000,
            term=int(fields.get("t", 0)) / 1000,
        )
    raise unreadable(where)


_: tuple[type[HandleStore], type[Leases], type[Browsable]] = (RedisStore, RedisStore, RedisStore)
