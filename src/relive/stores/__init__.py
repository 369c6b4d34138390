"""Stores for handles: implementations of `relive.ports.HandleStore`.

`open` makes one from a URL. `memory` and `sqlite` need nothing else; `redis`, `kv` and `sealed` need the extra of their
name. `record` is what they have in common.
"""

from relive.stores.memory import MemoryStore
from relive.stores.opening import open_store as open  # noqa: A004 - always read as `stores.open`

__all__ = ["MemoryStore", "open"]
