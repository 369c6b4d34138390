"""Holds the history of an application to the promises: those that do not ask what our own simulated user said.

What was sent is compared with what the server consumed by its content, whatever that is, instead of by number. When an
application receives is its own affair, so nothing is asked of what it hears but that the server said it.

Each session is judged by itself, and by what its own connections brought: a handle that it has from a store, or from
its application, leads into a session of the server's in which others were before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import attrs

from relive.testing.server_truth import Kind, Payload
from relive.testing.simulation import checks_connections, checks_ending, checks_handles, checks_retries
from relive.testing.simulation.checks import Check, noted
from relive.testing.simulation.checks_facts import HANDS_OFF, Facts, Story
from relive.testing.simulation.checks_input import unexplained
from relive.testing.simulation.embedding_watch import Watched
from relive.testing.simulation.outcome import Violation
from relive.testing.simulation.plan import Client as Settings, Plan

if TYPE_CHECKING:
    from relive.testing.simulation.embedding import AgentHistory


def ends_are_told(facts: Facts) -> Iterator[Violation]:
    """P22: whoever sends or receives after the end gets the error that fits it."""
    for story in facts.stories:
        right = "SessionFailed" if story.life.failure is not None else "SessionClosed"
        for where, got in story.life.errors.items():
            if got != right and not story.life.crashed:
                yield story.wrong("P22", story.ended, f"{where} raised {got}, and it was {right}")


CHECKS: Final[tuple[Check, ...]] = (
    noted,
    *checks_handles.CHECKS,
    *(checker for checker in checks_connections.CHECKS if checker is not checks_connections.dials_are_limited),
    *checks_retries.CHECKS,
    checks_ending.losses_pass_through_handle_expired,
    checks_ending.ends_in_time,
    ends_are_told,
)
"Asked about each session by itself."


def check(history: AgentHistory) -> tuple[Violation, ...]:
    """Return what was promised and not kept."""
    whole = Facts(history)
    sessions = history.watch.sessions
    found = list(checks_connections.dials_are_limited(whole)) if all(watched.limited for watched in sessions) else []
    for story in whole.stories:
        watched = sessions[story.client]
        facts = Facts(history, plan=_plan_of(history.plan, watched), policy=watched.runtime.policy, stories=[story])
        found += (violation for checker in CHECKS for violation in checker(facts))
        found += kept(facts, watched, slow_up=bool(facts.faults & HANDS_OFF))
    return tuple(sorted(found, key=lambda violation: violation.at))


def _plan_of(plan: Plan, watched: Watched) -> Plan:
    """The plan with what is true of this session's settings: what the plan says of them is not of an application."""
    settings = Settings(store=watched.stored, compressed=watched.runtime.transport.compressed)
    return attrs.evolve(plan, client=settings, herd=1)


def kept(facts: Facts, watched: Watched, *, slow_up: bool) -> Iterator[Violation]:
    """P13 P14 P15: what the application sent was consumed, in order and once, or its loss was counted.

    What was not covered by a handle when the process crashed, or the session failed, is lost with it.
    """
    story = facts.of_client(watched.scribe.client)[0]
    stats, heard = story.life.stats, list(_timeline(facts, story))
    if stats is None:
        return
    sent, consumed = Counter(watched.said), Counter(heard)
    lost, more = sent - consumed, consumed - sent - Counter(watched.unsure)
    if watched.seeded:
        more = Counter({item: count for item, count in more.items() if item[0] != "content"})
    kinds = Counter[str]()
    for (kind, _), count in lost.items():
        kinds[kind] += count
    missing = unexplained(facts, story, kinds)
    if missing and not (slow_up and not facts.indexed):
        first = next(item for item in watched.said if item in lost)
        what = f"{lost.total()} items were never consumed, the first is {_show(first)}; {missing}"
        yield story.wrong("P13", story.ended, what)
    if more.total() > stats.frames_uncertain and "WrongIndices" not in facts.faults:
        first = next(item for item in heard if item in more)
        promise, uncertain = "P14" if facts.indexed else "P15", stats.frames_uncertain
        what = f"{more.total()} items were consumed more often than sent, {uncertain} are uncertain; the first is "
        yield story.wrong(promise, story.ended, what + _show(first))
    place = {item: at for at, item in enumerate(watched.said) if sent[item] == 1}
    newest = -1
    for item in dict.fromkeys(heard):
        at = place.get(item, newest)
        if at < newest:
            yield story.wrong("P13", story.ended, f"{_show(item)} was consumed after what was sent later")
            break
        newest = at


def _timeline(facts: Facts, story: Story) -> Iterator[tuple[Kind, Payload]]:
    """What was consumed of its own, as it left each of the server's sessions that it was in.

    Others may have been there before it, and come after it, with the same handle. Of a session that was lost it is what
    the newest handle covers that was read from it.
    """
    own = {conn for conn, whose in facts.history.dialled.items() if whose.client == story.client}
    last = facts.last_session(story.client)
    for session in facts.sessions(story.client):
        consumed = session.left_by([conn for conn in session.connections if conn in own][-1])
        if session is not last:
            covered = (
                facts.handles.get(update.handle) for _, _, update in story.reads if update.usable and update.handle
            )
            lengths = [snapshot.length for snapshot in covered if snapshot is not None and snapshot.session is session]
            consumed = consumed[: lengths[-1] if lengths else 0]
        for item in consumed:
            if item.connection in own and item.kind not in ("tool_response", "context_update"):
                yield item.kind, item.payload


def _show(item: tuple[Kind, Payload]) -> str:
    kind, payload = item
    return f"{kind} {payload[:30]!r}" if payload else kind
