"""Stores of others, and stores that do not do what they should."""

from __future__ import annotations

import warnings

from key_value.aio.stores.simple import SimpleStore


def key_values() -> SimpleStore:
    """One of py-key-value's. It says of itself that it may change, which is no concern of ours."""
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        return SimpleStore()
