"""Handles that lead nowhere: none yet, not the server's, refused, accepted and useless.

Each scenario is played twice (see `stage`), and both must give these very transitions.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from google.genai import types
from tests.scenarios.named.stage import (
    CLOSED,
    DROPPED,
    OPENED,
    REFUSED,
    RESUMED,
    SEEDED,
    Stage,
    on_both_stages,
    restored,
)

import relive
from relive.clock import LoopClock
from relive.core.checkpoint import Checkpoint, digest
from relive.ports import Said
from relive.testing.server_model import EchoModel
from relive.testing.server_script import CLOSES, ServerScript

OWN_ID = "conversation-of-user-42"


def said(role: str, text: str) -> types.Content:
    return types.Content(role=role, parts=[types.Part(text=text)])


@on_both_stages(scale=20.0)
async def test_a_loss_in_the_first_answer_before_any_handle_asks_again_on_a_fresh_session(stage: Stage) -> None:
    """Report: a connection lost before any handle existed took the conversation with it.

    P15: nothing was covered, so all is said again. P17: the cut answer comes back. P19: the verdict says what happened.

    After the answer: `test_context_lost.test_a_loss_before_any_handle_replays_what_was_said`.
    """
    stage.serve(ServerScript(model=EchoModel(chunks=5, interval=2.0)))
    async with stage.open(policy=relive.Policy(stable_after=1.0)) as play:
        await play.wait(2.0)
        play.listen()
        await play.ask("tell me")
        await play.until(lambda: play.heard)
        play.reset()
        await play.until(lambda: len(stage.told()) == 2)
        stats = play.session.stats
    assert stage.steps() == [
        *OPENED,
        "ACTIVE → HANDLE_EXPIRED on ConnectionDropped",
        SEEDED,
        restored("no_handle"),
        CLOSED,
    ]
    assert stage.told() == ["interrupted", "heard 'turn 1: tell me'"]
    assert stats.frames_replayed == 1


@on_both_stages(scale=50.0)
async def test_a_clients_own_id_given_as_the_handle_costs_one_refusal(stage: Stage) -> None:
    """Report: an application gave the id of its own conversation as the handle, and was refused for ever.

    P2: the caller's handle is tried, unchecked. P3: the refusal condemns it, and from then on the server's is used.
    P5: no notice quotes it.
    """
    async with stage.open(handle=OWN_ID) as play:
        await play.converse("first")
        await play.wait(12.0)
        play.reset()
        await play.reached("ACTIVE", 2)
        await play.converse("second")
    assert stage.steps() == [
        "IDLE → RESUMING on ConnectRequested",
        REFUSED,
        SEEDED,
        restored("rejected"),
        DROPPED,
        RESUMED,
        CLOSED,
    ]
    assert stage.told() == ["heard 'turn 1: first'", "heard 'turn 2: second'"]
    assert stage.warned("handle_quarantined") == 1
    assert OWN_ID not in str(stage.notices)


@on_both_stages(scale=50.0)
async def test_a_clients_own_id_kept_in_the_store_is_refused_once_and_replaced(stage: Stage) -> None:
    """The same by way of a store that was filled by hand. P3: its tombstone stays; P4: the server's handle follows."""
    wall = LoopClock().wall
    store = relive.MemoryStore(wall=wall)
    backend = "memory" if stage.kind == "memory" else "vertex:/"
    theirs = Checkpoint(OWN_ID, "models/memory", backend, wall())
    await store.save("ada", theirs, generation=(0, 1), ttl=1e9)
    async with stage.open(store=store, key="ada") as play:
        await play.converse()
    stored = await store.load("ada")
    assert stored is not None
    assert stored.checkpoint is not None
    assert stored.checkpoint.handle != OWN_ID
    assert digest(OWN_ID) in stored.condemned
    assert stage.steps() == [
        "IDLE → RESUMING on CheckpointLoaded",
        REFUSED,
        SEEDED,
        restored("rejected"),
        CLOSED,
    ]


@on_both_stages(scale=20.0)
async def test_transparent_where_it_is_refused_is_a_setting_to_correct_and_no_reason_to_try_again(
    stage: Stage,
) -> None:
    """Report: `transparent` was sent to the Developer API, which refuses it, on every attempt of an endless loop.

    P11: that is fatal, at the first attempt.

    Who refuses differs: over TLS the SDK does, before it dials, and the error names the setting; in memory, where no
    SDK dials, the service does, with a 1007 that names nothing. The transitions are the same.
    """
    stage.serve()
    with pytest.raises(relive.SessionFailed) as caught:
        async with stage.open(vertex=False, policy=relive.Policy(transparent=True)):
            pass
    failure = caught.value.failure
    assert stage.steps() == [OPENED[0], "CONNECTING → FAILED on OpenFailed"]
    assert failure.cause == "fatal"
    assert failure.drop is not None
    if stage.kind == "tls":
        assert failure.drop.origin == "local"
        assert "transparent" in failure.drop.reason
    else:
        assert (failure.drop.code, failure.drop.reason) == CLOSES["invalid_argument"]


@on_both_stages(scale=50.0)
async def test_transparent_is_not_sent_where_it_is_refused_unless_asked_for(stage: Stage) -> None:
    """The same service with the default policy. P15: without indices the session is resumed all the same."""
    async with stage.open(vertex=False) as play:
        await play.converse("first")
        await play.wait(12.0)
        play.reset()
        await play.reached("ACTIVE", 2)
        await play.converse("second")
    assert stage.steps() == [*OPENED, DROPPED, RESUMED, CLOSED]
    assert stage.told() == ["heard 'turn 1: first'", "heard 'turn 2: second'"]


@on_both_stages(scale=10.0)
async def test_a_resume_after_audio_and_video_that_dies_twice_is_not_tried_a_third_time(stage: Stage) -> None:
    """Report: sessions with audio and video were resumed, and died within seconds, again and again.

    P3: the second death condemns the handle. P15: the speech is said again each time, of the video its newest frame.
    """
    server = stage.serve(ServerScript(vad_silence=None))
    async with stage.open() as play:
        await play.converse("watch this")
        await play.wait(12.0)
        for number in range(3):
            await play.show(f"picture {number}".encode())
            await play.speak(0.1, tag=f"{number}.")
        await play.until(lambda: len(play.consumed()) == 15)
        server.close_after_next_setup(*CLOSES["internal_error"], delay=stage.seconds(2.0), times=2)
        play.reset()
        await play.reached("ACTIVE", 4)
        await play.until(lambda: play.consumed("video") and play.session.stats.frames_waiting == 0)
        await play.until(lambda: len(server.sessions[-1].audio()) == 15)
        last = server.sessions[-1]
    assert stage.steps() == [
        *OPENED,
        DROPPED,
        RESUMED,
        "ACTIVE → WAITING on ConnectionDropped",
        "WAITING → RESUMING on DeadlineReached(retry)",
        RESUMED,
        "ACTIVE → HANDLE_EXPIRED on ConnectionDropped",
        SEEDED,
        restored("quarantined"),
        CLOSED,
    ]
    assert [item.payload for item in last.consumed if item.kind == "video"] == [b"picture 2"]
    assert last.audio() == tuple(f"{number}.{frame}".encode() for number in range(3) for frame in range(5))


@on_both_stages(scale=50.0)
async def test_the_seed_goes_into_fresh_sessions_only(stage: Stage) -> None:
    """Report: history was sent again into a *resumed* session, which is refused with 1007, for ever.

    P19: the hook is asked once per loss of context; a resumed session, also one that was seeded before, gets no seed.
    """
    server = stage.serve(ServerScript(refuse_seed_on_resume=True))
    asked: list[str] = []

    async def seed(reason: str, _transcript: tuple[Said, ...]) -> Sequence[types.Content]:
        asked.append(reason)
        return [said("user", "my name is Ada"), said("model", "hello Ada")]

    async with stage.open(seed=seed) as play:
        await play.converse("my name is Ada")
        await play.wait(12.0)
        play.reset()
        await play.reached("ACTIVE", 2)
        await play.converse("second")
        await play.wait(12.0)
        play.act(server.expire_handles)
        play.reset()
        await play.reached("ACTIVE", 3)
        await play.converse("third")
        await play.wait(12.0)
        play.reset()
        await play.reached("ACTIVE", 4)
        await play.converse("fourth")
    assert stage.steps() == [
        *OPENED,
        DROPPED,
        RESUMED,
        DROPPED,
        REFUSED,
        SEEDED,
        restored("rejected"),
        DROPPED,
        RESUMED,
        CLOSED,
    ]
    assert asked == ["rejected"]
    heads = [[item.payload for item in session.consumed if item.kind == "content"] for session in server.sessions]
    assert [str(texts).count("hello Ada") for texts in heads] == [0, 1]
    assert stage.told() == [
        "heard 'turn 1: my name is Ada'",
        "heard 'turn 2: second'",
        "heard 'turn 1: third'",
        "heard 'turn 2: fourth'",
    ]


@on_both_stages(scale=20.0)
async def test_an_application_that_seeds_a_resumed_session_itself_is_refused_twice_and_not_for_ever(
    stage: Stage,
) -> None:
    """The same, done by the application: it resumes from a handle it kept, and sends its history all the same.

    P3: two such deaths condemn the handle. P15: what the resumed session refused is said again in the fresh one.
    """
    server = stage.serve(ServerScript(refuse_seed_on_resume=True))
    handles: list[str] = []
    async with stage.open() as play:
        await play.converse("my name is Ada")
        handles += server._desk.snapshots
    stage.transcript.clear()
    async with stage.open(handle=handles[-1]) as play:
        history = [said("user", "my name is Ada"), said("model", "hello Ada"), said("user", "what is my name?")]
        await play.session.send_client_content(turns=list(history))
        await play.reached("ACTIVE", 3)
        await play.turn()
        await play.covered()
    assert stage.steps() == [
        "IDLE → RESUMING on ConnectRequested",
        RESUMED,
        "ACTIVE → WAITING on ConnectionDropped",
        "WAITING → RESUMING on DeadlineReached(retry)",
        RESUMED,
        "ACTIVE → HANDLE_EXPIRED on ConnectionDropped",
        SEEDED,
        restored("quarantined"),
        CLOSED,
    ]
    assert stage.told()[-1].startswith("heard 'turn 1: ")
