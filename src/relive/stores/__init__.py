"""Stores for handles: implementations of `relive.ports.HandleStore`."""

from relive.stores.memory import MemoryStore

__all__ = ["MemoryStore"]
