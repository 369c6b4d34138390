"""Scenes of loss: of connections, of answers, of context; and of limits."""

from __future__ import annotations

from typing import Any

import attrs

from relive.testing.simulation import faults as f
from relive.testing.simulation.plan import Plan, Turn
from relive.testing.simulation.scenes.deal import (
    CALM,
    EVER,
    FATAL,
    LENGTHY,
    PLAIN,
    SILENT,
    STRAYS,
    Deal,
    at,
    in_,
    only,
    scene,
    with_,
)  # fmt: skip

# A connection is lost.


@scene(3)
def lost_before_a_word(plan: Plan, deal: Deal) -> Plan:
    """The connection is lost before anything was said: there is no context to lose."""
    when = deal.at(12.0, 60.0)
    drain = (at(when - 1, f.GoAway(60.0, "never")),) if deal.maybe() else ()
    end = deal.of(f.Close(), f.Timeout(None))
    return only(plan, *drain, at(when, end), **SILENT)


@scene(4)
def lost_without_handle(plan: Plan, deal: Deal) -> Plan:
    """The connection is lost after something was said, and there is no handle."""
    when = deal.at(6.0, 25.0)
    drain = (at(when - 1, f.GoAway(60.0, "never")),) if deal.maybe() else ()
    end = deal.of(f.Close(), f.Timeout(None), f.Silence())
    return only(
        plan, at(0.0, f.WithholdHandles(60.0)), *drain, at(when, end),
        client__hook=deal.of("none", "seed", "refuse"), **PLAIN,
    )  # fmt: skip


@scene(6)
def lost_and_unstable(plan: Plan, deal: Deal) -> Plan:
    """A connection is lost soon after it came up, whether it drains or not; the budget may end with it."""
    when, end, attempts = deal.at(30.0, 400.0), deal.of(f.Close(), f.Timeout(None)), deal.of(1, 10)
    drain = (in_("ACTIVE", f.GoAway(60.0, "never"), when + 0.1, delay=0.2),) if deal.maybe() else ()
    state = "DRAINING" if drain else "ACTIVE"
    return only(
        plan, at(when, f.ResetPeer()), *drain, in_(state, end, when + 0.1, delay=0.3, times=2, every=1.0),
        policy={"retry_attempts": attempts, "probe_after": 1.0, "probe_timeout": 1.0}, **PLAIN,
        talk__audio=attrs.evolve(plan.talk.audio, open=EVER, shut=0.0),
        **CALM, service__every=None, service__while_busy="silent",
    )  # fmt: skip


@scene(2)
def lost_for_good(plan: Plan, deal: Deal) -> Plan:
    """The connection ends for a cause that no retry mends, whether it drains or not."""
    when = deal.at(400.0, 500.0)
    drain = (at(when - 1, f.GoAway(60.0, "never")),) if deal.maybe() else ()
    strays = [in_("FAILED", f.Stray(fact)) for fact in (*STRAYS, "InputAccepted", "CloseRequested")]
    return only(plan, *drain, at(when, f.Close(FATAL)), *strays, service__lead=None)


@scene()
def closed_for_good(plan: Plan, deal: Deal) -> Plan:
    """The application closes, and what comes then changes nothing."""
    strays = [in_("CLOSED", f.Stray(fact)) for fact in (*STRAYS, "InputAccepted", "CloseRequested")]
    return with_(plan, at(deal.at(400.0, 500.0), f.Hangup()), *strays)


@scene(3)
def no_answer(plan: Plan, deal: Deal) -> Plan:
    """The server falls silent when it is asked something, whether it drains or not."""
    when = deal.at(30.0, 300.0)
    drain = (at(when + 0.1, f.GoAway(300.0, "never")),) if deal.maybe() else ()
    return only(
        plan, at(when, f.Silence()), *drain,
        policy={"answer_timeout": deal.of(6.0, 15.0), "handle_strikes": deal.of(1, 2)}, **PLAIN,
    )  # fmt: skip


@scene(2)
def black_hole(plan: Plan, deal: Deal) -> Plan:
    """Nothing passes any more in the middle of an answer, and nobody is told, whether the connection drains or not."""
    when = deal.at(30.0, 300.0)
    drain = (at(when, f.GoAway(300.0, "never")),) if deal.maybe() else ()
    return only(plan, *drain, at(when + 0.1, deal.of(f.Timeout(None), f.HalfOpen(0.0), f.HalfOpen(None))),
                **LENGTHY)  # fmt: skip


@scene(5)
def no_answer_and_unstable(plan: Plan, deal: Deal) -> Plan:
    """A connection comes up and does not answer what it is asked again, whether it drains or not."""
    when, attempts, strikes = deal.at(30.0, 300.0), deal.of(1, 10), deal.of(3, 1)
    drain = (in_("ACTIVE", f.GoAway(300.0, "never"), when + 0.1, delay=0.05),) if deal.maybe() else ()
    state = "DRAINING" if drain else "ACTIVE"
    return only(
        plan, at(when, f.ResetPeer()), *drain, in_(state, f.Silence(), when + 0.1, delay=0.05, times=2, every=1.0),
        policy={"answer_timeout": 6.0, "retry_attempts": attempts, "handle_strikes": strikes},
        **LENGTHY, **CALM, service__thinking=1.0,
    )  # fmt: skip


@scene(2)
def no_answer_at_first(plan: Plan, deal: Deal) -> Plan:
    """The server never says anything, from the first question on."""
    drain = (at(1.0, f.GoAway(300.0, "never")),) if deal.maybe() else ()
    return only(
        plan, at(0.0, f.MuteAfterSetup(0.2, deal.of(1, 3))), *drain, client__store=False,
        policy={"answer_timeout": deal.of(6.0, 15.0), "retry_attempts": deal.of(1, 10)}, **PLAIN,
    )  # fmt: skip


@scene(2)
def question_that_was_never_written(plan: Plan, deal: Deal) -> Plan:
    """The machine is told of a question whose frame nobody sees, and nothing else is said."""
    drain = (at(11.0, f.GoAway(300.0, "never")),) if deal.maybe() else ()
    return only(plan, at(10.0, f.Stray("InputAccepted")), *drain, policy={"answer_timeout": 15.0}, **SILENT)


@scene(3)
def mute_return(plan: Plan, deal: Deal) -> Plan:
    """A resumed session says nothing; in the end the handle is given up."""
    when = deal.at(30.0, 300.0)
    drain = (in_("ACTIVE", f.GoAway(300.0, "never"), when + 1, delay=0.1, times=2, every=0.2),) if deal.maybe() else ()
    return only(
        plan, at(when, f.PoisonHandles("mute", 0.3)), at(when, f.Close()), *drain,
        policy={"answer_timeout": 15.0, "handle_strikes": deal.of(1, 2)}, client__hook=deal.of("none", "seed"),
        **PLAIN,
    )  # fmt: skip


@scene()
def deadly_return(plan: Plan, deal: Deal) -> Plan:
    """A resumed session dies at once, every time."""
    when = deal.at(30.0, 300.0)
    return with_(plan, at(when, f.PoisonHandles("die", deal.of(0.0, 0.5, 3.0))), at(when, f.Close()))


@scene(2)
def cut_turn_that_does_not_come_back(plan: Plan, deal: Deal) -> Plan:
    """An answer is cut by a loss, and the server has nothing more to say to it."""
    when = deal.at(30.0, 300.0)
    drain = (in_("ACTIVE", f.GoAway(300.0, "never"), when + 2, delay=0.3),) if deal.maybe() else ()
    return only(
        plan, in_("ACTIVE", f.ResetPeer(), when, delay=2.0), in_("ACTIVE", f.Silence(), when + 2, delay=0.2), *drain,
        policy={"answer_timeout": 8.0}, service__every=deal.of(1.0, None), service__while_busy="handle", **PLAIN,
    )  # fmt: skip


@scene(2)
def repeat_that_does_not_come(plan: Plan, deal: Deal) -> Plan:
    """No handle covers a turn that is over; its question is asked again after a loss, and the server says nothing."""
    when, asked = 32.0, 24.0  # the second question comes at about 25 s, its answer is over 4 s later
    drain = (in_("ACTIVE", f.GoAway(300.0, "never"), when + 0.1, delay=0.02),) if deal.maybe() else ()
    return only(
        plan, at(asked, f.WithholdHandles(60.0)), at(when, f.ResetPeer()), *drain,
        in_("ACTIVE", f.Silence(), when + 0.1, delay=0.05), policy={"answer_timeout": deal.of(6.0, 15.0)},
        **{**PLAIN, **CALM, "talk__turns": (Turn(answer=4.0, pause=20.0),)}, service__thinking=0.3,
    )  # fmt: skip


# Context is lost.


@scene(6)
def hook_too_slow(plan: Plan, deal: Deal) -> Plan:
    """The application takes too long to say how to go on: after a refusal, a resume that dies, or a young session."""
    when, young = deal.at(30.0, 300.0), deal.at(4.0, 8.0)
    lost = deal.of(
        (at(when, f.CloseAfterSetup("session_not_found", 0.3, 1)), at(when, f.ResetPeer())),
        (at(when, f.ExpireHandles()), at(when, f.Close())),
        (at(0.0, f.WithholdHandles(60.0)), at(young, f.ResetPeer())),
    )
    return only(
        plan, at(0.0, f.SlowHook(20.0, EVER)), *lost, client__hook="seed",
        policy={"seed_timeout": 2.0, "handle_strikes": 1, "retry_attempts": deal.of(1, 2, 10)}, **PLAIN, **CALM,
    )  # fmt: skip


@scene(3)
def lost_and_no_budget(plan: Plan, deal: Deal) -> Plan:
    """Context is lost soon after a connection came up; there may be no budget for another."""
    when = deal.at(30.0, 300.0)
    return only(
        plan, at(when, f.PoisonHandles("die", 0.2)), at(when, f.ResetPeer()), client__hook=deal.of("none", "seed"),
        policy={"handle_strikes": 1, "retry_attempts": deal.of(1, 2, 10)}, **PLAIN,
    )  # fmt: skip


@scene()
def application_refuses(plan: Plan, deal: Deal) -> Plan:
    """The application does not want to go on without the context."""
    when = deal.at(400.0, 500.0)
    return with_(plan, at(when, f.ExpireHandles()), at(when, f.Close()), client__hook="refuse")


@scene()
def asked_for_long(plan: Plan, deal: Deal) -> Plan:
    """The user talks on while the application is being asked."""
    when = deal.at(30.0, 300.0)
    return only(
        plan, at(0.0, f.SlowHook(12.0, EVER)), at(when, f.ExpireHandles()), at(when, f.Close()), client__hook="seed",
        policy={"seed_timeout": 15.0}, talk__patience=3.0, talk__turns=(Turn(answer=2.0, pause=0.5),), talk__begin=0.5,
    )  # fmt: skip


# Limits.


@scene(3)
def session_limit(plan: Plan, deal: Deal) -> Plan:
    """The context is not compressed: a session has a limit, and a warning before it, maybe while it drains."""
    limit: dict[str, Any] = {
        "client__compressed": False, "service__session": 300.0, "service__connection": EVER,
        "policy": {"session_limit": 300.0, "session_limit_video": 60.0, "rotate_after": None},
    }  # fmt: skip
    if deal.maybe():
        # No handle, no safe point: it still drains when the warning comes.
        drain = (at(0.0, f.WithholdHandles(270.0)), at(deal.at(225.0, 239.9), f.GoAway(300.0, "never")))
        return only(plan, *drain, **(PLAIN | limit))
    return with_(plan, **limit)


@scene()
def rotation(plan: Plan, deal: Deal) -> Plan:
    """Connections are rotated by age; one of them while there is no handle yet."""
    return with_(
        plan, at(0.0, f.WithholdHandles(40.0)), policy={"rotate_after": deal.of(12.0, 30.0), "rotate_patience": 10.0}
    )


@scene()
def two_goodbyes(plan: Plan, deal: Deal) -> Plan:
    """A second GoAway comes while the connection drains: earlier, or later, or without a time."""
    when = deal.at(30.0, 300.0)
    second = in_("DRAINING", f.GoAway(deal.of(0.0, 3.0, 60.0, None), "never"), when, delay=0.5)
    tools = (Turn(answer=12.0, tools=2, tool_time=4.0, pause=1.0), Turn(answer=20.0, pause=0.5))
    cancel = in_("DRAINING", f.Unsolicited("tool_call_cancellation"), when, delay=0.2)
    return with_(plan, at(when, f.GoAway(20.0)), second, cancel, talk__turns=tools)


@scene(3)
def slow_to_write(plan: Plan, deal: Deal) -> Plan:
    """A connection drains while what waits cannot be written."""
    when = deal.at(30.0, 300.0)
    return with_(plan, at(when, f.Clog(3.0)), at(when + 0.5, f.GoAway(deal.of(2.0, 20.0))), at(when + 0.6, f.Burst(20)))


@scene()
def wrong_indices(plan: Plan, deal: Deal) -> Plan:
    """The server says what cannot be true of the messages that it has consumed, and a connection is lost then."""
    when = deal.at(20.0, 300.0)
    lies = at(when, f.WrongIndices(deal.of("missing", "repeated", "backwards", "too_high"), 120.0))
    return with_(plan, lies, at(when + 60.0, f.Close(), times=2, every=20.0), service__backend="vertex")


@scene()
def flood(plan: Plan, deal: Deal) -> Plan:
    """Nobody receives, and much is sent."""
    when = deal.at(30.0, 300.0)
    return with_(
        plan, at(when, f.StopReading(30.0)), at(when, f.Burst(200)), policy={"output_limit": 2000, "send_limit": 20_000}
    )
