"""The checkers find what is wrong in a history, and nothing in one that is right.

Histories are made by playing small plans; then one fact in them is forged, and the promise that it breaks is named.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from tests.simulation.forging import TOOLS, edit, gone, insert_before, is_, later, life, plan, put, record, stats

from relive.core.effects import Failure, Verdict
from relive.testing.simulation.checks import CHECKS, MUST_HAPPEN, check
from relive.testing.simulation.checks_facts import Facts, seconds_of
from relive.testing.simulation.faults import (
    Close,
    CloseInSetup,
    Crash,
    ExpireHandles,
    GoAway,
    HangSetup,
    PoisonHandles,
    RefuseDial,
    StepWall,
    Timeout,
)
from relive.testing.simulation.history import History, Record
from relive.testing.simulation.plan import Client, Service, Turn
from relive.testing.simulation.runtime_level import play

ALL = (Turn(answer=3.0, video=2), Turn(kind="spoken", answer=3.0), Turn(kind="marked", answer=3.0), *TOOLS)


PLANS = {
    "calm": plan(turns=ALL),
    "announced": plan((20.0, GoAway(time_left=10.0)), turns=ALL),
    "cut at the deadline": plan((10.0, GoAway(time_left=5.0)), turns=(Turn(answer=30.0),)),
    "dropped": plan((20.1, Close())),
    "dropped in an answer": plan((9.5, Close())),
    "dropped with tools": plan((10.5, Close()), turns=TOOLS),
    "no indices": plan((20.1, Close()), service=Service(connection=None, backend="developer")),
    "expired": plan((20.0, ExpireHandles()), (20.1, Close())),
    "seeded": plan((20.0, ExpireHandles()), (20.1, Close()), client=Client(hook="seed")),
    "refused": plan((20.0, ExpireHandles()), (20.1, Close()), client=Client(hook="refuse")),
    "poisoned": plan((20.0, PoisonHandles()), (20.1, Close())),
    "retried": plan((20.0, RefuseDial(times=3)), (20.1, Close())),
    "quota": plan((20.0, RefuseDial(status=429)), (20.1, Close())),
    "bad key": plan((20.0, CloseInSetup("bad_key")), (20.1, Close())),
    "hung": plan((20.0, HangSetup()), (20.1, Close())),
    "black hole": plan((20.1, Timeout())),
    "crashed": plan((20.1, Crash())),
    "crashed without a store": plan((20.1, Crash(store="lost"))),
    "old": plan((20.0, RefuseDial(times=4)), (20.1, Close()), (20.2, StepWall(8000.0))),
    "given": plan(client=Client(handle=True)),
    "limited": attrs.evolve(
        plan(service=Service(connection=None, session=120.0), client=Client(compressed=False, policy={
            "session_limit": 120.0, "limit_warning": 30.0,
        })),
        seconds=150.0,
    ),
}  # fmt: skip


def branch(history: History) -> Any:
    return history.server.sessions[-1]._branches[-1]


def lose_an_item(history: History) -> None:
    del branch(history).items[3]


def double_an_item(history: History) -> None:
    items = branch(history).items
    items.insert(4, items[3])


def shuffle_items(history: History) -> None:
    items = branch(history).items
    numbers = [place for place, item in enumerate(items) if item.kind == "audio"][:2]
    items[numbers[0]], items[numbers[1]] = items[numbers[1]], items[numbers[0]]


def lose_a_mark(history: History) -> None:
    items = branch(history).items
    del items[next(place for place, item in enumerate(items) if item.kind == "activity_end")]


def repeat_a_handle(history: History) -> None:
    """Present the refused handle once more."""
    opened = [r for r in history.records if r.kind == "open"]
    refused = next(r.data[1] for r in opened if r.data[1])
    place = history.records.index(opened[-1])
    history.records[place] = opened[-1]._replace(what="resume", data=[opened[-1].data[0], refused, False])


def save_an_old_one(history: History) -> None:
    saves = [r for r in history.records if r.kind == "save"]
    edit(history, lambda r: r is saves[-1], lambda r: r._replace(what=saves[0].what))


def tell_a_handle(history: History) -> None:
    handle = next(iter(history.server.handles))
    history.name(handle)
    insert_before(history, is_("end"), lambda end: end._replace(kind="notice", what="oops", data=f"it was {handle}"))


def seed_again(history: History) -> None:
    session = history.server.sessions[-1]
    first = session._branches[0].items[0]
    session._branches[0].items.append(attrs.evolve(first, index=40))


def stray_response(history: History) -> None:
    history.server.sessions[-1].stray_tool_responses.append("call-1")


def overlap(history: History) -> None:
    old, new = history.server.admissions[:2]
    old.ended_at = (new.setup_at or 0.0) + 1.0


def in_use(history: History) -> None:
    history.server.admissions[1].refused = "in_use"


def endless_answer(history: History) -> None:
    history.clients[0].user.asked[0].chunks += 1


def stray_end(history: History) -> None:
    history.clients[0].user.stray_ends = 1


def wait_for_quota(history: History) -> None:
    edit(history, is_("step", "DeadlineReached(retry)"), later(-19.0))


def say_fresh(history: History) -> None:
    life = history.clients[0].lives[-1]
    life.verdicts[-1] = Verdict("fresh")


def many_dials(history: History) -> None:
    opened = next(r for r in history.records if r.kind == "open" and r.data[0] == 2)
    place = history.records.index(opened)
    refused = opened._replace(kind="refused", what="network", data=[2, None, None, ""])
    history.records[place:place] = [opened, refused] * 10


def open_after_fatal(history: History) -> None:
    opened = [r for r in history.records if r.kind == "open"][-1]
    insert_before(history, is_("end"), lambda end: opened._replace(at=end.at))


FORGED: dict[str, tuple[str, str, Callable[[History], object]]] = {
    "a handle that is not the newest": ("P1", "dropped", record(is_("open", "resume"), put(d1="older"))),
    "afresh, although there is a handle": ("P1", "dropped", record(is_("open", "resume"), put(d1=None))),
    "a given handle is not used": ("P2", "given", record(is_("open"), put(d1="another"))),
    "a refused handle again": ("P3", "expired", repeat_a_handle),
    "a handle that is too old": ("P3", "retried", lambda h: insert_before(
        h, is_("step", "DeadlineReached(retry)"),
        lambda r: Record(r.at, -1, 0, "fault", "StepWall", {"step": 8000.0}))),
    "an older handle is saved": ("P4", "announced", save_an_old_one),
    "a handle is not saved": ("P4", "calm", lambda h: h.records.__setitem__(
        slice(None), [r for r in h.records if r.kind != "save"])),
    "the store is asked twice": ("P4", "calm", lambda h: insert_before(h, is_("load"), lambda r: r)),
    "a handle is told": ("P5", "calm", tell_a_handle),
    "no drain": ("P6", "announced", record(is_("step", "GoAwayReceived"), put(d1="ACTIVE"))),
    "a drain that is too long": ("P7", "cut at the deadline", record(
        is_("step", "DeadlineReached(drain)"), later(2.0))),
    "a drain that is too short": ("P7", "cut at the deadline", record(
        is_("step", "DeadlineReached(drain)"), later(-2.0))),
    "left with something unwritten": ("P7", "announced", record(is_("step", "SafePointReached"), put(d2=3))),
    "opened before the old one was left": ("P9", "announced", lambda h: h.records.__setitem__(
        slice(None), [r for r in h.records if r.kind not in ("left", "gone")])),
    "the server saw two": ("P9", "announced", overlap),
    "a handle in use": ("P9", "dropped", in_use),
    "an opening that is too long": ("P10", "dropped", record(is_("up", d0=2), later(30.0))),
    "a black hole that is not seen": ("P10", "black hole", record(
        is_("step", "DeadlineReached(silence)"), later(20.0))),
    "too many openings": ("P11", "dropped", many_dials),
    "a wait that is too long": ("P11", "retried", record(is_("step", "DeadlineReached(retry)"), later(16.0))),
    "a wait that is too short for quota": ("P11", "quota", wait_for_quota),
    "a final refusal that is not": ("P11", "bad key", open_after_fatal),
    "a failure without a cause": ("P11", "bad key", life(failure=None)),
    "given up too early": ("P11", "bad key", life(failure=Failure("gave_up", None, "1 attempt failed"))),
    "an item is lost": ("P13", "calm", lose_an_item),
    "a mark is lost": ("P13", "calm", lose_a_mark),
    "items in another order": ("P13", "calm", shuffle_items),
    "an item is lost without indices": ("P13", "no indices", lose_an_item),
    "an item is doubled": ("P14", "dropped", double_an_item),
    "an item is doubled, and not counted": ("P15", "no indices", lambda h: (
        double_an_item(h), stats(frames_uncertain=0)(h))),
    "drops that were none": ("P14", "calm", stats(dropped_audio=5)),
    "a stray response": ("P16", "dropped with tools", stray_response),
    "a response is lost": ("P16", "dropped with tools", lambda h: [
        b.items.__setitem__(slice(None), [i for i in b.items if i.kind != "tool_response"])
        for s in h.server.sessions for b in s._branches]),
    "an answer with a part twice": ("P17", "calm", endless_answer),
    "an end that nobody waits for": ("P17", "calm", stray_end),
    "calls are not cancelled": ("P17", "dropped with tools", record(is_("heard", "cancelled"), gone)),
    "a turn is not interrupted": ("P17", "dropped in an answer", record(is_("heard", "interrupted"), gone)),
    "a frame is kept back": ("P18", "calm", life(passed_over_control=1)),
    "a chunk is kept back": ("P18", "calm", life(passed_over=1)),
    "a frame is made": ("P18", "calm", life(made=1)),
    "a call is not delivered": ("P18", "dropped with tools", record(is_("heard", "calls"), gone)),
    "lost, and resumed": ("P19", "dropped", lambda h: h.clients[0].lives[0].verdicts.__setitem__(
        1, Verdict("not_restored", "no_handle"))),
    "lost, and fresh": ("P19", "expired", say_fresh),
    "the hook is not asked": ("P19", "seeded", record(is_("asked"), gone)),
    "the hook is waited for": ("P19", "seeded", record(is_("step", "SeedAnswered"), later(6.0))),
    "a refusal is ignored": ("P19", "refused", record(is_("step", "SeedRefused"), put(d1="CONNECTING"))),
    "a seed that is not the first": ("P19", "seeded", seed_again),
    "no warning": ("P20", "limited", lambda h: h.records.__setitem__(
        slice(None), [r for r in h.records if r.what != "session_limit"])),
    "slow to close": ("P21", "calm", life(closing=2.5)),
    "something is left": ("P21", "calm", life(left_over=("reader 1",))),
    "the wrong error": ("P22", "calm", life(errors={"receive": "SessionFailed"})),
    "no error": ("P22", "calm", life(errors={})),
    "a transition twice": ("P23", "announced", lambda h: insert_before(
        h, is_("transition", "ACTIVE → DRAINING"), lambda r: r)),
    "a transition is not told": ("P23", "announced", record(is_("transition", "ACTIVE → DRAINING"), gone)),
    "a transition at another time": ("P23", "announced", record(
        is_("transition", "ACTIVE → DRAINING"), put(d2=0.0))),
    "connections miscounted": ("P23", "dropped", stats(connections=1)),
    "frames vanish": ("P23", "calm", stats(frames_covered=0)),
    "it never came to rest": ("P11", "calm", lambda h: insert_before(
        h, is_("end"), lambda r: r._replace(kind="wrong", what="P11", data="no rest"))),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANS)
def test_a_history_that_is_right(name: str) -> None:
    assert check(play(PLANS[name])) == ()


@pytest.mark.parametrize("name", FORGED)
def test_a_history_that_is_not(name: str) -> None:
    promise, base, forge = FORGED[name]
    history = play(PLANS[base])
    forge(history)
    assert promise in {violation.promise for violation in check(history)}


def test_what_happened_is_noted_once() -> None:
    history = play(PLANS["cut at the deadline"])
    check(history)
    seen = dict(history.seen)
    check(history)
    assert seen == dict(history.seen)
    assert {"cut at the drain deadline", "context was lost without a seed"} <= set(seen)


def test_all_that_must_happen_is_named_once() -> None:
    assert len(set(MUST_HAPPEN)) == len(MUST_HAPPEN)


def test_every_checker_says_which_promise_it_checks() -> None:
    for checker in CHECKS:
        assert (checker.__doc__ or "").startswith("P")


def test_the_newest_of_two_processes_is_the_last() -> None:
    stories = Facts(play(PLANS["crashed"])).stories
    assert [story.last for story in stories] == [False, True]
    assert [story.life.number for story in stories] == [1, 2]


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("50s", 50.0), ("0.500s", 0.5), ("10", 10.0), (3, 3.0), (None, 0.0), ("soon", 0.0), ("-1s", 0.0), ("nan", 0.0)],
)
def test_time_left(told: object, seconds: float) -> None:
    assert seconds_of(told) == seconds
