"""Owns a session in the store, so that at most one worker uses it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from relive.core.policy import Policy
from relive.errors import SessionTaken
from relive.ports import Lease, Leases
from relive.runtime.tasks import Tasks

_LOOK_AGAIN = 1.0  # seconds at most between two looks at a session that another worker owns


class Owner:
    """Claims, renews and releases. A store that fails is told of, and asked again: nobody else can claim there either.

    Args:
        leases: the store.
        key: names the session in it.
        name: names this worker to the others; what makes it unique is added.
        policy: the numbers.
        trouble: told what failed.
        lost: told that somebody else owns the session now.
    """

    def __init__(
        self,
        leases: Leases,
        key: str,
        name: str,
        policy: Policy,
        *,
        trouble: Callable[[str, Exception], None],
        lost: Callable[[], None],
    ) -> None:
        self._leases = leases
        self._key = key
        self._name = f"{name}/{secrets.token_hex(4)}"  # a name is a worker's, and a worker may open a session twice
        self._policy = policy
        self._trouble = trouble
        self.lost = lost
        self._lease: Lease | None = None

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
        tasks.spawn(self._renew(), "owner")

    async def _renew(self) -> None:
        assert self._lease is not None  # noqa: S101 - claimed before
        policy = self._policy
        while True:
            await asyncio.sleep(policy.lease_ttl / 3)
            try:
                async with asyncio.timeout(policy.save_timeout):
                    ours = await self._leases.renew(self._key, self._lease, ttl=policy.lease_ttl)
            except Exception as exc:  # noqa: BLE001 - a store is somebody else's code
                self._trouble("renewing the lease", exc)
                continue
            if not ours:
                self.lost()
                return

    async def release(self) -> None:
        """Let go: another worker may claim it at once."""
        if self._lease is None:
            return
        try:
            async with asyncio.timeout(self._policy.save_timeout):
                await self._leases.release(self._key, self._lease)
        except Exception as exc:  # noqa: BLE001 - a store is somebody else's code
            self._trouble("releasing the lease", exc)
