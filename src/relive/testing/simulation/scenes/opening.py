"""Scenes of beginning, of opening connections, and of what an old connection still says."""

from __future__ import annotations

import attrs

from relive.testing.simulation import faults as f
from relive.testing.simulation.plan import Plan, Step, Turn
from relive.testing.simulation.scenes.deal import (
    EVER,
    FATAL,
    OLD,
    PLAIN,
    SILENT,
    STRAYS,
    TYPED,
    Deal,
    at,
    in_,
    late_words,
    only,
    scene,
    with_,
)  # fmt: skip

# A session begins.


@scene()
def store_down_at_restart(plan: Plan, deal: Deal) -> Plan:
    """The store is down when a new process begins."""
    when = deal.at(20.0, 400.0)
    return with_(plan, at(when, f.FailingStore(20.0)), at(when + 1, f.Crash("kept", 0.5)), client__store=True)


@scene()
def store_hangs_at_restart(plan: Plan, deal: Deal) -> Plan:
    """The store takes longer than a new process waits, and its answer comes too late."""
    when = deal.at(20.0, 400.0)
    return with_(plan, at(when, f.SlowStore(10.0, 20.0)), at(when + 1, f.Crash("kept", 0.5)), client__store=True)


@scene()
def sent_before_up(plan: Plan, _: Deal) -> Plan:
    """The application sends while the store is still being asked, and while the first connection is being opened."""
    strays = [in_("IDLE", f.Stray(fact), delay=0.1) for fact in ("SeedAnswered", "SeedRefused")]
    return with_(
        plan, at(0.0, f.SlowStore(1.5, 5.0)), at(0.0, f.SlowSetup(3.0, 5.0)), *strays,
        client__eager=True, client__store=True, talk__begin=0.3, talk__turns=TYPED, talk__patience=1.0,
    )  # fmt: skip


@scene(2)
def left_before_up(plan: Plan, deal: Deal) -> Plan:
    """The application closes before the store has answered, or the server."""
    first = deal.of((f.SlowStore(1.5, 5.0), "IDLE"), (f.SlowSetup(5.0, 20.0), "CONNECTING"))
    steps = (at(0.0, first[0]), in_(first[1], f.Hangup(), delay=0.5))
    # An ordinary life comes first: the story is about the process after a crash.
    later = deal.at(300.0, 500.0)
    moved = tuple(attrs.evolve(step, at=later) for step in steps)
    return with_(plan, *moved, at(later + 0.1, f.Crash("lost", 0.0)), client__store=True)


@scene(2)
def restart(plan: Plan, deal: Deal) -> Plan:
    """The process dies, and the next one goes on: soon, or after a while."""
    when = deal.at(40.0, 400.0)
    return with_(plan, at(when, f.Crash(deal.of("kept", "stale"), deal.of(0.1, 5.0, 60.0))), client__store=True)


@scene()
def foreign_handle(plan: Plan, _: Deal) -> Plan:
    """The application has a handle from elsewhere, and nobody knows it."""
    return with_(plan, client__handle=True)


@scene()
def quarantined_handle_in_store(plan: Plan, deal: Deal) -> Plan:
    """The process dies after its handle was refused, and the next finds it in the store."""
    when = deal.at(60.0, 400.0)
    return only(
        plan, at(when, f.ExpireHandles()), at(when, f.Close()), at(when - 1, f.SlowHook(4.0, 30.0)),
        in_("HANDLE_EXPIRED", f.Crash("kept", 0.5), when, delay=1.0),
        client__store=True, client__hook="seed", policy={"seed_timeout": 5.0},
    )  # fmt: skip


# A connection is opened.


@scene()
def no_way_in(plan: Plan, deal: Deal) -> Plan:
    """The first dials come to nothing, in different ways."""
    first = deal.of(f.RefuseDial(503, 2), f.RefuseDial(None, 1), f.HangSetup(1), f.HangDial(1))
    return with_(plan, at(0.0, first), client__store=False)


@scene()
def quota(plan: Plan, deal: Deal) -> Plan:
    """There is no quota for a while: a connection ends for it, or none is opened. The user talks on meanwhile."""
    when = deal.at(30.0, 400.0)
    refused = at(when, f.CloseInSetup("quota", 1))
    steps = (refused, at(when, f.Close())) if deal.maybe() else (at(when, f.Close("quota")),)
    return with_(plan, *steps, talk__turns=TYPED, talk__patience=3.0)


@scene(3)
def never_let_in(plan: Plan, deal: Deal) -> Plan:
    """Every attempt of a new process fails, until it gives up."""
    fault = deal.of(f.HangSetup(9), f.RefuseDial(503, 9), f.CloseInSetup(FATAL, 1))
    when = deal.at(300.0, 500.0)
    return with_(plan, at(when, fault), at(when, f.Crash("lost", 0.1)), policy={"retry_attempts": 2})


@scene(3)
def no_way_back(plan: Plan, deal: Deal) -> Plan:
    """Resuming fails until the budget is spent, or for a cause that no retry mends."""
    fault = deal.of(f.HangSetup(9), f.RefuseDial(None, 9), f.CloseInSetup(FATAL, 1))
    when = deal.at(300.0, 500.0)
    return with_(plan, at(when, fault), at(when, f.Close("going_away")), policy={"retry_attempts": 2})


@scene(2)
def suspended_while_dialling(plan: Plan, deal: Deal) -> Plan:
    """The machine sleeps for hours while a dial hangs, or between two attempts: the handle is too old then."""
    when = deal.at(60.0, 400.0)
    if deal.maybe():
        sleep = in_("RESUMING", f.StepWall(7300.0), when, delay=3.0)
        return only(plan, at(when, f.HangSetup(1)), at(when, f.Close()), sleep)
    return only(plan, at(when, f.RefuseDial(503, 2)), at(when, f.Close()), in_("WAITING", f.StepWall(7300.0), when))


@scene()
def handle_blamed(plan: Plan, deal: Deal) -> Plan:
    """A resume is not answered, and the application's own classification blames the handle."""
    when = deal.at(60.0, 400.0)
    return only(
        plan, at(when, f.HangSetup(1)), at(when, f.Close()), client__classify="blame",
        client__hook=deal.of("none", "seed"),
    )  # fmt: skip


@scene(4)
def left_on_the_way(plan: Plan, deal: Deal) -> Plan:
    """The application closes while a connection is being opened, or between two attempts, or while it drains."""
    when, state = deal.at(400.0, 500.0), deal.of("RESUMING", "WAITING", "HANDLE_EXPIRED", "DRAINING")
    before: dict[str, tuple[Step, ...]] = {
        "RESUMING": (at(when, f.SlowSetup(5.0, 30.0)), at(when, f.Close())),
        "WAITING": (at(when, f.RefuseDial(503, 3)), at(when, f.Close())),
        "HANDLE_EXPIRED": (at(when - 2, f.SlowHook(4.0, 60.0)), at(when, f.ExpireHandles()), at(when, f.Close())),
        "DRAINING": (at(when, f.GoAway(30.0)),),
    }
    return only(plan, *before[state], in_(state, f.Hangup(), when, delay=0.05), client__hook="seed", talk__turns=TYPED)


@scene()
def facts_come_late(plan: Plan, deal: Deal) -> Plan:
    """A slow store and a slow hook answer when nobody waits for them any more: in every state."""
    when = deal.at(60.0, 300.0)
    states = ("ACTIVE", "DRAINING", "RESUMING", "WAITING", "CONNECTING", "HANDLE_EXPIRED")
    strays = [in_(state, f.Stray(fact)) for state in states for fact in STRAYS]
    strays += [in_(state, f.Stray(fact), when) for state in ("ACTIVE", "DRAINING", "RESUMING") for fact in OLD]
    return only(
        plan, *strays, at(0.0, f.SlowHook(1.0, EVER)), at(when, f.GoAway(5.0)),
        at(when + 40, f.RefuseDial(503, 1)), at(when + 40, f.Close()),
        at(when + 80, f.ExpireHandles()), at(when + 80, f.Close()),
        client__hook="seed", **PLAIN,
    )  # fmt: skip


# A connection that we hung up on still speaks.


@scene(2)
def late_words_while_resuming(plan: Plan, deal: Deal) -> Plan:
    """The server says this and that on the connection that we are closing in order to resume."""
    when = deal.at(30.0, 400.0)
    return only(plan, *late_words("RESUMING", deal, when), at(when, f.GoAway(1.2)), **PLAIN)


@scene(4)
def late_words_after_loss(plan: Plan, deal: Deal) -> Plan:
    """The same, when there is no handle to resume from."""
    when = deal.at(8.0, 40.0)
    handle = (in_("HANDLE_EXPIRED", f.Unsolicited("handle"), when, delay=0.15),) if deal.maybe() else ()
    return only(
        plan, *late_words("HANDLE_EXPIRED", deal, when), *handle, at(0.0, f.WithholdHandles(90.0)),
        at(0.0, f.SlowHook(3.0, EVER)), at(when, f.GoAway(1.2)), client__hook="seed", **PLAIN,
    )  # fmt: skip


@scene(6)
def late_words_before_a_word(plan: Plan, deal: Deal) -> Plan:
    """A connection is left before anything was said, and the server speaks at last."""
    which, unstable = deal.of("words", "handle", "marks"), deal.maybe()
    when = 1.0 if unstable else deal.at(12.0, 40.0)
    steps: tuple[Step, ...] = late_words("CONNECTING", deal, when)
    if which != "words":
        # One that ends no turn and gives no handle changes nothing, so all of them can be heard.
        marks = (
            "generation_complete",
            "empty_update",
            "go_away",
            "tool_call_cancellation",
            "turn_complete",
            "interrupted",
        )
        kinds = ("handle",) if which == "handle" else marks
        said = (in_("CONNECTING", f.Unsolicited(kind), when, delay=0.02 * n) for n, kind in enumerate(kinds, 1))
        steps = (at(0.0, f.SlowClose(0.25, EVER)), *said)
    return only(
        plan, *steps, at(when, f.GoAway(0.0, "never")), **SILENT,
        policy={"retry_attempts": deal.of(1, 10)} if unstable else {},
    )  # fmt: skip


@scene(3)
def dead_handle_again(plan: Plan, deal: Deal) -> Plan:
    """The server gives a handle that it has refused: while it is left, and while context is lost."""
    when = deal.at(130.0, 160.0)
    lost = (
        at(when, f.ExpireHandles()),
        at(when, f.Close()),
        at(when - 1, f.WithholdHandles(EVER)),
        at(0.0, f.SlowClose(0.25, EVER)),
    )
    state = deal.of("HANDLE_EXPIRED", "CONNECTING")
    after = when + 20
    if state == "CONNECTING":
        # Nothing is said after the loss, so that the connection can be left without another.
        return only(
            plan, *lost, at(after, f.GoAway(0.0, "never")), in_(state, f.Unsolicited("dead_handle"), after, delay=0.05),
            client__hook="none", talk__turns=(Turn(answer=4.0, pause=EVER),), talk__begin=1.0,
            talk__audio=attrs.evolve(plan.talk.audio, open=20.0, shut=EVER), service__latency=0.0, service__lead=None,
        )  # fmt: skip
    return only(
        plan, *lost, at(after, f.SlowHook(3.0, EVER)), at(after, f.GoAway(1.2)),
        in_(state, f.Unsolicited("dead_handle"), after, delay=0.05), client__hook="seed", **PLAIN,
    )  # fmt: skip


@scene(3)
def unstable_goodbye(plan: Plan, deal: Deal) -> Plan:
    """Connections are told to go as soon as they are up: there is a wait between them, or an end to it."""
    attempts, silent = deal.of(1, 10), deal.maybe()
    when = 1.0 if silent else deal.at(30.0, 300.0)
    goodbye = in_("ACTIVE", f.GoAway(0.0, "never"), when, delay=0.5, times=4, every=0.2)
    return only(plan, goodbye, **(SILENT if silent else PLAIN), policy={"retry_attempts": attempts})
