"""Close codes: every way that a connection is known to end, and what follows from it."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from relive.core.closes import CAUSES, Cause, Dropped, Judgement, Phase, advice, cause, judge

INVALID = "Request contains an invalid argument."
NOT_FOUND = "BidiGenerateContent session not found"
WRONG = "Operation is not implemented, or supported, or enabled."
QUOTA = "You exceeded your current quota, please check your plan and billing details."
PHASES: tuple[Phase, ...] = ("opening", "resumed", "steady")


@pytest.mark.parametrize(
    ("code", "reason", "phase", "resuming", "judgement"),
    [
        # Handles.
        (1008, NOT_FOUND, "opening", True, "handle_dead"),
        (1008, NOT_FOUND, "resumed", True, "handle_dead"),
        (1008, NOT_FOUND, "opening", False, "retry"),
        (1008, NOT_FOUND, "steady", True, "retry"),
        (1007, "Invalid session handle", "opening", True, "handle_dead"),
        (1008, "Requested entity was not found.", "opening", True, "handle_dead"),
        (1008, "Requested entity was not found.", "resumed", False, "handle_dead"),
        (1008, "Requested entity was not found.", "opening", False, "fatal"),
        (1008, "Requested entity was not found.", "steady", True, "bad_input"),
        (1011, "Internal error occurred.", "resumed", True, "handle_doubted"),
        (1011, "Internal error occurred.", "steady", True, "retry"),
        (1011, "Internal error encountered.", "opening", True, "retry"),
        (1011, "", "opening", True, "retry"),
        (1007, INVALID, "opening", True, "handle_doubted"),
        (1007, INVALID, "resumed", True, "handle_doubted"),
        (1007, "Something new", "opening", True, "handle_doubted"),
        (1008, "Something new", "opening", True, "handle_doubted"),
        (1008, "Something new", "resumed", True, "handle_doubted"),
        (4000, "Something new", "resumed", True, "handle_doubted"),
        # Deadlines.
        (1011, "Deadline expired before operation could complete.", "steady", False, "retry"),
        (1011, "Deadline expired before operation could complete.", "resumed", True, "retry"),
        (1008, "The operation was aborted.", "steady", False, "retry"),
        (1008, "The operation was aborted.", "resumed", True, "retry"),
        (1000, "The operation was cancelled.", "steady", False, "retry"),
        (1000, "", "resumed", True, "retry"),
        (1001, "", "resumed", True, "retry"),
        (1012, "", "resumed", True, "retry"),
        (1013, "", "opening", False, "retry"),
        # Load.
        (1011, QUOTA, "opening", False, "retry_later"),
        (1011, QUOTA, "resumed", True, "retry_later"),
        (1011, "Resource has been exhausted (e.g. check quota).", "steady", False, "retry_later"),
        (1011, "Internal error encountered.", "steady", False, "retry"),
        (1011, "The service is currently unavailable.", "steady", False, "retry"),
        (1011, "The service is currently unavailable.", "resumed", True, "retry"),
        # What no attempt makes better.
        (1007, "API key not valid. Please pass a valid API key.", "opening", False, "fatal"),
        (1007, "API key not valid. Please pass a valid API key.", "resumed", True, "fatal"),
        (1008, "Method doesn't allow unregistered callers (callers without established iden", "opening", True, "fatal"),
        (1008, "The caller does not have permission", "opening", True, "fatal"),
        (1008, "models/x is not found for API version v1beta, or is not supported", "opening", True, "fatal"),
        (1008, "Publisher Model `projects/p/models/x` was not found", "opening", False, "fatal"),
        (1007, INVALID, "opening", False, "fatal"),
        (1007, "Something new", "opening", False, "fatal"),
        (1007, 'Invalid JSON payload received. Unknown name "x"', "opening", True, "fatal"),
        (1008, WRONG, "opening", True, "fatal"),
        # What we may have sent.
        (1008, WRONG, "steady", False, "bad_input"),
        (1008, WRONG, "resumed", True, "bad_input"),
        (1007, 'Invalid JSON payload received. Unknown name "x"', "steady", False, "bad_input"),
        (1007, 'Invalid JSON payload received. Unknown name "x"', "resumed", True, "bad_input"),
        (1007, INVALID, "steady", False, "bad_input"),
        (1007, "Something new", "steady", False, "bad_input"),
        (1008, "Something new", "steady", True, "bad_input"),
        (1009, "message too big", "steady", False, "bad_input"),
        # The network, and what is not known.
        (1011, "keepalive ping timeout", "steady", False, "retry"),
        (1011, "keepalive ping timeout", "resumed", True, "retry"),
        (1006, "", "resumed", True, "retry"),
        (1005, "", "resumed", True, "retry"),
        (None, "", "opening", True, "retry"),
        (1008, "Something new", "opening", False, "retry"),
        (1011, "Something new", "steady", False, "retry"),
        (4000, "Something new", "steady", False, "retry"),
    ],
)
def test_an_end_has_one_meaning(
    code: int | None, reason: str, phase: Phase, resuming: bool, judgement: Judgement
) -> None:
    for text in (reason, reason.upper(), f" {reason} and more"):
        assert judge(Dropped(code, text, phase), resuming=resuming) == judgement


@pytest.mark.parametrize(
    ("status", "judgement"),
    [
        *[(status, "fatal") for status in (400, 401, 403, 404, 407)],
        (429, "retry_later"),
        *[(status, "retry") for status in (200, 301, 408, 425, 500, 502, 503, 599)],
    ],
)
def test_a_refused_upgrade_is_judged_by_its_status(status: int, judgement: Judgement) -> None:
    drop = Dropped(reason="server rejected the connection", phase="opening", status=status)
    assert judge(drop, resuming=True) == judge(drop, resuming=False) == judgement


@given(st.sampled_from(PHASES), st.booleans(), st.none() | st.integers(1000, 4999), st.text())
def test_the_network_is_always_tried_again_and_our_own_refusal_never(
    phase: Phase, resuming: bool, code: int | None, reason: str
) -> None:
    assert judge(Dropped(code, reason, phase, origin="network"), resuming=resuming) == "retry"
    assert judge(Dropped(code, reason, phase, origin="local"), resuming=resuming) == "fatal"


def test_an_invalid_argument_late_in_an_uncompressed_session_is_the_limit() -> None:
    drop = Dropped(1007, INVALID)
    assert judge(drop, resuming=False, compressed=False) == "limit"
    assert judge(drop, resuming=False, compressed=False, young=True) == "bad_input"
    assert judge(drop, resuming=False, compressed=True) == "bad_input"


@pytest.mark.parametrize(
    ("drop", "about"),
    [
        (Dropped(1007, "API key not valid. Please pass a valid API key.", "opening"), "API key"),
        (Dropped(1008, "Method doesn't allow unregistered callers", "opening"), "ephemeral token"),
        (Dropped(1008, "models/x is not found for API version v1", "opening"), "model"),
        (Dropped(1007, INVALID, "opening"), "configuration"),
        (Dropped(1008, WRONG, "opening"), "model and this backend"),
        (Dropped(status=401, phase="opening"), "API key"),
        (Dropped(status=404, phase="opening"), "address"),
        (Dropped(reason="transparent is Vertex only", phase="opening", origin="local"), "reason"),
        (Dropped(1011, QUOTA), "quota"),
        (Dropped(1006), "network"),
    ],
)
def test_advice_says_what_to_look_at(drop: Dropped, about: str) -> None:
    assert about in advice(drop)


@given(st.none() | st.integers(0, 5000), st.text(), st.sampled_from(PHASES), st.none() | st.integers(0, 600))
def test_every_end_has_a_meaning_and_advice_in_one_sentence(
    code: int | None, reason: str, phase: Phase, status: int | None
) -> None:
    drop = Dropped(code, reason, phase, status)
    assert judge(drop, resuming=False) == cause(drop, resuming=False).judgement
    assert advice(drop).endswith(".")
    assert advice(drop).count(". ") == 0


def example(row: Cause, resuming: bool) -> Dropped:
    return Dropped(
        code=row.codes[-1] if row.codes else 1011 if row.reasons or row.phases else 4000,
        reason=row.reasons[-1].replace("*", "…") if row.reasons else "something new",
        phase=row.phases[0] if row.phases else "opening" if row.statuses or resuming else "steady",
        status=row.statuses[0].start if row.statuses else None,
        origin=row.origins[0] if row.origins else "server",
    )


@pytest.mark.parametrize("row", CAUSES, ids=lambda row: row.happened)
def test_no_row_is_shadowed_by_one_above_it(row: Cause) -> None:
    drop = example(row, resuming=bool(row.resuming))
    found = cause(drop, resuming=bool(row.resuming), compressed=row.compressed is not False, young=bool(row.young))
    assert found is row


def test_every_row_of_the_documentation_is_in_the_table() -> None:
    documented = {
        "unknown or expired handle", "malformed handle", "dead handle, other text", "handle used with another model",
        "resume while the old connection is open", "connection deadline", "quota", "server fault", "bad key",
        "bad ephemeral token", "unknown model", "bad setup", "bad message", "context exhausted", "wrong operation",
        "keepalive", "network",
    }  # fmt: skip
    assert documented <= {row.happened for row in CAUSES}
    assert len({row.happened for row in CAUSES}) == len(CAUSES)


def test_a_drop_does_not_match_where_the_prefix_is_only_inside() -> None:
    assert judge(Dropped(1011, "It seems that you exceeded your current quota"), resuming=False) == "retry"


def test_an_end_is_told_without_the_secrets_that_it_quotes() -> None:
    drop = Dropped(1008, "handle-1 of key-1 is gone: handle-1", origin="network")
    assert drop.without("handle-1", None, "", "key-1") == Dropped(1008, "… of … is gone: …", origin="network")
    assert drop.without(None) == drop


@pytest.mark.parametrize(
    ("drop", "line"),
    [
        (Dropped(1011, "Internal error."), "1011: Internal error."),
        (Dropped(1000), "1000"),
        (Dropped(1006, "no close frame", origin="network"), "1006"),
        (Dropped(None, "a page of a proxy", status=502), "502"),
        (Dropped(None, "OSError: secret", origin="network"), "network"),
        (Dropped(None, "ValueError: secret", origin="local"), "local"),
    ],
)
def test_of_an_end_only_what_the_server_said_with_a_close_is_quoted(drop: Dropped, line: str) -> None:
    assert drop.in_short() == line
