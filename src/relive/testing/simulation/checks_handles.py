"""Handles: P1–P5, from what was read, presented and saved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import inf
from typing import Any, Final

import attrs

from relive.testing.simulation.checks_connections import is_cut, is_loss
from relive.testing.simulation.checks_facts import EPS, LIVE, Facts, Story
from relive.testing.simulation.history import Record
from relive.testing.simulation.outcome import Violation

DEAD: Final = (
    (1008, "BidiGenerateContent session not found"),
    (1007, "Invalid session handle"),
    (1008, "Requested entity was not found."),
)
"What a server says to a handle that leads nowhere."
_PROOF: Final = frozenset({"OutputStarted", "TurnEnded", "ToolCalled", "CheckpointReceived"})
_SAID: Final = frozenset({"notice", "wrong", "end", "asked", "transition", "made"})


def is_dead(code: object, reason: object) -> bool:
    """Whether these words say that a handle is dead."""
    return any(code == dead and str(reason).startswith(words) for dead, words in DEAD)


def usable(read: Record) -> str | None:
    """The handle that a resumption update brings, if it can be resumed from."""
    brings = read.what == "sessionResumptionUpdate" and read.data and read.data[0] and read.data[1]
    return str(read.data[0]) if brings else None


@attrs.define(eq=False)
class _Hand:
    """The handle that a client should have in its hand, and those that it must not use any more."""

    newest: str | None = None
    condemned: set[str] = attrs.Factory(set[str])
    given_up: set[str] = attrs.Factory(set[str])
    "Handles that did not lead back when context was lost."
    again: str | None = None
    "One of these that the server has told once more: it may be used or not."
    strikes: int = 0
    presented: str | None = None
    "On the connection that is being opened, or is up."
    up_at: float | None = None
    proven: bool = False
    "That connection has shown that its session lives, and"
    renewed: bool = False
    "it has brought a newer handle."
    wall: float = 0.0
    "When the newest handle was last known to be alive."
    down_wall: float = float("-inf")
    decided_wall: float = 0.0
    lost: bool = False
    "Context was lost since the last connection came up."
    killed: Record | None = None
    "The end of the connection that is up."


def presents_the_newest_usable_handle(facts: Facts) -> Iterator[Violation]:
    """P1 P2 P3: a connection is opened with the newest usable handle that was read, stored or given, and no other.

    It is opened without one only if there is none, or if the context was lost. A handle that the server has refused in
    so many words, or whose sessions die young or stay mute `handle_strikes` times, is not presented again, nor is one
    that is too old.
    """
    condemned: dict[int, set[str]] = {}
    for story in facts.stories:
        known = condemned.setdefault(story.client, set())
        hand = _Hand(condemned=known)
        hand.newest = facts.given(story)
        if hand.newest is not None:
            hand.wall = facts.wall(story.life.began)
        yield from _follow(facts, story, hand)
        if story.life.crashed:
            # A tombstone that was not put up before the crash, or was lost with the store, is known to nobody.
            kept = _store_after(facts, story) == "kept"
            kept = {record.what for record in story.kinds["condemn"]} if kept else set[str]()
            condemned[story.client] = {name for name in known if facts.digests.get(name) in kept} if kept else set()


def _store_after(facts: Facts, story: Story) -> str:
    crashes = [f for f in facts.struck if f.what == "Crash" and f.client in (-1, story.client) and f.at <= story.ended]
    return str(crashes[-1].data["store"]) if crashes else "lost"


def _follow(facts: Facts, story: Story, hand: _Hand) -> Iterator[Violation]:
    policy = facts.policy
    for record in story.walk:
        kind = record.kind
        if kind == "step":
            _step(facts, hand, record)
        elif kind == "read":
            name = usable(record)
            if name is not None and name in hand.given_up:
                hand.again = name  # it may be known to be dead, for a reason that is not seen from here
            elif name is not None and name not in hand.condemned:
                hand.renewed |= name != hand.newest
                hand.strikes = hand.strikes if name == hand.newest else 0
                hand.newest, hand.wall = name, facts.wall(record.at)
        elif kind == "load":
            if record.what:
                hand.newest, hand.wall = record.what, _saved_at(facts, story, record)
                if record.what in hand.condemned:
                    hand.newest = None
        elif kind == "open":
            yield from _open(facts, story, hand, record)
        elif kind == "up":
            hand.up_at, hand.proven, hand.renewed, hand.lost = record.at, False, False, False
            if hand.presented is None:
                hand.newest = None
        elif kind == "refused":
            if hand.presented and is_dead(record.data[1], record.data[3]):
                hand.condemned.add(hand.presented)
        elif kind == "gone":
            hand.killed = record
    if story.walk and hand.strikes > policy.handle_strikes:
        yield story.wrong("P3", story.ended, f"{hand.strikes} sessions from one handle died young or stayed mute")


def _saved_at(facts: Facts, story: Story, load: Record) -> float:
    """When the loaded handle was known to be alive; a bound from above."""
    walls = [
        facts.wall(save.at)
        for other in facts.of_client(story.client)
        for save in other.kinds["save"]
        if save.what == load.what and save.at <= load.at
    ]
    return max(walls, default=facts.wall(load.at))


def _step(facts: Facts, hand: _Hand, step: Record) -> None:
    what, (source, dest, *_) = step.what, step.data
    if what in _PROOF:
        hand.proven = True
    if what != "DialStarted" and dest in ("RESUMING", "CONNECTING"):
        hand.decided_wall = facts.wall_at_least(step.at)
    if source in LIVE and dest not in LIVE:
        hand.down_wall = facts.wall(step.at)
        _judge(facts, hand, step)
    elif what == "ConnectionClosed":
        hand.down_wall = facts.wall(step.at)
    if dest == "HANDLE_EXPIRED" != source:
        hand.lost = True
        hand.given_up |= {hand.newest} if hand.newest is not None else set()
        hand.newest = None
        hand.strikes = 0


def _judge(facts: Facts, hand: _Hand, step: Record) -> None:
    """Count a strike if a resumed connection died young or stayed mute; condemn at the last."""
    if hand.presented is None or hand.renewed or hand.up_at is None or hand.newest != hand.presented:
        return
    mute = step.what == "DeadlineReached(answer)" and not hand.proven
    killed = hand.killed if step.what == "ConnectionDropped" else None
    young = step.at - hand.up_at < facts.policy.stable_after - EPS
    if killed is not None and young:
        code, reason = killed.data
        if is_dead(code, reason):
            hand.condemned.add(hand.presented)
        mute = mute or (code == 1011 and str(reason).startswith("Internal error"))
    hand.killed = None
    if mute:
        hand.strikes += 1
        if hand.strikes >= facts.policy.handle_strikes:
            hand.condemned.add(hand.presented)


def _open(facts: Facts, story: Story, hand: _Hand, record: Record) -> Iterator[Violation]:
    presented: str | None = record.data[1]
    first = hand.presented is None and hand.up_at is None
    hand.presented, hand.up_at = presented, None
    if presented is None:
        if hand.newest is not None and not hand.lost:
            yield story.wrong("P1", record.at, f"opened afresh, although handle {hand.newest} leads back")
        return
    if presented in hand.condemned:
        yield story.wrong("P3", record.at, f"handle {presented} is presented again, although it is known to be dead")
    elif presented not in (hand.newest, hand.again):
        yield story.wrong("P1", record.at, f"handle {presented} is presented; the newest usable one is {hand.newest}")
    given = first and facts.given(story) is not None
    age = hand.decided_wall - max(hand.down_wall, hand.wall)
    if not given and age >= facts.policy.handle_ttl + EPS:
        yield story.wrong("P3", record.at, f"handle {presented} is presented {age:.0f} s after it was last alive")


def a_given_handle_wins_over_the_store(facts: Facts) -> Iterator[Violation]:
    """P2: a handle in the caller's own configuration is the first that is presented, and the store is not asked."""
    for story in facts.stories:
        given = facts.given(story)
        if given is not None and story.kinds["open"]:
            opened = story.kinds["open"][0]
            if opened.data[1] != given:
                yield story.wrong("P2", opened.at, f"the caller's handle {given} was not presented first")
            if story.kinds["load"]:
                yield story.wrong("P2", opened.at, "the store was asked, although the caller gave a handle")


def handles_are_not_given_up_early(facts: Facts) -> Iterator[Violation]:
    """P3: a handle is too old `handle_ttl` after the last connection ended, and given up after `handle_strikes`.

    What a store has had for longer than that is not judged: no connection of this process has ended yet.
    """
    policy = facts.policy
    for story in facts.stories:
        left: float | None = None
        presented, strikes = "", Counter[str]()
        since: float | None = None
        resumes = expired_at = inf
        for record in story.walk:
            if record.kind == "open":
                presented = record.data[1] or ""
            elif record.kind == "step":
                if record.what == "CheckpointReceived":
                    presented = ""
                elif is_cut(record):
                    strikes[presented] += 1
                if is_loss(record):
                    left = record.at
                if record.data[1] == "HANDLE_EXPIRED":  # its notice may come after other steps, even after another loss
                    before = resumes if record.at == expired_at else 0
                    resumes = max(before, strikes[presented] if is_cut(record) else inf)
                    since, expired_at = left, record.at
            elif record.kind == "notice" and record.what == "handle_quarantined":
                if record.data == "expired" and since is not None:
                    age = max(facts.wall(record.at), facts.wall(record.at - EPS)) - facts.wall_at_least(since)
                    if age < policy.handle_ttl - EPS:
                        yield story.wrong("P3", record.at, f"a handle was given up for its age, which was {age:.1f} s")
                if record.data == "quarantined" and resumes < policy.handle_strikes:
                    yield story.wrong(
                        "P3", record.at, f"a handle was given up after {resumes} resumes that came to nothing"
                    )


def saves_in_order(facts: Facts) -> Iterator[Violation]:
    """P4: what is saved was read, stored or given; never an older handle after a newer, never a condemned one.

    Nor one that a predecessor condemned whose store was read: what it holds is known from then on. When a session is
    closed in good order the newest handle is in the store, unless a failure was noticed or somebody else owns the key.
    """
    stored: dict[int, dict[str, float]] = {}
    for story in facts.stories:
        place: dict[str, int] = {}
        tombstones = stored.setdefault(story.client, {})
        newest, condemned, saved = -1, set[str](), ""
        last_read, ended = "", False
        for order, record in enumerate(story.walk):
            kind = record.kind
            if kind == "step" and record.data[1] in ("CLOSED", "FAILED"):
                ended = True
            elif kind == "read" and record.what == "sessionResumptionUpdate" and record.data and record.data[0]:
                place[record.data[0]] = order  # the server's last word is the newest, also if it repeats itself
                if record.data[1] and not ended:
                    last_read = record.data[0]
            elif kind == "load":
                if record.what:
                    place.setdefault(record.what, order)
                condemned |= {digest for digest, falls in tombstones.items() if facts.wall(record.at) < falls}
            elif kind == "open" and record.data[1]:
                place.setdefault(record.data[1], order)
            elif kind == "condemn":
                condemned.add(record.what)
                tombstones[record.what] = facts.wall_at_least(record.at) + facts.policy.handle_ttl
            elif kind == "save":
                saved = record.what
                at = place.get(saved)
                if at is None:
                    yield story.wrong("P4", record.at, f"handle {saved} was saved, and never read")
                elif at < newest:
                    yield story.wrong("P4", record.at, f"handle {saved} was saved after a newer one")
                newest = max(newest, -1 if at is None else at)
                if condemned and facts.digests.get(saved) in condemned:
                    yield story.wrong("P4", record.at, f"handle {saved} was saved after it was condemned")
        if facts.plan.client.store and story.life.state == "CLOSED" and not story.life.crashed and last_read:
            trouble = any(n.what in ("store_error", "session_taken") for n in story.kinds["notice"])
            lost = any(step.data[1] == "HANDLE_EXPIRED" for step in story.moves)
            if saved != last_read and not trouble and not lost:
                yield story.wrong("P4", story.ended, f"handle {last_read} was not saved; {saved or 'none'} is kept")
        if story.life.crashed and _store_after(facts, story) != "kept":
            tombstones.clear()


def saves_soon(facts: Facts) -> Iterator[Violation]:
    """P4: a handle that stays the newest is in the store within `save_timeout`, and that of the save before it.

    Judged up to the first trouble with the store, and up to the first loss of context. When a server names a handle
    again that has been condemned, nothing is judged before the next one: it need not be saved, and it is the newest.
    """
    if not facts.plan.client.store:
        return
    within = 2.0 * facts.policy.save_timeout + facts.late
    condemned = [record for story in facts.stories for record in story.kinds["condemn"]]
    dead_since = {record.what: record.at for record in reversed(condemned)}
    for story in facts.stories:
        newest = saved = ""
        since = inf
        for record in story.walk:
            if record.at > since + within:
                yield story.wrong("P4", record.at, f"handle {newest} was read at {since:.3f} s, and not saved")
                break
            if record.kind == "notice" and record.what in ("store_error", "session_taken"):
                break
            if record.kind == "step" and record.data[1] in ("HANDLE_EXPIRED", "CLOSED", "FAILED"):
                break
            if record.kind == "read" and record.what == "sessionResumptionUpdate" and record.data and record.data[1]:
                newest = record.data[0] or newest
                if dead_since and dead_since.get(facts.digests.get(newest, ""), inf) <= record.at:
                    newest, since = "", inf
            elif record.kind == "step" and record.what == "CheckpointReceived":
                since = record.at if newest not in ("", saved) else inf
            elif record.kind == "save":
                saved = record.what
                since = inf if newest == saved else since


def loads_once(facts: Facts) -> Iterator[Violation]:
    """P4: the store is asked once, in IDLE, for no longer than `load_timeout`."""
    for story in facts.stories:
        loads = story.kinds["load"]
        if len(loads) > 1:
            yield story.wrong("P4", loads[1].at, f"the store was asked {len(loads)} times")
        if story.moves:
            left = story.moves[0].at
            if left - story.life.began > facts.policy.load_timeout + facts.late:
                yield story.wrong("P4", left, f"loading took {left - story.life.began:.3f} s")


def tells_no_secret(facts: Facts) -> Iterator[Violation]:
    """P5: no notice, verdict, transition, failure or record of ours contains a handle.

    What the server says in its closes is its own; the application's frames carry handles as they do in the SDK.
    """
    secrets = [secret for secret in facts.history.secrets if secret]
    for story in facts.stories:
        said: list[Any] = [record[4:] for kind in _SAID for record in story.kinds.get(kind, ())]
        said += [story.life.failure, str(story.life.failure), story.life.verdicts, story.life.errors, story.life.stats]
        text = repr(said)
        for secret in secrets:
            if secret in text:
                yield story.wrong("P5", story.ended, f"handle {facts.history.name(secret)} was told in clear")


CHECKS: Final = (
    presents_the_newest_usable_handle, handles_are_not_given_up_early, a_given_handle_wins_over_the_store,
    saves_in_order, saves_soon, loads_once, tells_no_secret,
)  # fmt: skip
