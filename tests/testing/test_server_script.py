"""A script that cannot be meant is refused where it is made, and what is no script where a server is given it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from relive.testing import Closes, EchoModel, FakeLiveServer, Limits, Say, ServerScript, Updates


@pytest.mark.parametrize(
    ("kind", "field", "value", "wanted"),
    [
        (ServerScript, "time_left", "seconds", "one of 'duration', 'bare', 'missing'"),
        (ServerScript, "after_go_away", "hang up", "one of 'close', 'silence', 'never'"),
        (ServerScript, "stray_tool_response", "drop", "one of 'ignore', 'swallow'"),
        (Updates, "while_busy", "busy", "one of 'silent', 'empty', 'not_resumable', 'handle'"),
        (Updates, "index", "wrong", "one of 'none', 'missing', 'repeated', 'backwards', 'too_high'"),
        (Updates, "every_seconds", 1e-9, "a number from 1e-06 to 1e+09"),
        (Updates, "every_frames", 0, "a whole number from 1 to 1e+09"),
        (Updates, "late", -1.0, "a number from 0 to 1e+09"),
        (Updates, "first_after", math.inf, "a number from 0 to 1e+09"),
        (Limits, "connection", math.nan, "a number from 1e-06 to 1e+09"),
        (Limits, "connection", "600", "a number from 1e-06 to 1e+09"),
        (Limits, "lead", -1.0, "a number from 0 to 1e+09"),
        (Limits, "context_bytes", 1.5, "a whole number from 0 to 1e+09"),
        (ServerScript, "setup_delay", math.inf, "a number from 0 to 1e+09"),
        (ServerScript, "consume_lag", math.nan, "a number from 0 to 1e+09"),
        (ServerScript, "vad_silence", 0.0, "a number from 1e-06 to 1e+09"),
        (ServerScript, "bad_key", "401", "a whole number from 400 to 599"),
        (ServerScript, "updates", None, "of the type Updates"),
        (ServerScript, "limits", {"connection": 60}, "of the type Limits"),
        (ServerScript, "usage", "no", "of the type bool"),
        (ServerScript, "poison", "hello", "a tuple of texts that are not empty"),
        (ServerScript, "poison", ("",), "a tuple of texts that are not empty"),
        (ServerScript, "model", EchoModel, "a model, with a method answer"),
        (Closes, "deadline", "quota", "a close code and a reason, as in CLOSES['quota']"),
        (Closes, "deadline", (99999, ""), "a close code and a reason, as in CLOSES['quota']"),
        (Closes, "deadline", (1000, None), "a close code and a reason, as in CLOSES['quota']"),
        (EchoModel, "interval", -1.0, "a number from 0 to 1e+09"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(kind: Any, field: str, value: object, wanted: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        kind(**{field: value})
    assert str(caught.value) == f"{kind.__name__}: '{field}' must be {wanted}, and is {value!r}"


def test_keys_that_are_no_set_are_not_shown() -> None:
    for field in ("models", "keys"):
        with pytest.raises(TypeError) as caught:
            ServerScript(**{field: "canary"})  # type: ignore[arg-type]
        assert str(caught.value) == f"ServerScript: '{field}' must be a set of texts, and is a str"


def test_what_can_be_meant_is_taken() -> None:
    assert ServerScript(bad_key=401, keys=frozenset({"x"}), poison=("arsenic",), keep_bytes=0).bad_key == 401
    assert Closes(deadline=(1006, "")).deadline == (1006, "")
    assert Limits(connection=None, lead=None).lead is None


@pytest.mark.parametrize("script", [{"model": 1}, EchoModel(), ServerScript, {}])
def test_a_server_takes_scripts_alone(script: Any) -> None:
    with pytest.raises(TypeError, match=r"a fake server needs a ServerScript, .* and was given"):
        FakeLiveServer(script)
    server = FakeLiveServer()
    with pytest.raises(TypeError, match=r"a fake server needs a ServerScript, .* and was given"):
        server.script = script


def test_a_delay_of_an_answer_is_a_number() -> None:
    with pytest.raises(ValueError, match="Say: 'delay' must be a number"):
        Say("x", delay=math.nan)
