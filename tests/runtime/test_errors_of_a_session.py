"""P22: what a session raises at its end is ours and theirs, can be pickled, says what to do, and holds no secret."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import websockets
from google.genai.errors import APIError

import relive
from relive import session
from relive.core.closes import Dropped
from relive.core.effects import Failure
from relive.errors import ReceiverBusy, SendBufferFull, SessionClosed, SessionFailed, SettingError, TableError

CLOSED = Dropped(1011, "Deadline expired", "steady")
FAILURES = {
    "a close": (Failure("gave_up", CLOSED, "10 attempts in 180 s failed"), 1011),
    "a refusal": (Failure("fatal", Dropped(None, "Forbidden", "opening", 403), "Check the API key."), 403),
    "a reset": (Failure("gave_up", Dropped(None, "reset", origin="network"), "10 attempts failed"), 1006),
    "an abnormal end": (Failure("gave_up", Dropped(1006, "", origin="network"), "10 attempts failed"), 1006),
    "no connection": (Failure("seed_refused", None, "the application would not go on"), 1006),
}


def everything(error: BaseException) -> str:
    return f"{error} {error!r} {error.__dict__}"


@pytest.mark.parametrize("what", FAILURES)
def test_a_receiver_of_a_failed_session_gets_an_error_of_the_sdk(what: str) -> None:
    failure, code = FAILURES[what]
    error: Any = session._receive_error(SessionFailed(failure))
    assert isinstance(error, SessionFailed)
    assert isinstance(error, APIError)
    assert error.code == code
    assert error.failure is failure
    assert failure.detail in str(error)
    assert failure.cause in str(error)


@pytest.mark.parametrize("what", FAILURES)
def test_a_sender_of_a_failed_session_gets_an_error_of_the_websocket_library(what: str) -> None:
    failure, code = FAILURES[what]
    error: Any = session._send_error(SessionFailed(failure))
    assert isinstance(error, SessionFailed)
    assert isinstance(error, websockets.ConnectionClosedError)
    assert (error.rcvd.code if error.rcvd else None) == (code if what == "a close" else None)
    assert error.failure is failure
    assert failure.detail in str(error)


def test_a_receiver_of_a_closed_session_gets_what_the_sdk_raises_after_a_normal_close() -> None:
    error: Any = session._receive_error(SessionClosed())
    assert isinstance(error, SessionClosed)
    assert isinstance(error, APIError)
    assert error.code == 1000
    assert "relive.connect()" in str(error)


def test_a_sender_of_a_closed_session_gets_what_the_websocket_library_raises() -> None:
    error = session._send_error(SessionClosed())
    assert isinstance(error, SessionClosed)
    assert isinstance(error, websockets.ConnectionClosedOK)
    assert error.rcvd is not None
    assert error.rcvd.code == 1000
    assert "relive.connect()" in str(error)


@pytest.mark.parametrize("make", [session._receive_error, session._send_error])
@pytest.mark.parametrize("end", [SessionClosed(), *(SessionFailed(failure) for failure, _ in FAILURES.values())])
def test_each_survives_pickle_and_copy(make: Any, end: Any) -> None:
    error = make(end)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301 - ours
        assert type(twin) is type(error)
        assert everything(twin) == everything(error)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (SettingError("limit", 0, "at least 1"), "must be at least 1"),
        (ReceiverBusy(), "receive in one task"),
        (SendBufferFull(10, 5), "try again later"),
        (SessionClosed(), "open another"),
        (TableError(("a", "b")), "a; b"),
        (relive.CommandError("open it again", "ACTIVE"), "the session is ACTIVE"),
    ],
)
def test_our_own_errors_say_what_to_do_and_survive_pickle(error: Exception, advice: str) -> None:
    assert advice in str(error)
    twin = pickle.loads(pickle.dumps(error))  # noqa: S301 - ours
    assert (str(twin), twin.__dict__) == (str(error), error.__dict__)
