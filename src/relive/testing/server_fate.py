"""What was decided about connections before they were opened: by their turn, or by the handle that they present."""

from __future__ import annotations

from collections import deque
from typing import Literal

import attrs


@attrs.frozen
class Fate:
    """What will become of a connection."""

    kind: Literal["hang", "late_setup", "close_in_setup", "close_later", "mute_later"]
    """Never answer the setup; answer it late; close instead of answering it; answer it and then close, or fall silent.
    """
    close: tuple[int | None, str] = (None, "")
    "Code and reason of the close; no code for a reset."
    delay: float = 0.0
    "Seconds: from the setup to its answer for `late_setup`, from `setupComplete` for `close_later` and `mute_later`."

    @property
    def comes_later(self) -> bool:
        """It strikes a connection that is up."""
        return self.kind in {"close_later", "mute_later"}


class Plans:
    """What will become of the next dials, in order: each plan is used up by one. Part of `FakeLiveServer`."""

    def __init__(self) -> None:
        """Plan nothing."""
        self._refusals: deque[int] = deque()
        self._fates: deque[Fate] = deque()

    def refuse_next(self, status: int, times: int = 1) -> None:
        """Answer the next dials with this HTTP status."""
        self._refusals.extend([status] * times)

    def hang_next_setup(self, times: int = 1) -> None:
        """Accept the next dials and never answer their setup."""
        self._fates.extend([Fate("hang")] * times)

    def delay_next_setup(self, delay: float, times: int = 1) -> None:
        """Accept the next dials and answer their setup so many seconds after it came, whatever the script says."""
        self._fates.extend([Fate("late_setup", delay=delay)] * times)

    def close_next_setup(self, code: int | None, reason: str, times: int = 1) -> None:
        """Accept the next dials and close instead of answering their setup; None or 1006 resets."""
        self._fates.extend([Fate("close_in_setup", (code, reason))] * times)

    def close_after_next_setup(self, code: int | None, reason: str, delay: float = 0.0, times: int = 1) -> None:
        """Let the next connections come up, and close them so many seconds after `setupComplete`."""
        self._fates.extend([Fate("close_later", (code, reason), delay)] * times)

    def mute_after_next_setup(self, delay: float = 0.0, times: int = 1) -> None:
        """Let the next connections come up, and mute them so many seconds after `setupComplete`."""
        self._fates.extend([Fate("mute_later", delay=delay)] * times)

    def forget_plans(self) -> None:
        """Undo what was said about the next dials: they are treated as the script says again.

        What was done to handles stays done: see `expire_handles`, `reject_handles` and `poison_handles`.
        """
        self._refusals.clear()
        self._fates.clear()
