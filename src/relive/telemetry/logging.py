"""The log of a session: a line per transition and per notice, with fields that a program can read.

The runtime writes it to the logger ``relive`` by itself. Pass a `LogObserver` of your own to have the conversation
named in it, or to have it written elsewhere; then that one writes, and there is no second line.
"""

from __future__ import annotations

import logging
from typing import Final

from relive.core.effects import Transition
from relive.ports import Notice, Observer

# A library is silent until somebody configures logging; without this Python would print warnings to stderr.
logging.getLogger("relive").addHandler(logging.NullHandler())

_LEVELS: Final = {
    "dialled": logging.INFO,
    "go_away": logging.INFO,
    "lost": logging.INFO,
    "saved": logging.INFO,
    "failed": logging.ERROR,
}
"Of notices. Those that are not named here tell of trouble."


class LogObserver:
    """Logs what a session does: transitions at INFO, failures at ERROR, other trouble at WARNING.

    Records of transitions have the fields ``relive_state``, ``relive_from``, ``relive_event`` and ``relive_verdict``;
    those of notices ``relive_notice``, ``relive_detail`` and ``relive_seconds``; all of them ``relive_connection``,
    ``relive_at`` (monotonic seconds) and ``relive_conversation``.

    Args:
        logger: where to.
        conversation: the application's own name for the conversation. Never a handle.
    """

    __slots__ = ("_conversation", "_logger")

    def __init__(self, logger: logging.Logger | None = None, *, conversation: str | None = None) -> None:
        self._logger = logger if logger is not None else logging.getLogger("relive")
        self._conversation = conversation

    def transition(self, transition: Transition) -> None:
        """Log a transition."""
        if not self._logger.isEnabledFor(logging.INFO):
            return
        step, verdict = transition, "" if transition.verdict is None else str(transition.verdict)
        text, values = "%s → %s on %s (connection %d)", (step.source, step.dest, step.event, step.connection)
        if step.dest == "ACTIVE" and verdict:
            text, values = f"{text}: %s", (*values, verdict)
        self._logger.info(
            text,
            *values,
            extra={
                "relive_state": step.dest,
                "relive_from": step.source,
                "relive_event": step.event,
                "relive_verdict": verdict or None,
                **self._common(step.connection, step.at),
            },
        )

    def notice(self, notice: Notice) -> None:
        """Log a notice."""
        level = _LEVELS.get(notice.what, logging.WARNING)
        if not self._logger.isEnabledFor(level):
            return
        told = notice.detail if notice.seconds is None else f"{notice.seconds:.3f} s {notice.detail}".rstrip()
        self._logger.log(
            level,
            "%s: %s (connection %d)",
            notice.what,
            told,
            notice.connection,
            extra={
                "relive_notice": notice.what,
                "relive_detail": notice.detail,
                "relive_seconds": notice.seconds,
                **self._common(notice.connection, notice.at),
            },
        )

    def _common(self, connection: int, at: float) -> dict[str, object]:
        return {"relive_connection": connection, "relive_at": at, "relive_conversation": self._conversation}


_: type[Observer] = LogObserver
