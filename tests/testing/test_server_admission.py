"""Who may come in, and what a setup is refused for."""

from __future__ import annotations

import json

import pytest

from relive.testing import server_client as say
from relive.testing.server import FakeLiveServer, Refused
from relive.testing.server_client import DEVELOPER_PATH, TOKEN_PATH, VERTEX_PATH, DirectClient
from relive.testing.server_script import CLOSES, Limits, ServerScript, Updates

INVALID = CLOSES["invalid_argument"]


def client(script: ServerScript | None = None) -> DirectClient:
    return DirectClient(FakeLiveServer(script))


@pytest.mark.parametrize(
    "path",
    [
        *(
            f"/ws/google.ai.generativelanguage.{v}.GenerativeService.BidiGenerateContent"
            for v in ("v1", "v1alpha", "v1beta")
        ),
        "//ws/google.ai.generativelanguage.v1.GenerativeService.BidiGenerateContent",
        "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=x",
        TOKEN_PATH,
        VERTEX_PATH,
        "/ws/google.cloud.aiplatform.v1.LlmBidiService/BidiGenerateContent",
    ],
)
def test_every_door_of_both_services_opens(path: str) -> None:
    c = client()
    assert "setupComplete" in c.messages(c.connect(path=path))[0]


@pytest.mark.parametrize(
    "path", ["/", "/ws/google.ai.generativelanguage.v2.GenerativeService.BidiGenerateContent", DEVELOPER_PATH + "X"]
)
def test_an_unknown_path_is_not_found(path: str) -> None:
    assert client().dial(path) == Refused(404, "Not Found")


def test_connections_are_numbered_from_one() -> None:
    c = client()
    assert [c.dial(), c.dial(), c.server.live] == [1, 2, (1, 2)]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (DEVELOPER_PATH, {"x-goog-api-key": "good"}),
        (DEVELOPER_PATH, {"X-Goog-Api-Key": "good"}),
        (DEVELOPER_PATH + "?key=good", {}),
        (VERTEX_PATH, {"x-goog-api-key": "good"}),
        (VERTEX_PATH, {"Authorization": "Bearer good"}),
        (TOKEN_PATH, {"Authorization": "Token good", "x-goog-api-key": "whatever"}),
        (TOKEN_PATH + "?access_token=good", {}),
    ],
)
def test_a_good_key_is_found_wherever_it_may_stand(path: str, headers: dict[str, str]) -> None:
    c = client(ServerScript(keys=frozenset({"good"}), bad_key=403))
    assert c.dial(path, headers) == 1


@pytest.mark.parametrize(
    ("path", "close"), [(DEVELOPER_PATH, "bad_key"), (VERTEX_PATH, "bad_token"), (TOKEN_PATH, "bad_token")]
)
def test_a_bad_key_is_refused_by_a_close_on_the_first_frame(path: str, close: str) -> None:
    c = client(ServerScript(keys=frozenset({"good"})))
    conn = c.connect(path=path)
    assert c.ends[conn] == CLOSES[close]
    assert c.server.live == ()


def test_a_bad_key_can_be_refused_by_an_http_status() -> None:
    refused = client(ServerScript(keys=frozenset({"good"}), bad_key=401)).dial()
    assert isinstance(refused, Refused)
    assert refused.status == 401


def test_the_next_dials_can_be_refused() -> None:
    c = client()
    c.server.refuse_next(503, times=2)
    statuses = [dial.status if isinstance(dial, Refused) else dial for dial in (c.dial(), c.dial(), c.dial())]
    assert statuses == [503, 503, 1]


def test_a_client_that_is_refused_says_so() -> None:
    c = client()
    c.server.refuse_next(503)
    with pytest.raises(ConnectionRefusedError, match="503"):
        c.connect()


def test_plans_for_the_next_dials_can_be_forgotten() -> None:
    c = client()
    c.server.refuse_next(503)
    c.server.hang_next_setup()
    c.server.forget_plans()
    assert c.messages(c.connect(), "setupComplete")


def test_setup_is_answered_with_the_id_of_a_new_session() -> None:
    c = client()
    conn = c.connect()
    (session,) = c.server.sessions
    assert c.messages(conn) == [{"setupComplete": {"sessionId": session.id}}]
    assert (session.model, session.backend, session.connections) == ("echo", "developer", (conn,))
    assert c.server.session_of(conn) is session


def test_a_delayed_setup_keeps_what_came_meanwhile() -> None:
    c = client(ServerScript(setup_delay=2.0))
    conn = c.connect()
    c.send(conn, say.content("early"))
    assert c.messages(conn) == []
    assert c.server.deadline == 2.0
    c.wait(2.0)
    assert c.server.sessions[0].payloads("content") == ("early",)


def test_a_hanging_setup_is_never_answered_and_consumes_nothing() -> None:
    c = client()
    c.server.hang_next_setup()
    hung, fine = c.connect(), c.connect()
    c.send(hung, say.content("into the void"))
    c.wait(1000.0)
    assert c.messages(hung) == []
    assert c.server.live == (hung,)
    assert c.messages(fine, "setupComplete")


def test_a_connection_can_be_closed_in_its_setup() -> None:
    c = client()
    c.server.close_next_setup(*CLOSES["unavailable"])
    c.server.close_next_setup(None, "")
    assert [c.ends[c.connect()] for _ in range(2)] == [CLOSES["unavailable"], (None, "")]


def test_a_connection_can_come_up_and_die_soon() -> None:
    c = client()
    c.server.close_after_next_setup(*CLOSES["internal_error"], delay=1.5)
    conn = c.connect()
    assert c.messages(conn, "setupComplete")
    c.wait(1.0)
    assert conn not in c.ends
    c.wait(0.5)
    assert c.ends[conn] == CLOSES["internal_error"]


def test_a_connection_can_come_up_and_stay_mute() -> None:
    c = client()
    c.server.mute_after_next_setup()
    conn = c.connect()
    c.send(conn, say.content("hello?"))
    c.wait(60.0)
    assert [list(message) for message in c.messages(conn)] == [["setupComplete"]]
    assert c.server.sessions[0].consumed == ()


def test_a_model_that_does_not_exist_is_refused_with_its_name_and_version() -> None:
    c = client(ServerScript(models=frozenset({"echo"})))
    reason = "models/other is not found for API version v1beta, or is not supported for bidiGenerateContent."
    assert c.ends[c.connect(model="models/other")] == (1008, reason)


@pytest.mark.parametrize(
    "name",
    ["models/echo", "echo", "publishers/google/models/echo", "projects/p/locations/l/publishers/google/models/echo"],
)
def test_a_model_is_known_by_its_bare_name(name: str) -> None:
    c = client(ServerScript(models=frozenset({"echo"})))
    assert c.messages(c.connect(model=name), "setupComplete")


def test_transparent_is_refused_by_the_developer_api_and_taken_by_vertex() -> None:
    c = client()
    frame = say.setup(transparent=True)
    assert c.ends[c.connect(frame)] == INVALID
    assert c.messages(c.connect(frame, path=VERTEX_PATH), "setupComplete")


@pytest.mark.parametrize(
    ("frame", "close"),
    [
        (say.content("hi"), INVALID),
        (say.audio(b"12"), INVALID),
        ("{}", INVALID),
        ("[]", INVALID),
        ('{"setup": {}}', INVALID),
        ('{"setup": 5}', INVALID),
        ('{"setup": {"model": "m", "sessionResumption": {"handle": 5}}}', INVALID),
        ("hello", CLOSES["not_json"]),
        (b"\xff\xfe", CLOSES["not_json"]),
        ('{"hello": {}}', (1007, 'Invalid JSON payload received. Unknown name "hello": Cannot find field.')),
    ],
)
def test_a_first_frame_that_is_no_setup_closes_the_connection(frame: str | bytes, close: tuple[int, str]) -> None:
    c = client()
    conn = c.dial()
    assert isinstance(conn, int)
    c.send(conn, frame)
    assert c.ends[conn] == close


def test_setup_may_be_binary_and_in_snake_case() -> None:
    c = client()
    conn = c.dial()
    assert isinstance(conn, int)
    body = {"model": "models/echo", "session_resumption": {}, "context_window_compression": {"sliding_window": {}}}
    c.send(conn, json.dumps({"setup": body}).encode(), say.content("hi"))
    c.wait(1.0)
    assert c.handles(conn)


def test_a_malformed_handle_is_told_from_an_unknown_one() -> None:
    c = client()
    assert c.ends[c.connect(handle="what")] == CLOSES["invalid_handle"]
    assert c.ends[c.connect(handle="handle-" + "0" * 32)] == CLOSES["session_not_found"]


def a_handle(c: DirectClient, path: str = DEVELOPER_PATH) -> str:
    """Have a session with a handle, and end its connection."""
    conn = c.connect(path=path)
    c.server.update(conn, c.now)
    c.look()
    c.hang_up(conn)
    return c.handles(conn)[-1]


def test_a_handle_works_until_its_time_to_live_has_passed_since_the_last_connection() -> None:
    c = client(ServerScript(limits=Limits(handle_ttl=100.0, audio_session=None)))
    handle = a_handle(c)
    c.wait(100.0)
    conn = c.connect(handle=handle)
    assert c.messages(conn, "setupComplete")
    c.wait(50.0)
    c.hang_up(conn)
    c.wait(100.1)
    assert c.ends[c.connect(handle=handle)] == CLOSES["session_not_found"]


def test_all_handles_can_be_made_unknown() -> None:
    c = client()
    handle = a_handle(c)
    c.server.expire_handles(c.now)
    assert c.ends[c.connect(handle=handle)] == CLOSES["session_not_found"]


def test_a_handle_is_good_for_one_backend_only() -> None:
    c = client()
    assert c.ends[c.connect(handle=a_handle(c), path=VERTEX_PATH)] == CLOSES["session_not_found"]


def test_a_handle_of_another_model_is_accepted_and_then_dies() -> None:
    c = client()
    handle = a_handle(c)
    conn = c.connect(handle=handle, model="models/other")
    assert c.messages(conn, "setupComplete")
    assert c.ends[conn] == CLOSES["other_model"]
    assert c.messages(c.connect(handle=handle), "setupComplete")


def test_history_config_is_refused_on_a_resume() -> None:
    c = client()
    frame = say.setup(handle=a_handle(c), historyConfig={"initialHistoryInClientContent": True})
    assert c.ends[c.connect(frame)] == INVALID


def test_a_handle_is_refused_while_a_connection_of_its_session_is_open() -> None:
    c = client()
    conn = c.connect()
    c.server.update(conn, c.now)
    c.look()
    (handle,) = c.handles(conn)
    assert c.ends[c.connect(handle=handle)][0] == 1011
    c.hang_up(conn)
    assert c.messages(c.connect(handle=handle), "setupComplete")


def test_overlapping_connections_can_be_allowed_and_the_newer_owns_the_session() -> None:
    c = client(ServerScript(refuse_overlap=False))
    old = c.connect()
    c.server.update(old, c.now)
    c.look()
    new = c.connect(handle=c.handles(old)[0])
    c.send(old, say.content("too late"))
    c.send(new, say.content("in time"))
    (session,) = c.server.sessions
    assert session.payloads("content") == ("in time",)
    assert [item.payload for item in session.rolled_back] == ["too late"]
    c.hang_up(old)
    assert session.is_open
    assert session.ended_at is None


def test_a_seed_into_a_resumed_session_can_be_refused() -> None:
    c = client(ServerScript(refuse_seed_on_resume=True))
    conn = c.connect(handle=a_handle(c))
    c.send(conn, say.content("I said this", turn_complete=False, role="model"))
    assert c.ends[conn] == INVALID


def test_a_seed_into_a_resumed_session_is_fine_otherwise() -> None:
    c = client()
    conn = c.connect(handle=a_handle(c))
    c.send(conn, say.content("I said this", turn_complete=False, role="model"))
    assert conn in c.server.live


def test_without_session_resumption_there_are_no_updates() -> None:
    c = client(ServerScript(updates=Updates(first_after=0.0, every_seconds=1.0, every_frames=1, while_busy="empty")))
    conn = c.connect(say.setup(resumption=False))
    c.send(conn, say.content("hi"))
    c.wait(10.0)
    assert c.messages(conn, "sessionResumptionUpdate") == []
