"""Every number that a user may turn: what it means, its unit, its default, and where the default comes from.

All durations are seconds, all sizes bytes. ``H``, ``M`` and ``L`` say how sure the source is: official text or several
observations, one careful observation, an inference. A wrong value raises `relive.errors.SettingError` at construction,
naming the setting.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import attrs
from attrs.validators import optional

from relive.core.closes import Dropped, Judgement
from relive.errors import SettingError

Classify: TypeAlias = Callable[[Dropped, Judgement], Judgement]

_Check: TypeAlias = Callable[[Any, Any, Any], None]

OFTEN: Final = 0.001
"""Seconds, at least, between what a session does again and again. A deadline that the clock's rounding swallows is due
as soon as it is armed: nothing else would ever be done."""


def _bound(low: float, *, above: bool, endless: bool) -> str:
    """What a number may be, in words."""
    bound = f"{'above' if above else 'at least'} {low:g}"
    return bound if endless else f"finite and {bound}"


def _number(low: float, *, above: bool = False, endless: bool = False) -> _Check:
    """A finite number not below `low` (or above it); `endless` also allows infinity."""

    def check(_instance: object, attribute: Any, value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
            raise SettingError(attribute.name, value, "a number")
        if (math.isinf(value) and not endless) or value < low or (above and value == low):
            raise SettingError(attribute.name, value, _bound(low, above=above, endless=endless))

    return check


def _whole(_instance: object, attribute: Any, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SettingError(attribute.name, value, "a whole number, at least 1")


def _is_flag(_instance: object, attribute: Any, value: object) -> None:
    if not isinstance(value, bool):
        raise SettingError(attribute.name, value, "True or False")


def _is_text(_instance: object, attribute: Any, value: object) -> None:
    if not isinstance(value, str):
        raise SettingError(attribute.name, value, "a text")


def _function(_instance: object, attribute: Any, value: object) -> None:
    if not callable(value):
        raise SettingError(attribute.name, value, "a function")


def _told(may_be: str, unit: str = "") -> dict[str, str]:
    """For whoever shows a setting, as the documentation does."""
    return {"unit": unit, "may_be": may_be}


def _field(default: object, check: _Check, may_be: str, unit: str = "") -> Any:
    return attrs.field(default=default, validator=check, metadata=_told(may_be, unit))


def _seconds(default: float, *, low: float = 0.0, above: bool = False, endless: bool = False) -> Any:
    may_be = _bound(low, above=above, endless=endless)
    return _field(default, _number(low, above=above, endless=endless), may_be, "s")


def _maybe(default: float | None, *, low: float) -> Any:
    return _field(default, optional(_number(low)), f"{_bound(low, above=False, endless=False)}, or None", "s")


def _bytes(default: int) -> Any:
    return _field(default, _whole, "at least 1", "bytes")


def _count(default: int) -> Any:
    return _field(default, _whole, "at least 1", "count")


def _flag(default: bool) -> Any:
    return _field(default, _is_flag, "True or False")


@attrs.frozen(kw_only=True)
class Policy:
    """How a session behaves where the service leaves a choice."""

    # Leaving a connection. After a GoAway, or by ourselves when it has some age.
    drain_margin: float = _seconds(1.0)
    "Leave a doomed connection this long before its ``time_left`` is up (M: closes come slightly early)."
    late_handle: float = _seconds(1.0)
    "How long after a turn its handle is awaited before a drain goes on with an older one (H: handles come late)."
    rotate_after: float | None = _maybe(None, low=OFTEN)
    "Drain a connection of this age without waiting for a GoAway; None waits for the server."
    rotate_patience: float = _seconds(30.0)
    "How long such a drain may wait for a safe point. A turn that was cut once is never cut by another one."

    # Opening a connection, closing it, and noticing that it is dead.
    open_timeout: float = _seconds(10.0, above=True)
    "Time for the dial: DNS, TCP, TLS and the upgrade (the websocket library's own default)."
    setup_timeout: float = _seconds(10.0, above=True)
    "Time for the server to answer the setup; the SDK has no timeout there (H)."
    close_grace: float = _seconds(0.3)
    "How long a closed connection may take to answer our close frame before it is cut."
    probe_after: float = _seconds(3.0, low=OFTEN)
    "Inbound silence after which a connection is probed with a ping."
    probe_timeout: float = _seconds(5.0, above=True)
    "Time for the answer to a probe; then the connection counts as dropped (M: the service's pongs can be slow)."
    answer_timeout: float | None = _maybe(30.0, low=OFTEN)
    """How long the model may owe an answer, or the rest of one, without output. None where it may choose not to answer
    (proactive audio), or where no ``generation_complete`` (H: there is one) comes before a long playback."""
    probe: bool = _flag(True)
    "Whether silent connections are probed at all."

    # Trying again. How long is waited, and how often.
    retry_base: float = _seconds(0.5, above=True)
    "First step of the exponential backoff."
    retry_cap: float = _seconds(15.0, low=OFTEN)
    "Longest step of the backoff."
    retry_attempts: int = _count(10)
    "Openings in a row without a stable connection between them."
    retry_time: float = _seconds(180.0, above=True, endless=True)
    "How long one recovery may take before the session fails."
    retry_total: int = _count(10_000)
    "Openings in the whole life of a session."
    quota_delay: float = _seconds(20.0)
    "Least wait after a refusal for quota."
    stable_after: float = _seconds(10.0)
    "Seconds in ACTIVE after which a connection counts as stable and the budget is full again."

    # Handles, and whom the session waits for: the store, the application's hook, another worker.
    bind_to: str = _field("", _is_text, "a text")
    """What a handle belongs to besides model and backend: a name for the rest of the configuration, such as the version
    of a prompt. A stored handle of another name is not used; an empty one asks nothing."""
    handle_ttl: float = _seconds(7200.0, above=True, endless=True)
    "How long a handle lives after the last connection ended (H: 2 h on the Developer API; Vertex contradicts itself)."
    handle_strikes: int = _count(2)
    "Resumes from one handle that may die or stay mute before it is quarantined (M)."
    load_timeout: float = _seconds(2.0, above=True)
    "Time for the store to answer when a session begins."
    save_timeout: float = _seconds(5.0, above=True)
    "Time for one save; a save that takes longer is given up and reported."
    seed_timeout: float = _seconds(5.0, above=True)
    "Time for the application's hook after a loss of context."
    lease_ttl: float = _seconds(15.0, low=OFTEN)
    "How long an owned session stays a worker's own without being renewed; it is renewed three times as often."
    lease_wait: float = _seconds(0.0)
    "How long `connect` waits for a session that another worker owns; 0: not at all."

    # What is kept, what is dropped, and what is sent again.
    send_limit: int = _bytes(4 * 1024 * 1024)
    "Unwritten bytes above which `send` waits."
    send_timeout: float = _seconds(10.0)
    "How long `send` waits then before it raises."
    journal_limit: int = _bytes(16 * 1024 * 1024)
    "Written bytes kept for a replay; above it the oldest are forgotten, counted, and told in the next verdict."
    output_limit: int = _bytes(16 * 1024 * 1024)
    "Bytes kept for a reader that does not come; above it reading pauses and ``reader_stalled`` is reported."
    audio_age: float = _seconds(30.0, above=True, endless=True)
    "Audio that has waited longer than this to be written is dropped and counted."
    replay_audio: float = _seconds(10.0, endless=True)
    "Audio replayed at most where the server reports no message indices (older audio is counted as dropped)."
    coverage_margin: float = _seconds(0.5)
    "Without indices: what was sent less than this (or a round trip) before a handle came counts as not covered by it."
    withhold_repeats: bool = _flag(True)
    "Keep back the repeated answer of a turn that was already completed for the application."

    # The session's own limit. It has none if its context is compressed.
    compress: bool = _flag(True)
    "Switch sliding-window compression on where the caller's configuration says nothing of it."
    session_limit: float = _seconds(900.0, above=True)
    "Length of an uncompressed audio session (H: 15 minutes)."
    session_limit_video: float = _seconds(120.0, above=True)
    "Length of an uncompressed session with video (H: 2 minutes)."
    limit_warning: float = _seconds(60.0)
    "How long before that limit the application is warned."

    # What the application is handed, and what it decides.
    deliver_go_away: bool = _flag(False)
    "Hand GoAway on to the application. Code that reacts to it by connecting anew would undo the work."
    deliver_malformed: bool = _flag(False)
    "Hand frames on that the SDK will raise on, instead of withholding and reporting them."
    transparent: bool | None = _field(None, optional(_is_flag), "True, False or None")
    "Ask for message indices; None asks wherever the backend accepts it (H: Vertex only)."
    classify: Classify | None = attrs.field(
        default=None, validator=optional(_function), metadata=_told("a function, or None")
    )
    "Has the last word on what an end of a connection means: gets the drop and our judgement, returns its own."


DEFAULT: Final = Policy()
"What a session without a policy of its own has."
