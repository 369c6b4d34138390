"""A store from its URL, as an application finds it among its settings."""

from __future__ import annotations

from typing import Final

from relive.errors import SettingError
from relive.ports import HandleStore
from relive.stores.memory import MemoryStore

_ACCEPTED: Final = (
    "sqlite:///relative/path, sqlite:////absolute/path, redis://host:port/number, rediss://host:port/number or memory:"
)


def open_store(url: str) -> HandleStore:
    """The store that a URL names; nothing is opened or dialled before it is used.

    Args:
        url: ``sqlite:///relative/path`` or ``sqlite:////absolute/path``; ``redis://…`` or ``rediss://…``, with whatever
            ``redis.from_url`` understands; or ``memory:``, for tests.

    Raises:
        SettingError: it names no store.
        MissingExtra: that store needs an extra which is not installed.
    """
    scheme, colon, rest = str(url).partition(":")  # a setting that is missing comes as None, whatever the type says
    if url == "memory:":
        return MemoryStore()
    if scheme == "sqlite" and rest.startswith("///") and len(rest) > len("///") and "?" not in rest:
        from relive.stores.sqlite import SqliteStore

        return SqliteStore(rest.removeprefix("///"))
    if scheme in ("redis", "rediss") and rest.startswith("//"):
        from relive.stores.redis import RedisStore

        try:
            return RedisStore.from_url(url)
        except ValueError:
            pass  # its text may quote a password; what is raised below does not know of it
    # After the scheme there may be a password.
    raise SettingError("the store's URL", f"{scheme}:…" if colon else scheme, _ACCEPTED)
