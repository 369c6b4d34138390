"""What the server notes for those who judge a client: connections and handles."""

from __future__ import annotations

import pytest

from relive.testing import server_client as say
from relive.testing.server import FakeLiveServer
from relive.testing.server_client import DEVELOPER_PATH, VERTEX_PATH, DirectClient
from relive.testing.server_record import Admission
from relive.testing.server_script import CLOSES, IndexAnomaly, Limits, ServerScript, Updates


def talk(script: ServerScript | None = None) -> tuple[DirectClient, int]:
    c = DirectClient(FakeLiveServer(script), now=10.0)
    return c, c.connect()


def handle_now(c: DirectClient, conn: int) -> str:
    c.server.update(conn, c.now)
    c.look()
    return c.handles(conn)[-1]


def last(c: DirectClient) -> Admission:
    return c.server.admissions[-1]


def end(c: DirectClient) -> tuple[str, int | None, str, float | None]:
    """By whom, code, reason, when: of the newest connection."""
    return last(c).ended_by, last(c).code, last(c).reason, last(c).ended_at


def test_a_connection_is_noted_from_its_dial_to_its_end() -> None:
    c = DirectClient(FakeLiveServer(ServerScript(setup_delay=2.0)), now=10.0)
    conn = c.dial()
    record = last(c)
    assert c.server.admissions == (record,)
    assert (record.number, record.dialled_at, record.setup_at) == (conn, 10.0, None)
    c.wait(1.0)
    c.server.receive(record.number, say.setup(), c.now)
    assert (record.setup_at, record.handle, record.up_at, record.session) == (11.0, None, None, None)
    c.wait(2.0)
    assert (record.up_at, record.session) == (13.0, c.server.sessions[0])
    assert end(c) == ("", None, "", None)
    c.wait(1.0)
    c.hang_up(record.number)
    assert end(c) == ("client", None, "", 14.0)
    assert (record.refused, record.client_code) == ("", None)
    c.server.lost(c.connect(), c.now, 1000)
    assert (*end(c), last(c).client_code) == ("client", None, "", 14.0, 1000)


def test_a_refused_upgrade_is_no_connection() -> None:
    c = DirectClient(FakeLiveServer())
    c.server.refuse_next(503)
    c.dial()
    c.connect()
    assert [record.number for record in c.server.admissions] == [1]


def test_a_resumed_connection_is_noted_with_its_handle_which_is_not_shown() -> None:
    c, conn = talk()
    handle = handle_now(c, conn)
    c.hang_up(conn)
    c.connect(handle=handle)
    first, second = c.server.admissions
    assert (first.handle, second.handle, second.refused) == (None, handle, "")
    assert first.session is second.session
    assert handle not in repr(c.server.admissions)
    assert c.server.sessions[0].id in repr(second)


def test_the_end_is_noted_with_whose_doing_it_was() -> None:
    c, conn = talk(ServerScript(poison=("arsenic",), limits=Limits(context_bytes=100, audio_session=50.0)))
    c.server.close(conn, *CLOSES["quota"], c.now)
    assert end(c) == ("server", *CLOSES["quota"], 10.0)
    c.server.reset(c.connect(), c.now)
    assert end(c) == ("server", None, "", 10.0)
    conn = c.connect()
    c.server.restart(c.now)
    assert end(c) == ("server", None, "", 10.0)
    c.send(c.connect(), say.content("arsenic"))
    assert end(c) == ("frame", *CLOSES["invalid_argument"], 10.0)
    c.send(c.connect(), "not json")
    assert end(c) == ("frame", *CLOSES["not_json"], 10.0)
    c.send(c.connect(), say.audio(b"1" * 101))
    assert end(c) == ("limit", *CLOSES["context_exhausted"], 10.0)
    c.server.go_away(c.connect(), 3.0, c.now)
    c.wait(3.0)
    assert end(c) == ("limit", *CLOSES["deadline_expired"], 13.0)
    c.connect()
    c.wait(50.0)
    assert end(c) == ("limit", *CLOSES["operation_aborted"], 63.0)
    c.server.close_next_setup(*CLOSES["unavailable"])
    c.connect()
    assert end(c) == ("server", *CLOSES["unavailable"], 63.0)
    c.server.close_after_next_setup(*CLOSES["unavailable"])
    c.connect()
    assert end(c) == ("server", *CLOSES["unavailable"], 63.0)


def test_a_setup_that_is_not_accepted_is_noted() -> None:
    c = DirectClient(FakeLiveServer(ServerScript(keys=frozenset({"good"}), models=frozenset({"echo"}))))
    c.connect()
    assert end(c) == ("setup", *CLOSES["bad_key"], 0.0)
    c.connect(path=DEVELOPER_PATH + "?key=good", model="models/other")
    assert (last(c).ended_by, last(c).refused, last(c).setup_at, last(c).up_at) == ("setup", "", 0.0, None)
    c.connect("{}", path=DEVELOPER_PATH + "?key=good")
    assert (last(c).ended_by, last(c).setup_at) == ("frame", None)


def test_a_refused_handle_is_noted_with_what_was_wrong_with_it() -> None:
    c, conn = talk(ServerScript(limits=Limits(handle_ttl=100.0)))
    handle = handle_now(c, conn)
    seen: list[str] = []

    def present(handle: str, path: str = DEVELOPER_PATH, model: str = "models/echo") -> None:
        c.connect(path=path, handle=handle, model=model)
        assert last(c).ended_by == "setup"
        assert last(c).session is None
        assert (last(c).up_at is not None) is (last(c).refused == "other_model")
        seen.append(last(c).refused)

    present("what")
    present("handle-" + "0" * 32)
    present(handle)
    c.hang_up(conn)
    present(handle, path=VERTEX_PATH)
    present(handle, model="models/other")
    c.wait(101.0)
    present(handle)
    fresh = handle_now(c, conn := c.connect())
    c.hang_up(conn)
    c.server.reject_handles(*CLOSES["entity_not_found"], c.now)
    present(fresh)
    c.server.expire_handles(c.now)
    present(fresh)
    assert seen == ["malformed", "unknown", "in_use", "unknown", "other_model", "expired", "rejected", "expired"]


def test_a_handle_of_a_session_that_is_over_has_expired() -> None:
    c, conn = talk(ServerScript(limits=Limits(audio_session=5.0)))
    handle = handle_now(c, conn)
    c.wait(5.0)
    c.connect(handle=handle)
    assert last(c).refused == "expired"


@pytest.mark.parametrize(("anomaly", "told"), [("none", 2), ("missing", None), ("too_high", 1002)])
def test_each_handle_is_noted_with_what_it_covers_and_what_was_told(anomaly: IndexAnomaly, told: int | None) -> None:
    c = DirectClient(FakeLiveServer(ServerScript(updates=Updates(index=anomaly, after_turn=False))))
    conn = c.connect(say.setup(transparent=True), path=VERTEX_PATH)
    c.wait(1.0)
    c.send(conn, say.audio(b"12"), say.audio(b"34"))
    handle = handle_now(c, conn)
    snapshot = c.server.handles[handle]
    assert snapshot.session is c.server.sessions[0]
    assert (snapshot.connection, snapshot.at, snapshot.length) == (conn, 1.0, 2)
    assert (snapshot.index, snapshot.told) == (2, told)


def test_what_a_handle_covers_counts_the_whole_session_and_its_index_one_connection() -> None:
    c, conn = talk(ServerScript(updates=Updates(after_turn=False)))
    c.send(conn, say.audio(b"12"), say.audio(b"34"))
    first = handle_now(c, conn)
    c.hang_up(conn)
    again = c.connect(handle=first)
    c.send(again, say.audio(b"56"))
    second = handle_now(c, again)
    c.server.expire_handles(c.now)
    assert list(c.server.handles) == [first, second]
    covered = [(s.connection, s.index, s.told, s.length) for s in c.server.handles.values()]
    assert covered == [(conn, 2, None, 2), (again, 1, None, 3)]
