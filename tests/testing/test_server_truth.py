"""The ground truth against a naive model of it, over conversations that Hypothesis makes up."""

from __future__ import annotations

import json

import attrs
from hypothesis import given, strategies as st

from relive.testing import server_client as say
from relive.testing.server import FakeLiveServer
from relive.testing.server_client import DirectClient
from relive.testing.server_script import ServerScript, Updates
from relive.testing.server_wire import read

AUDIO = st.integers(1, 5)
"How many frames to send."
HANDLE = st.just("handle")
RESUME = st.floats(0, 0.999)
"Which of the handles so far to resume from."


@attrs.define
class Naive:
    """A session that copies everything whenever a handle is made."""

    timeline: list[bytes] = attrs.field(factory=list[bytes])
    everything: list[bytes] = attrs.field(factory=list[bytes])
    snapshots: list[list[bytes]] = attrs.field(factory=list[list[bytes]])


@given(st.lists(AUDIO | HANDLE | RESUME, max_size=40))
def test_what_survives_is_what_a_naive_server_would_remember(steps: list[int | str | float]) -> None:
    c = DirectClient(FakeLiveServer(ServerScript(vad_silence=None, updates=Updates(after_turn=False))))
    conn = c.connect()
    naive = Naive()
    handles: list[str] = []
    for step in steps:
        if isinstance(step, int):
            sounds = [len(naive.everything + [b""] * extra).to_bytes(2, "big") for extra in range(step)]
            c.send(conn, *map(say.audio, sounds))
            naive.timeline += sounds
            naive.everything += sounds
        elif isinstance(step, str):
            c.server.update(conn, c.now)
            c.look()
            handles.append(c.handles(conn)[-1])
            naive.snapshots.append(list(naive.timeline))
        elif handles:
            chosen = int(step * len(handles))
            c.hang_up(conn)
            conn = c.connect(handle=handles[chosen])
            naive.timeline = list(naive.snapshots[chosen])
    (session,) = c.server.sessions
    assert list(session.audio()) == naive.timeline == list(c.server.ground_truth("audio"))
    assert session.consumed_count == len(naive.timeline)
    undone = sorted(set(naive.everything) - set(naive.timeline))
    assert sorted(item.payload for item in session.rolled_back if isinstance(item.payload, bytes)) == undone


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["setup", "model", "turns", "parts", "text", "audio", "data", "mimeType", "media_chunks"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)
BODY = st.sampled_from(["setup", "client_content", "realtimeInput", "tool_response", "contextUpdate", "other"])


@given(st.dictionaries(BODY, JSON, max_size=2))
def test_no_frame_is_too_strange_to_be_judged(message: dict[str, object]) -> None:
    frame = json.dumps(message)
    read(frame)
    c = DirectClient(FakeLiveServer())
    conn = c.connect()
    c.send(conn, frame)
    assert conn in c.ends or conn in c.server.live


@given(st.text(max_size=50) | st.binary(max_size=50))
def test_no_bytes_are_too_strange_to_be_judged(frame: str | bytes) -> None:
    c = DirectClient(FakeLiveServer())
    conn = c.connect()
    c.send(conn, frame)
    assert conn in c.ends


def test_the_ground_truth_can_keep_the_beginning_of_frames_only() -> None:
    c = DirectClient(FakeLiveServer(ServerScript(keep_bytes=2)))
    conn = c.connect()
    c.send(conn, say.audio(b"12345"), say.video(b"67890"), say.content("all of it"))
    assert [item.payload for item in c.server.sessions[0].consumed] == [b"12", b"67", "all of it"]
    assert c.server.sessions[0].emitted[0].said.audio_bytes == 5
