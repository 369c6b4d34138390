"""Owns a session in the store, so that at most one worker uses it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from functools import partial

from relive.core.policy import Policy
from relive.errors import SessionTaken
from relive.ports import Lease, Leases
from relive.runtime.tasks import Tasks, survived

_LOOK_AGAIN = 1.0  # seconds at most between two looks at a session that another worker owns


class Owner:
    """Claims, renews and releases. A store that fails is told of, and asked again: nobody else can claim there either.

    A lease that a store has forgotten (it was restarted without its data, say) is claimed again, unless somebody has
    gone on with the session meanwhile.

    Args:
        leases: the store.
        key: names the session in it.
        name: names this worker to the others; what makes it unique is added.
        policy: the numbers.
        trouble: told what failed.
        untouched: tells whether the store holds nothing of this session that somebody else saved.
        lost: told that somebody else owns the session now.
    """

    def __init__(
        self,
        leases: Leases,
        key: str,
        name: str,
        policy: Policy,
        *,
        trouble: Callable[[str, BaseException], None],
        untouched: Callable[[], Awaitable[bool]],
        lost: Callable[[], None],
    ) -> None:
        self._leases = leases
        self._key = key
        self._name = f"{name}/{secrets.token_hex(4)}"  # a name is a worker's, and a worker may open a session twice
        self._policy = policy
        self._trouble = trouble
        self._untouched = untouched
        self.lost = lost
        self._lease: Lease | None = None
        self._task: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()

    @property
    def epoch(self) -> int:
        """First part of the generation of all that is saved under this lease."""
        assert self._lease is not None  # noqa: S101 - claimed before anything is saved
        return self._lease.epoch

    async def claim(self) -> None:
        """Become the owner; wait for it as long as the policy says.

        Raises:
            SessionTaken: somebody else owns it, and did not let go.
            Exception: whatever the store raises, or TimeoutError: whether it is ours cannot be known.
        """
        policy, loop = self._policy, asyncio.get_running_loop()
        until = loop.time() + policy.lease_wait
        while True:
            async with asyncio.timeout(policy.load_timeout):
                lease = await self._leases.claim(self._key, self._name, ttl=policy.lease_ttl)
            if lease.owner == self._name:
                self._lease = lease
                return
            left = until - loop.time()
            if left <= 0.0:
                raise SessionTaken(lease.owner.rpartition("/")[0], lease.left)
            await asyncio.sleep(max(0.01, min(left, lease.left, _LOOK_AGAIN)))

    def begin(self, tasks: Tasks) -> None:
        """From now on it is renewed."""
        self._task = tasks.spawn(self._renew(), "owner")

    async def _renew(self) -> None:
        ttl = self._policy.lease_ttl
        wait = ttl / 3
        while True:
            await asyncio.sleep(wait)
            wait, ours = ttl / 12, True  # three attempts, though each may hang, before it has run out
            with survived(partial(self._trouble, "renewing the lease")):
                async with asyncio.timeout(min(self._policy.save_timeout, ttl / 6)):
                    ours = await self.keep()
                wait = ttl / 3
            if not ours:
                self.lost()
                return

    async def keep(self) -> bool:
        """Own it further; False if somebody else does, or did meanwhile.

        Raises:
            Exception: whatever the store raises.
        """
        assert self._lease is not None  # noqa: S101 - claimed before
        async with self._one_at_a_time:
            if await self._leases.renew(self._key, self._lease, ttl=self._policy.lease_ttl):
                return True
            lease = await self._leases.claim(self._key, self._name, ttl=self._policy.lease_ttl)
            if lease.owner != self._name:
                return False
            self._lease = lease
            if await self._untouched():
                return True
            await self._let_go(lease)
            return False

    async def release(self) -> None:
        """Own it no longer: another worker may claim it at once."""
        assert self._task is not None and self._lease is not None  # noqa: S101, PT018 - claimed, and begun
        self._task.cancel()
        await self._let_go(self._lease)

    async def _let_go(self, lease: Lease) -> None:
        with survived(partial(self._trouble, "releasing the lease")):
            async with asyncio.timeout(self._policy.save_timeout):
                await self._leases.release(self._key, lease)
