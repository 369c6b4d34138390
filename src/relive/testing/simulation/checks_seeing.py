"""Seeing: P23, what was reported and counted compared with what happened."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, zip_longest
from typing import Final

from relive.testing.simulation.checks_facts import Facts, Story
from relive.testing.simulation.outcome import Violation


def each_transition_is_reported_once(facts: Facts) -> Iterator[Violation]:
    """P23: in order, each with the states, the fact, the time and the connection of the step; they form a chain.

    A process that crashed may have had no time to report its last ones; one whose observers were slow says so.
    """
    for story in facts.stories:
        reported = story.kinds["transition"]
        for one, following in pairwise(reported):
            if one.what.partition(" → ")[2] != following.what.partition(" → ")[0]:
                yield story.wrong("P23", following.at, f"{one.what} was followed by {following.what}")
        if story.life.stats is not None and story.life.stats.observer_overflows:
            continue
        for step, told in zip_longest(story.moves, reported):
            if told is None:
                if not story.life.crashed:
                    yield story.wrong("P23", step.at, f"{step.data[0]} → {step.data[1]} was not reported")
                break
            if step is None:
                yield story.wrong("P23", told.at, f"{told.what} was reported, and did not happen")
                break
            made = f"{step.data[0]} → {step.data[1]}", step.what, step.conn
            if made != (told.what, told.data[0], told.data[1]) or abs(told.data[2] - step.at) > facts.late:
                yield story.wrong("P23", step.at, f"{made} was reported as {told.what}, {told.data[:3]}")
                break
            if (told.data[3] is not None) != (told.data[0] == "ConnectionOpened"):
                yield story.wrong("P23", told.at, f"{told.what} with the verdict {told.data[3]}")


def only_the_dead_are_dropped(facts: Facts) -> Iterator[Violation]:
    """P9: a connection counts as dropped once it has ended, and not for what is told of another (fencing)."""
    for story in facts.stories:
        gone = {record.conn for record in story.kinds["gone"]}
        for step in story.moves:
            # The step is written down under the number of the next one, if that is opened at once.
            number = step.conn - (step.data[1] in ("RESUMING", "CONNECTING"))
            if step.what == "ConnectionDropped" and number not in gone:
                yield story.wrong("P9", step.at, f"a connection was dropped that had not ended: {step.data[:2]}")


def counts_agree(facts: Facts) -> Iterator[Violation]:
    """P23: what is counted is what was seen: connections, openings, notices, frames in both directions."""
    for story in facts.stories:
        stats = story.life.stats
        if stats is None or story.life.crashed:
            continue
        seen = _seen(story)
        for name, value in seen.items():
            if getattr(stats, name) != value:
                yield story.wrong("P23", story.ended, f"{name} is {getattr(stats, name)}; {value} were seen")
        most = stats.frames_covered + stats.frames_waiting + stats.frames_uncovered
        most += stats.dropped_audio + stats.dropped_video + stats.dropped_answers + stats.forgotten
        if stats.frames_accepted > most:
            missing = stats.frames_accepted - most
            yield story.wrong("P23", story.ended, f"{missing} frames are neither covered, kept, dropped nor forgotten")
        written = sum(flow.data[1] for flow in story.flows)
        mine = story.client, story.life.number
        setups = sum(whose[:2] == mine for whose in facts.history.dialled.values())
        within = 0 if facts.history.scale is None else 2  # what is on its way at the end of a real socket
        # A dial may end before its setup.
        if not stats.frames_written - within <= written <= stats.frames_written + setups + within:
            what = f"{written} frames written, {setups} of them setups; {stats.frames_written} are counted"
            yield story.wrong("P23", story.ended, what)


def _seen(story: Story) -> dict[str, int]:
    life = story.life
    verdicts = [verdict.kind for verdict in life.verdicts]
    mine = [sent for sent in story.ledger.sent if sent.life == life.number and sent.fate == "ok"]
    audio = len(story.ledger.audio) - life.audio_from
    return {
        "connections": sum(step.data[1] == "ACTIVE" for step in story.moves),
        "openings": max((step.conn for step in story.steps), default=0),
        "resumed": sum(kind.startswith("resumed") for kind in verdicts),
        "not_restored": verdicts.count("not_restored"),
        "go_aways": sum(read.what == "goAway" for read in story.kinds["read"]),
        "frames_accepted": len(mine) + audio,
        "frames_received": sum(flow.data[2] for flow in story.flows),
        "reader_stalls": sum(notice.what == "reader_stalled" for notice in story.kinds["notice"]),
        "store_errors": sum(notice.what == "store_error" for notice in story.kinds["notice"]),
    }


CHECKS: Final = (each_transition_is_reported_once, only_the_dead_are_dropped, counts_agree)
