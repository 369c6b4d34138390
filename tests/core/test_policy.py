"""Settings: a wrong value is refused where it is given, by name."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest

from relive.core.policy import OFTEN, Policy
from relive.errors import SettingError

FIELDS = {field.name: field.default for field in attrs.fields(Policy)}
FLAGS = [name for name, default in FIELDS.items() if isinstance(default, bool)]
COUNTS = [name for name, default in FIELDS.items() if isinstance(default, int) and not isinstance(default, bool)]
SECONDS = [name for name, default in FIELDS.items() if isinstance(default, float)]
OPTIONAL = ["answer_timeout", "classify", "rotate_after", "transparent"]
ENDLESS = ["audio_age", "handle_ttl", "replay_audio", "retry_time"]
# A wait of nothing is a decision; a timeout of nothing would let nothing succeed.
MAY_BE_ZERO = [
    "close_grace", "coverage_margin", "drain_margin", "late_handle", "lease_wait", "limit_warning", "quota_delay",
    "replay_audio", "rotate_patience", "send_timeout", "stable_after",
]  # fmt: skip

# What comes again and again would be all that a session does, were there no time between.
AGAIN = ["answer_timeout", "lease_ttl", "probe_after", "retry_cap", "rotate_after"]


def policy(name: str, value: Any) -> Policy:
    return Policy(**{name: value})


def refused(name: str, value: object) -> SettingError:
    with pytest.raises(SettingError) as caught:
        policy(name, value)
    assert (caught.value.name, caught.value.value) == (name, value)
    assert str(caught.value).startswith(f"{name} is {value!r}, but must be ")
    return caught.value


def test_every_setting_has_a_default_that_is_accepted() -> None:
    assert attrs.asdict(Policy()) == FIELDS


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize("value", [-1.0, math.nan, -math.inf, "1", True])
def test_seconds_are_numbers_and_not_negative(name: str, value: Any) -> None:
    with pytest.raises(SettingError):
        policy(name, value)


@pytest.mark.parametrize("name", SECONDS)
def test_only_where_it_means_something_seconds_may_be_endless(name: str) -> None:
    if name in ENDLESS:
        assert getattr(policy(name, math.inf), name) == math.inf
    else:
        assert "finite" in refused(name, math.inf).expected


@pytest.mark.parametrize("name", SECONDS)
def test_only_where_it_means_something_seconds_may_be_none_at_all(name: str) -> None:
    if name in MAY_BE_ZERO:
        assert getattr(policy(name, 0), name) == 0
    else:
        assert ("at least 0.001" if name in AGAIN else "above 0") in refused(name, 0).expected


@pytest.mark.parametrize("name", AGAIN)
def test_what_comes_again_and_again_leaves_time_between(name: str) -> None:
    assert getattr(policy(name, OFTEN), name) == OFTEN
    for value in (1e-300, 0.0009):
        assert "finite and at least 0.001" in refused(name, value).expected


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [0, -1, 1.5, True, None, "3"])
def test_counts_and_sizes_are_whole_and_positive(name: str, value: object) -> None:
    assert refused(name, value).expected == "a whole number, at least 1"


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("value", [0, 1, None, "yes"])
def test_flags_are_true_or_false(name: str, value: object) -> None:
    assert refused(name, value).expected == "True or False"


@pytest.mark.parametrize("name", OPTIONAL)
def test_what_can_be_left_out_may_be_none(name: str) -> None:
    assert getattr(policy(name, None), name) is None


@pytest.mark.parametrize("value", [0.0, -3.0, math.inf])
@pytest.mark.parametrize("name", ["answer_timeout", "rotate_after"])
def test_a_time_that_may_be_left_out_is_a_time_if_it_is_given(name: str, value: float) -> None:
    refused(name, value)


def test_asking_for_message_indices_is_yes_no_or_whatever_the_backend_accepts() -> None:
    assert Policy(transparent=True).transparent
    refused("transparent", 1)


def test_a_judgement_of_ones_own_is_a_function() -> None:
    assert refused("classify", "fatal").expected == "a function"


def test_what_a_handle_is_bound_to_is_a_name() -> None:
    assert Policy(bind_to="prompt 7").bind_to == "prompt 7"
    assert refused("bind_to", None).expected == "a text"


def test_a_policy_does_not_change() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Policy().late_handle = 5.0  # pyright: ignore[reportAttributeAccessIssue]


def test_settings_are_named_never_counted() -> None:
    with pytest.raises(TypeError):
        Policy(2.0)  # pyright: ignore[reportCallIssue]
