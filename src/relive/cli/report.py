"""What a demo has to say for itself at its end."""

from __future__ import annotations

import attrs

from relive.cli.account import Account
from relive.cli.plan import Plan
from relive.core.effects import Transition, Verdict
from relive.ports import Stats


@attrs.frozen
class Report:
    """A demo, as it went."""

    plan: Plan
    backend: str
    live: bool
    "Held with the real service: nobody knows what was lost."
    steps: tuple[Transition, ...]
    stats: Stats | None
    "None if the session never came up."
    account: Account | None
    "None where there is no truth to compare with."
    seconds: float
    problem: str = ""
    "Why the conversation did not come to its end; empty if it did."

    @property
    def good(self) -> bool:
        """Whether the conversation came to its end with nothing lost, and nothing doubled that need not be."""
        if self.problem:
            return False
        return self.live or (self.account is not None and self.account.good(indexed=self.backend == "vertex"))

    @property
    def verdicts(self) -> list[Verdict]:
        """How each connection came up, in order."""
        return [step.verdict for step in self.steps if step.dest == "ACTIVE" and step.verdict is not None]

    def as_json(self) -> dict[str, object]:
        """The summary, as plain JSON. What cannot be known is null."""
        stats, account = self.stats, self.account
        return {
            "seed": self.plan.seed,
            "backend": self.backend,
            "live": self.live,
            "good": self.good,
            "problem": self.problem or None,
            "turns": len(self.plan.turns),
            "faults": [str(fault) for fault in self.plan.faults],
            "connections": stats.connections if stats else 0,
            "openings": stats.openings if stats else 0,
            "frames_sent": stats.frames_accepted if stats else 0,
            "frames_replayed": stats.frames_replayed if stats else 0,
            "frames_uncertain": stats.frames_uncertain if stats else 0,
            **dict.fromkeys(field.name for field in attrs.fields(Account)),
            **(attrs.asdict(account) if account else {}),
            "transitions": [{"from": step.source, "to": step.dest, "event": step.event} for step in self.steps],
            "verdicts": [str(verdict) for verdict in self.verdicts],
            "seconds": round(self.seconds, 2),
        }
