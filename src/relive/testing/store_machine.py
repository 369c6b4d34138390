"""A store under two writers that crash, wake up late, and live by clocks that are set: a Hypothesis state machine.

::

    class MyMachine(StoreMachine):
        def make_store(self) -> HandleStore:
            return MyStore(wall=self.wall)


    TestMyStore = MyMachine.TestCase

Each answer of the store is compared with what a very small model says. What the store does not offer (`Leases`,
`Browsable`) is not asked of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, ClassVar, Final, TypeVar

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from relive.core.checkpoint import Checkpoint
from relive.ports import Browsable, HandleStore, Lease, Leases, Stored

T = TypeVar("T")

_KEYS: Final = ("ada", "Ada", "ada ")
"Which some databases take for the same."
_HANDLE: Final = 4000
"Characters of a handle: no column may cut it off."
_EPOCH: Final = 9
"Under which a writer without a lease saves: below all that have more digits, unless they are compared as text."
_LONG: Final = 3600.0
_NOON: Final = 1_700_000_000.0
_HALF_A_DAY: Final = 43200.0

keys = st.sampled_from(_KEYS)
places = st.integers(0, 1)
ttls = st.sampled_from([30.0, 600.0, _LONG])


@attrs.define
class _Kept:
    """What must be under a key."""

    checkpoint: Checkpoint | None = None
    generation: tuple[int, int] = (0, 0)
    expires: float = 0.0
    condemned: dict[str, float] = attrs.Factory(dict[str, float])
    claimed: int = 0
    "The highest epoch that was ever claimed."
    holder: Lease | None = None
    "The newest lease; None once it was released."
    until: float = 0.0
    term: float = 0.0


@attrs.define
class _Writer:
    """One process: what it knows is gone when it crashes."""

    name: str
    store: HandleStore
    leases: dict[str, Lease] = attrs.Factory(dict[str, Lease])
    epochs: dict[str, int] = attrs.Factory(dict[str, int])
    "Under which it saves: that of its lease, or one of its own."


class StoreMachine(RuleBasedStateMachine):
    """Override `make_store`; and `open_world` and `close_world`, if its stores have something in common."""

    clock: ClassVar[bool] = True
    "Whether the store goes by `wall`. If not, nothing expires here."

    def make_store(self) -> HandleStore:
        """A store that shares what it holds with all others that are made in this example."""
        raise NotImplementedError

    def close_world(self) -> None:
        """Take down what the stores of this example had in common."""

    def wall(self) -> float:
        """The wall clock of this example, in seconds."""
        return self.now

    def open_world(self) -> None:
        """Set up what the stores of this example have in common."""

    def __init__(self) -> None:
        super().__init__()
        self.now = _NOON
        self.kept = {key: _Kept() for key in _KEYS}
        self.count = 0
        self.left: list[HandleStore] = []
        self.ghosts: list[tuple[HandleStore, str, Lease]] = []
        "Leases of writers that crashed, or that claimed again: one that wakes up late still acts on them."
        self.runner = asyncio.Runner()
        self.open_world()
        self.writers = [self._writer(), self._writer()]
        self.leasing = isinstance(self.writers[0].store, Leases)
        self.browsing = isinstance(self.writers[0].store, Browsable)

    def teardown(self) -> None:
        """Close every store, also those that crashed writers left behind."""
        for store in [*(writer.store for writer in self.writers), *self.left]:
            self._run(store.aclose())
        self.close_world()
        self.runner.close()

    @rule(place=places, key=keys, back=st.integers(0, 3), ttl=ttls)
    def save(self, place: int, key: str, back: int, ttl: float) -> None:
        """A writer saves its next checkpoint; or one that was on its way for a while, and is old."""
        writer = self.writers[place]
        self.count += 1
        self._save(writer.store, key, (writer.epochs.setdefault(key, _EPOCH), self.count - 2 * back), ttl)

    @rule(key=keys, order=st.permutations((0, 1)), ttl=ttls)
    def save_at_once(self, key: str, order: list[int], ttl: float) -> None:
        """Both writers save one session at the same moment: the newer is kept, whichever is on its way first."""
        epoch = max(writer.epochs.setdefault(key, _EPOCH) for writer in self.writers)
        generations = [(epoch, self.count + 1), (epoch, self.count + 2)]
        self.count += 2
        checkpoints = [self._checkpoint("older"), self._checkpoint("newer")]

        async def race() -> list[bool]:
            return await asyncio.gather(*(
                self.writers[place].store.save(key, checkpoints[place], generation=generations[place], ttl=ttl)
                for place in order
            ))  # fmt: skip

        self._saved(key, checkpoints[1], generations[1], ttl, said=self._run(race())[order.index(1)])

    @rule(place=places, key=keys, digest=st.sampled_from("xy"), ttl=ttls)
    def condemn(self, place: int, key: str, digest: str, ttl: float) -> None:
        """A handle is condemned: for as long as anybody has said."""
        self._run(self.writers[place].store.condemn(key, digest, ttl=ttl))
        condemned = self.kept[key].condemned
        condemned[digest] = max(condemned.get(digest, 0.0), self.now + ttl)

    @rule(place=places, key=keys)
    def delete(self, place: int, key: str) -> None:
        """A session is forgotten."""
        self._run(self.writers[place].store.delete(key))
        self.kept[key] = _Kept()

    @precondition(lambda self: self.leasing)
    @rule(place=places, key=keys, ttl=ttls)
    def claim(self, place: int, key: str, ttl: float) -> None:
        """A writer wants to own a session."""
        writer, kept = self.writers[place], self.kept[key]
        lease = self._run(self._leases(writer.store).claim(key, writer.name, ttl=ttl))
        held = kept.holder if kept.holder is not None and kept.holder.owner != writer.name else None
        if lease.owner == writer.name:
            # If the clock was set back since it was given, a lease may count as ended.
            set_back = kept.until - self.now > kept.term
            assert held is None or self.now >= kept.until or set_back, "nobody owns what somebody else owns"
            newest = max(kept.claimed, kept.generation[0])
            assert lease.epoch > newest, f"epoch {lease.epoch} is above all that was saved or claimed, {newest}"
            kept.claimed, kept.holder, kept.until, kept.term = lease.epoch, lease, self.now + ttl, ttl
            if key in writer.leases:
                self.ghosts.append((writer.store, key, writer.leases[key]))
            writer.leases[key], writer.epochs[key] = lease, lease.epoch
        else:
            assert held is not None, "what nobody owns can be claimed"
            assert self.now < kept.until, "a lease that has run out is over"
            assert (lease.owner, lease.epoch) == (held.owner, held.epoch), "a claim tells the lease that there is"
            assert lease.left > 0.0, "a lease that there is lasts for a while yet"

    @precondition(lambda self: self.leasing)
    @rule(place=places, key=keys, ttl=ttls)
    def renew(self, place: int, key: str, ttl: float) -> None:
        """A writer renews what it owns, or believes that it owns."""
        writer = self.writers[place]
        if key in writer.leases:
            self._renew(writer.store, key, writer.leases[key], ttl)

    @precondition(lambda self: self.leasing)
    @rule(place=places, key=keys)
    def release(self, place: int, key: str) -> None:
        """A writer owns a session no longer."""
        writer, kept = self.writers[place], self.kept[key]
        lease = writer.leases.pop(key, None)
        if lease is not None:
            self._run(self._leases(writer.store).release(key, lease))
            if kept.holder == lease:
                kept.holder = None

    @rule(place=places)
    def crash(self, place: int) -> None:
        """A writer is gone, and another comes in its place, which knows nothing of it."""
        writer = self.writers[place]
        self.left.append(writer.store)
        self.ghosts.extend((writer.store, key, lease) for key, lease in writer.leases.items())
        self.writers[place] = self._writer()

    @precondition(lambda self: self.ghosts)
    @rule(data=st.data(), ttl=ttls)
    def wake_up_late(self, data: st.DataObject, ttl: float) -> None:
        """One that was thought dead goes on where it was: it saves, and renews."""
        store, key, lease = data.draw(st.sampled_from(self.ghosts))
        self.count += 1
        self._save(store, key, (lease.epoch, self.count), ttl)
        self._renew(store, key, lease, ttl)

    @precondition(lambda self: self.clock)
    @rule(offset=st.floats(-_HALF_A_DAY, _HALF_A_DAY, allow_subnormal=False))
    def set_the_clock(self, offset: float) -> None:
        """Time passes, or the clock is set: by less than half a day, after which a store may begin to forget."""
        self.now = _NOON + round(offset, 3)

    @precondition(lambda self: self.clock)
    @rule(seconds=st.sampled_from([1.0, 29.0, 31.0, 601.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now = min(self.now + seconds, _NOON + _HALF_A_DAY)

    @invariant()
    def both_see_what_was_kept(self) -> None:
        """Every writer loads the newest checkpoint there is, and every tombstone."""
        for writer in self.writers:
            store: Any = writer.store
            for key, kept in self.kept.items():
                condemned = frozenset(digest for digest, falls in kept.condemned.items() if self.now < falls)
                expected = Stored(kept.checkpoint if self.now < kept.expires else None, condemned)
                found = self._run(store.load(key)) or Stored(None)
                assert found == expected, f"{key}: loaded is what was kept"
                for entry in self._run(store.browse(key)) if self.browsing else ():
                    assert entry.stored == expected, f"{key}: shown is what was kept"
                    assert entry.generation == kept.generation, f"{key}: and its generation"

    def _save(self, store: HandleStore, key: str, generation: tuple[int, int], ttl: float) -> None:
        checkpoint = self._checkpoint("handle")
        said = self._run(store.save(key, checkpoint, generation=generation, ttl=ttl))
        self._saved(key, checkpoint, generation, ttl, said=said)

    def _saved(self, key: str, checkpoint: Checkpoint, generation: tuple[int, int], ttl: float, *, said: bool) -> None:
        kept = self.kept[key]
        wanted = generation >= kept.generation and generation[0] >= kept.claimed
        assert said is wanted, f"{generation} after {kept.generation}, claimed {kept.claimed}: save says {wanted}"
        if wanted:
            kept.checkpoint, kept.generation, kept.expires = checkpoint, generation, self.now + ttl

    def _checkpoint(self, handle: str) -> Checkpoint:
        return Checkpoint(f"{self.count} {handle}".ljust(_HANDLE, "."), wall=self.now)

    def _renew(self, store: HandleStore, key: str, lease: Lease, ttl: float) -> None:
        kept = self.kept[key]
        wanted = kept.holder is not None and (kept.holder.owner, kept.holder.epoch) == (lease.owner, lease.epoch)
        said = self._run(self._leases(store).renew(key, lease, ttl=ttl))
        assert said is wanted, f"renew says {wanted}: nobody has claimed since, or somebody has"
        if wanted:
            kept.until, kept.term = self.now + ttl, ttl

    def _writer(self) -> _Writer:
        self.count += 1
        return _Writer(f"writer {self.count}", self.make_store())

    def _leases(self, store: HandleStore) -> Leases:
        assert isinstance(store, Leases)
        return store

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)
