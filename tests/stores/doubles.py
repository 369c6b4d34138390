"""Stores of others, and stores that do not do what they should."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Mapping
from typing import Any

from key_value.aio.stores.simple import SimpleStore


def key_values() -> SimpleStore:
    """One of py-key-value's. It says of itself that it may change, which is no concern of ours."""
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        return SimpleStore()


class Remote:
    """One that lets others run while it is asked."""

    def __init__(self) -> None:
        self.values: dict[str, Mapping[str, Any]] = {}

    async def get(self, key: str, *, collection: str | None = None) -> Mapping[str, Any] | None:
        await asyncio.sleep(0)
        return self.values.get(key)

    async def put(
        self, key: str, value: Mapping[str, Any], *, collection: str | None = None, ttl: float | None = None
    ) -> None:
        await asyncio.sleep(0)
        self.values[key] = value

    async def delete(self, key: str, *, collection: str | None = None) -> bool:
        return self.values.pop(key, None) is not None
