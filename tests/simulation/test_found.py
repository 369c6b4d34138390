"""What simulations found in relive itself, as the smallest plans that showed it: none may show it again."""

from __future__ import annotations

from typing import Any, Final

import pytest

from relive.testing.simulation.campaign import attempt
from relive.testing.simulation.faults import (
    Close,
    CloseAfterSetup,
    CloseInSetup,
    Crash,
    Duplicate,
    ExpireHandles,
    GoAway,
    HalfOpen,
    HangSetup,
    Hold,
    Latency,
    LimitData,
    MuteAfterSetup,
    PoisonHandles,
    RefuseDial,
    RejectHandles,
    ResetPeer,
    RestartServer,
    Silence,
    SlowHook,
    SlowStore,
    StepWall,
    StopReading,
    Timeout,
    Unsolicited,
    WithholdHandles,
    WrongIndices,
)
from relive.testing.simulation.outcome import Level
from relive.testing.simulation.plan import AudioSchedule, Client, Conversation, Plan, Service, Step, Turn


def found(*steps: Step, seconds: float, turns: tuple[Turn, ...], rate: float = 1.0, **service: Any) -> Plan:
    talk = Conversation(audio=AudioSchedule(rate=rate), turns=turns)
    return Plan(seconds=seconds, calm=10.0, talk=talk, service=Service(**service), steps=steps)


FOUND: Final = {
    # P10 P17: the connection went on answering pings, and the session stayed mute for as long as it lived.
    "an answer stops in the middle, and nobody says so": found(
        Step(fault=Silence(), at=2.0), seconds=60.0, turns=(Turn(answer=4.0),), connection=None
    ),
    # P17: only the last 32 answered turns were remembered; the answers to the others were heard twice.
    "forty turns without a handle, and then a loss": found(
        Step(fault=Close(), at=120.0), seconds=150.0,
        turns=(Turn(kind="text", answer=1.0, pause=1.0),), rate=0.0, late=2.0,
    ),
    # P17: what the first replay had not got to was no repeat for the second.
    "a connection dies in the middle of a replay": found(
        Step(fault=Close(), at=20.0), Step(fault=LimitData(600), at=1.0, state="RESUMING", delay=0.02),
        seconds=40.0, turns=(Turn(answer=1.0, pause=10.0),), rate=10.0, late=8.0,
    ),
    # P17: we had told the application that its turn was over, and then it was over once more.
    "a spoken question is given up, and answered after all": found(
        Step(fault=ResetPeer(), at=30.0, state="ACTIVE", delay=2.0),
        Step(fault=Silence(), at=32.0, state="ACTIVE", delay=0.2),
        seconds=140.0, turns=(Turn(), Turn(kind="spoken"), Turn(kind="marked")),
    ),
    # P15: a handle that had waited in a connection that was not read was taken for news, and to cover what it did not.
    "nobody receives for a while, and a handle is read late": Plan(
        seconds=190.0, service=Service(backend="developer"), client=Client(policy={"output_limit": 2000}),
        steps=(Step(fault=StopReading(30.0), at=116.0),),
    ),
    # P17: a round trip through a link that was held stayed the newest one, and an answer seemed to be about nothing.
    "a link is held for a while, and a spoken answer is cut": found(
        Step(fault=Hold(seconds=7.0), at=1.0), seconds=270.0, lead=None, while_busy="empty",
        turns=(Turn(kind="spoken", answer=20.0), Turn(answer=20.0, pause=0.5)),
    ),
    # P17: the way of an answer was a rounding error shorter than the least round trip, and it was about nothing.
    "a spoken answer takes exactly as long as a ping": found(
        seconds=260.0, turns=(Turn(answer=4.0, barge_in=3.0), Turn(kind="spoken", pause=2.0)),
        connection=120.0, setup=0.3, latency=0.04, thinking=0.0, late=1.5,
    ),
    # P17: the end of the first answer settled all questions, and those that came after it were heard twice later.
    "questions that interrupt each other are replayed, and replayed again": Plan(
        talk=Conversation(turns=(Turn(answer=2.0, pause=0.5),), patience=3.0),
        service=Service(connection=180.0, lead=None, thinking=0.0, late=1.5),
        client=Client(hook="seed", policy={"seed_timeout": 15.0}), steps=(Step(fault=SlowHook(12.0, 1e6)),),
    ),
    # P14: a false alarm, what the first process had read was taken for what the second one had in hand.
    "a stale handle turns out to be poisoned": found(
        Step(fault=PoisonHandles(), at=30.0), Step(fault=Crash("stale"), at=55.0),
        seconds=130.0, turns=Conversation().turns,
    ),
    # P20: false alarms, the session began when the client heard so, and a connection was left long before its limit.
    "it takes long to hear that a session has begun": Plan(
        seconds=360.0, service=Service(session=300.0), steps=(Step(fault=Latency(delay=2.0)),),
        client=Client(compressed=False, policy={"session_limit": 300.0}),
    ),
    "a session that nobody uses reaches its limit": Plan(
        service=Service(connection=1e6, session=300.0), steps=(Step(fault=LimitData(0), state="HANDLE_EXPIRED"),),
        client=Client(compressed=False, policy={"session_limit": 300.0}),
    ),
    # P3: a false alarm, the clock was set in the instant of the dial, after the decision.
    "the wall clock jumps as a dial begins": Plan(
        seconds=370.0,
        steps=(Step(fault=StepWall(7300.0), state="RESUMING", times=2), Step(fault=Crash(), at=300.0)),
    ),
    # P17: a false alarm, the turn had been given up long before its connection was lost.
    "a turn is given up, and then its connection is lost": Plan(
        seconds=300.0, service=Service(connection=120.0, lead=None), client=Client(policy={"withhold_repeats": False}),
        talk=Conversation(
            turns=(Turn(answer=25.0), Turn(barge_in=3.0), Turn(kind="marked"), Turn(kind="spoken", pause=6.0))
        ),
        steps=(Step(fault=MuteAfterSetup(), at=30.0, times=2), Step(fault=RejectHandles(), at=170.0)),
    ),
    # P13: a false alarm, chaos gave a client what another one had been refused.
    "a dead handle is given to a herd": Plan(
        seconds=240.0, herd=2, talk=Conversation(turns=(Turn(),)), steps=(
            Step(fault=WithholdHandles(60.0), at=150.0), Step(fault=ExpireHandles(), at=150.0),
            Step(fault=GoAway(), at=170.0), Step(fault=Unsolicited("dead_handle"), at=170.0),
        ),
    ),
    # P4: a false alarm, the newest handle is the one that the server gave last, also if it is an old one.
    "a server gives a handle again": Plan(
        seconds=250.0,
        steps=(Step(fault=Timeout(30.0), at=30.0), Step(fault=Unsolicited("dead_handle"), at=180.0)),
    ),
    # The core level went round in circles: a process that was dead was told of a deadline of the same instant for ever.
    "a process dies in the instant of its deadline": Plan(
        seconds=100.0, calm=10.0, talk=Conversation(turns=(Turn(answer=4.0, video=1),)),
        service=Service(connection=None, setup=0.0, session=300.0),
        client=Client(compressed=False, policy={"session_limit": 300.0, "session_limit_video": 60.0}),
        steps=(Step(fault=RestartServer("lost"), at=31.0), Step(fault=Crash(), at=31.0, state="CONNECTING")),
    ),
    # P13: a false alarm, our close frame was still on its way when the simulation ended, with the frames before it.
    "a simulation ends before the server hears that we leave": Plan(
        seconds=60.0, calm=10.0, talk=Conversation(turns=()), service=Service(latency=1.0, connection=None)
    ),
    # P10: a false alarm, what answered a question waited to be read while the application did not receive.
    "a question is asked while nobody reads": Plan(
        seconds=90.0, calm=10.0, talk=Conversation(patience=5.0), steps=(Step(fault=StopReading(40.0), at=30.0),),
        client=Client(policy={"output_limit": 200, "answer_timeout": 8.0}),
    ),
    # P11: an error of a checker, the longest wait after a thousand attempts was more than a number can be.
    "a dial is refused more than a thousand times": Plan(
        seconds=1600.0, calm=10.0, talk=Conversation(audio=AudioSchedule(rate=0.0), turns=()),
        client=Client(policy={
            "retry_attempts": 5000, "retry_total": 10_000, "retry_time": 10_000.0, "retry_cap": 1.0, "retry_base": 0.1,
        }),
        steps=(
            Step(fault=Close(), at=20.0),
            Step(fault=RefuseDial(times=1000)), Step(fault=RefuseDial(times=1000), at=400.0),
        ),
    ),
    # P12: a false alarm, the dials of processes that had died counted for ever.
    "a herd dies while it dials": Plan(
        seconds=40.0, calm=10.0, herd=40, talk=Conversation(audio=AudioSchedule(rate=0.0), turns=()),
        steps=(
            Step(fault=HangSetup(100), at=9.0), Step(fault=RestartServer(), at=10.0), Step(fault=Crash(), at=14.0),
        ),
    ),
    # P17: each connection was left in the middle of the same turn, for it takes longer than the policy lets one live.
    "a turn with tools takes longer than a rotation": Plan(
        seconds=70.0, talk=Conversation(turns=(Turn(tools=2, tool_time=8.0),)),
        client=Client(policy={"rotate_after": 12.0, "rotate_patience": 10.0}),
    ),
    # P13: the core level took a handle that had waited for a reader for one that had just come.
    "a handle waits while nobody reads": Plan(
        seconds=150.0, service=Service(backend="developer", connection=120.0, lead=10.0, thinking=1.0),
        client=Client(policy={"output_limit": 2000}), steps=(Step(fault=StopReading(30.0), at=80.0),),
    ),
    # P11: a false alarm, the process died before it could say why the session had failed.
    "a process dies in the instant in which its session fails": Plan(
        seconds=270.0,
        steps=(
            Step(fault=Crash(), at=10.0, state="CONNECTING"), Step(fault=CloseInSetup("bad_key"), at=160.0),
            Step(fault=Crash("lost"), at=200.0),
        ),
    ),
    # P17: a false alarm, what was heard after a turn was cut had waited to be received since before.
    "the end of a turn waits to be received while the next one is cut": Plan(
        seconds=290.0, service=Service(connection=80.0, lead=10.0, while_busy="handle"),
        talk=Conversation(
            turns=(
                Turn(answer=25.0, barge_in=3.0), Turn(kind="spoken", answer=12.0, pause=6.0),
                Turn(answer=12.0, pause=0.5), Turn(answer=12.0), Turn(answer=20.0, pause=6.0),
            )
        ),
        client=Client(policy={"output_limit": 2000}), steps=(Step(fault=StopReading(30.0), at=219.0),),
    ),
    # P17: a limit of what can be known. Questions asked together, and together again, may get fewer answers then.
    "questions that were asked together are asked together again": Plan(
        seconds=470.0, service=Service(connection=240.0, late=1.5), steps=(Step(fault=Crash(), at=400.0),),
        talk=Conversation(
            turns=(
                Turn(kind="spoken", barge_in=3.0), Turn(), Turn(kind="spoken", answer=4.0), Turn(),
                Turn(answer=12.0, barge_in=3.0),
            )
        ),
    ),
    # P17: a false alarm, the second of two questions that were open at a time was forgotten in a crash.
    "a process dies after two questions were open at a time": Plan(
        seconds=250.0, service=Service(connection=120.0, lead=10.0, every=5.0, while_busy="handle"),
        talk=Conversation(
            turns=(
                Turn(kind="marked", answer=25.0, pause=0.5), Turn(tools=1, tool_time=8.0, barge_in=3.0),
                Turn(kind="marked", answer=4.0, barge_in=3.0),
            )
        ),
        steps=(Step(fault=HalfOpen(), at=10.0, times=2, every=15.0), Step(fault=Crash(), at=177.0)),
    ),
    # P14: a false alarm, more was sent in all than the server exaggerated by, so a wrong number seemed to be true.
    "a server exaggerates to somebody who says much": Plan(
        talk=Conversation(turns=(Turn(pause=0.5),)), service=Service(while_busy="handle"),
        client=Client(policy={"answer_timeout": None}), steps=(Step(fault=WrongIndices("too_high"), at=100.0),),
    ),
    # P13: a false alarm, an old store led back from the newest session to the one before it.
    "a stale store leads back to an earlier session": Plan(
        seconds=360.0,
        steps=(
            Step(fault=Close("entity_not_found"), state="ACTIVE", times=2),
            Step(fault=Crash("stale", down=60.0), at=191.18),
        ),
    ),
    # P13: what interrupts an answer before a word of it is heard settled the only open question, and the handle that
    # followed was taken to cover it.
    "speech that nobody asked about is interrupted by a question, whose connection then falls mute": Plan(
        seconds=550.0, service=Service(backend="developer", late=0.0, every=5.0),
        steps=(Step(fault=MuteAfterSetup(), at=276.0, times=2),),
    ),
    # P13: the same with a repeat that is not kept back: its turn settled the question that came after it.
    "a repeat that is not kept back is interrupted by a question, whose connection then falls mute": Plan(
        seconds=280.0, service=Service(backend="developer", thinking=0.0, late=0.0, every=5.0),
        client=Client(policy={"withhold_repeats": False}), steps=(Step(fault=MuteAfterSetup(), times=3),),
    ),
    # No promise, but an error of the core level: a process dies in the instant in which a save takes too long.
    "a process dies in the instant in which a save takes too long": Plan(
        seconds=80.0, steps=(Step(fault=SlowStore()), Step(fault=Crash(down=0.0), times=2, every=2.0))
    ),
    # P17: what came of an answer that had been given up was the answer to the next question, and so on to the end: a
    # pause in an answer, thoughts of half a minute before tools are called, and a repeat that took as long.
    "an answer pauses for longer than we wait": Plan(
        service=Service(connection=None), talk=Conversation(audio=AudioSchedule(rate=0.03), turns=(Turn(answer=60.0),)),
        seconds=300.0,
    ),
    "the model thinks for longer than we wait, and then calls tools": Plan(
        seconds=220.0, service=Service(connection=None, thinking=35.0),
        talk=Conversation(turns=(Turn(answer=12.0, tools=2, pause=20.0),)),
    ),
    "an answer that was given up is repeated later than we wait": Plan(
        seconds=70.0, service=Service(thinking=13.0), client=Client(policy={"answer_timeout": 8.0}),
        talk=Conversation(turns=(Turn(answer=4.0, pause=20.0),)),
    ),
    "a late answer begins in the instant in which the next question arrives": Plan(
        seconds=70.0, service=Service(latency=0.04, thinking=8.5), client=Client(policy={"answer_timeout": 8.0}),
        talk=Conversation(turns=(Turn(kind="marked", pause=0.5), Turn())),
    ),
    # P13: what was under way when a handle came was taken for covered. An answer that had begun before a question can
    # have been heard settled it; and of the first connections of a slow network nobody knew how slow it is.
    "an answer begins in the instant in which a question is asked, a second away": Plan(
        seconds=130.0, service=Service(backend="developer", connection=120.0, setup=3.0, latency=1.0, every=5.0),
        talk=Conversation(
            turns=(Turn(kind="spoken", pause=0.01, barge_in=0.01), Turn(kind="marked", answer=0.0, pause=0.01))
        ),
        steps=(Step(fault=Duplicate(2), at=54.0, times=2, every=0.2),),
    ),
    "connections are left before a round trip is measured": Plan(
        seconds=70.0, talk=Conversation(turns=()),
        service=Service(backend="developer", connection=200.0, lead=500.0, latency=1.0, every=1.0),
    ),
    "a slow network is not measured at all": Plan(
        service=Service(backend="developer", latency=1.0), client=Client(policy={"probe": False})
    ),
    # P3: a server that named a condemned handle once more was believed by the process that came next: it saved the
    # handle in place of the good one, and presented it.
    "a condemned handle is named to the next process": Plan(
        seconds=140.0, calm=10.0,
        steps=(
            Step(fault=RejectHandles(), at=20.0), Step(fault=Close(), at=20.1), Step(fault=Crash("kept", 1.0), at=50.0),
            Step(fault=Unsolicited("dead_handle"), at=66.0), Step(fault=Close(), at=66.1),
        ),
    ),
    # P3: a false alarm, one in twenty thousand sessions: the notice that a handle is condemned came after the next
    # connection was lost, in the same instant.
    "a connection is lost in the instant in which a handle is condemned": Plan(
        seconds=290.0, service=Service(setup=0.0),
        steps=(Step(fault=CloseAfterSetup("context_exhausted", after=0.0), at=1.0, times=3),),
    ),
    # P17: false alarms, five in two hundred thousand sessions. Where a setup takes no time the next loss, or the end of
    # the context with the calls that it knows, may come in the same instant as the loss before.
    "a connection is lost in the instant in which it came up": Plan(
        talk=Conversation(turns=(Turn(tools=2),)), service=Service(lead=0.0, setup=0.0, thinking=0.0),
        steps=(Step(fault=RestartServer(), state="ACTIVE", times=3),),
    ),
    "a context ends in the instant in which its connection is lost": Plan(
        seconds=70.0, client=Client(compressed=False),
        service=Service(setup=0.0, every=5.0, while_busy="handle", session=300.0),
        talk=Conversation(turns=(Turn(tools=2, tool_time=8.0, video=1), Turn(kind="spoken", barge_in=3.0))),
    ),
    # P4: a save that a slow store did not do in time was tried again after its handle had been condemned.
    "a handle is condemned while it is saved": Plan(
        seconds=130.0, client=Client(compressed=False), service=Service(session=300.0),
        talk=Conversation(turns=(Turn(kind="spoken"), Turn(answer=20.0), Turn(video=1, barge_in=3.0))),
        steps=(Step(fault=SlowStore(10.0), at=30.0),),
    ),
    # P19 P3: false alarms, two in sixty thousand sessions. Where a setup takes no time the process may crash before
    # anybody is told the verdict, or the next connection be lost in the instant in which a handle is condemned.
    "a process crashes in the instant in which it has begun afresh": Plan(
        seconds=160.0, talk=Conversation(turns=(Turn(video=1),)), service=Service(setup=0.0, session=300.0),
        client=Client(compressed=False, hook="raise"), steps=(Step(fault=Crash(), state="HANDLE_EXPIRED"),),
    ),
    "a connection without a handle is lost in the instant in which one is condemned": Plan(
        seconds=180.0, service=Service(setup=0.0), client=Client(hook="seed", policy={"rotate_after": 100.0}),
        steps=(Step(fault=CloseAfterSetup("context_exhausted", after=0.0, times=2), at=1.0, times=2),),
    ),
    # P4: a false alarm, seven in forty thousand sessions: the newest handle was passed over since it was condemned
    # later, and the one before it, which came in the same instant, was missed in the store.
    "two handles in one instant, of which the newest turns out to be dead": found(
        Step(fault=StopReading(seconds=40.0), at=134.0), Step(fault=PoisonHandles(), at=200.0),
        turns=(Turn(answer=25.0, pause=2.0), Turn(barge_in=3.0), Turn(answer=4.0, tools=1, tool_time=0.5)),
        seconds=270.0, connection=240.0, setup=0.0, thinking=0.0, late=1.5, every=5.0,
    ),
    # P6: a false alarm, a stretch of no time that ended with the GoAway was counted as one after it.
    "a connection is to be left as it comes up": Plan(
        seconds=60.0, talk=Conversation(begin=8.0), service=Service(connection=20.0, setup=3.0)
    ),
    # P9: a false alarm of the checkers, kept because both ends come at once.
    "an answer is overdue in the instant in which its connection ends": found(
        Step(fault=Silence(), at=210.7), seconds=290.0, turns=(Turn(),), connection=80.0, lead=None, thinking=1.0
    ),
}  # fmt: skip


@pytest.mark.parametrize("level", ["core", "runtime", "session"])
@pytest.mark.parametrize("name", FOUND)
def test_it_does_not_come_back(name: str, level: Level) -> None:
    outcome = attempt(FOUND[name], level)
    assert not outcome.violations, outcome.violations
