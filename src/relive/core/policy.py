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

from relive.core.closes import Dropped, Judgement
from relive.errors import SettingError

Classify: TypeAlias = Callable[[Dropped, Judgement], Judgement]


def _number(low: float, *, above: bool = False, endless: bool = False) -> Callable[[Any, Any, Any], None]:
    """A finite number not below `low` (or above it); `endless` also allows infinity."""

    def check(_instance: object, attribute: Any, value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
            raise SettingError(attribute.name, value, "a number")
        if (math.isinf(value) and not endless) or value < low or (above and value == low):
            bound = f"{'above' if above else 'at least'} {low:g}"
            raise SettingError(attribute.name, value, bound if endless else f"finite and {bound}")

    return check


def _count(low: int) -> Callable[[Any, Any, Any], None]:
    def check(_instance: object, attribute: Any, value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise SettingError(attribute.name, value, f"a whole number, at least {low}")

    return check


def _flag(_instance: object, attribute: Any, value: object) -> None:
    if not isinstance(value, bool):
        raise SettingError(attribute.name, value, "True or False")


def _function(_instance: object, attribute: Any, value: object) -> None:
    if not callable(value):
        raise SettingError(attribute.name, value, "a function")


def _seconds(default: float, *, above: bool = False, endless: bool = False) -> Any:
    return attrs.field(default=default, validator=_number(0.0, above=above, endless=endless))


def _maybe(default: float | None) -> Any:
    return attrs.field(default=default, validator=attrs.validators.optional(_number(0.0, above=True)))


def _bytes(default: int) -> Any:
    return attrs.field(default=default, validator=_count(1))


@attrs.frozen(kw_only=True)
class Policy:
    """How a session behaves where the service leaves a choice."""

    drain_margin: float = _seconds(1.0)
    "Leave a doomed connection this long before its ``time_left`` is up (M: closes come slightly early)."
    late_handle: float = _seconds(1.0)
    "How long after a turn its handle is awaited before a drain goes on with an older one (H: handles come late)."
    rotate_after: float | None = _maybe(None)
    "Drain a connection of this age without waiting for a GoAway; None waits for the server."
    rotate_patience: float = _seconds(30.0)
    "How long such a drain may wait for a safe point. A turn that was cut once is never cut by another one."

    open_timeout: float = _seconds(10.0, above=True)
    "Time for the dial: DNS, TCP, TLS and the upgrade (the websocket library's own default)."
    setup_timeout: float = _seconds(10.0, above=True)
    "Time for the server to answer the setup; the SDK has no timeout there (H)."
    close_grace: float = _seconds(0.3)
    "How long a closed connection may take to answer our close frame before it is cut."
    probe_after: float = _seconds(3.0, above=True)
    "Inbound silence after which a connection is probed with a ping."
    probe_timeout: float = _seconds(5.0, above=True)
    "Time for the answer to a probe; then the connection counts as dropped (M: the service's pongs can be slow)."
    answer_timeout: float | None = _maybe(30.0)
    """How long the model may owe an answer, or the rest of one, without output. None where it may choose not to answer
    (proactive audio), or where no ``generation_complete`` (H: there is one) comes before a long playback."""
    probe: bool = attrs.field(default=True, validator=_flag)
    "Whether silent connections are probed at all."

    retry_base: float = _seconds(0.5, above=True)
    "First step of the exponential backoff."
    retry_cap: float = _seconds(15.0, above=True)
    "Longest step of the backoff."
    retry_attempts: int = attrs.field(default=10, validator=_count(1))
    "Openings in a row without a stable connection between them."
    retry_time: float = _seconds(180.0, above=True, endless=True)
    "How long one recovery may take before the session fails."
    retry_total: int = attrs.field(default=10_000, validator=_count(1))
    "Openings in the whole life of a session."
    quota_delay: float = _seconds(20.0)
    "Least wait after a refusal for quota."
    stable_after: float = _seconds(10.0)
    "Seconds in ACTIVE after which a connection counts as stable and the budget is full again."

    handle_ttl: float = _seconds(7200.0, above=True, endless=True)
    "How long a handle lives after the last connection ended (H: 2 h on the Developer API; Vertex contradicts itself)."
    handle_strikes: int = attrs.field(default=2, validator=_count(1))
    "Resumes from one handle that may die or stay mute before it is quarantined (M)."
    load_timeout: float = _seconds(2.0, above=True)
    "Time for the store to answer when a session begins."
    save_timeout: float = _seconds(5.0, above=True)
    "Time for one save; a save that takes longer is given up and reported."
    seed_timeout: float = _seconds(5.0, above=True)
    "Time for the application's hook after a loss of context."
    lease_ttl: float = _seconds(15.0, above=True)
    "How long an owned session stays a worker's own without being renewed; it is renewed three times as often."
    lease_wait: float = _seconds(0.0)
    "How long `connect` waits for a session that another worker owns; 0: not at all."

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
    withhold_repeats: bool = attrs.field(default=True, validator=_flag)
    "Keep back the repeated answer of a turn that was already completed for the application."

    compress: bool = attrs.field(default=True, validator=_flag)
    "Switch sliding-window compression on where the caller's configuration says nothing of it."
    session_limit: float = _seconds(900.0, above=True)
    "Length of an uncompressed audio session (H: 15 minutes)."
    session_limit_video: float = _seconds(120.0, above=True)
    "Length of an uncompressed session with video (H: 2 minutes)."
    limit_warning: float = _seconds(60.0)
    "How long before that limit the application is warned."

    deliver_go_away: bool = attrs.field(default=False, validator=_flag)
    "Hand GoAway on to the application. Code that reacts to it by connecting anew would undo the work."
    deliver_malformed: bool = attrs.field(default=False, validator=_flag)
    "Hand frames on that the SDK will raise on, instead of withholding and reporting them."
    transparent: bool | None = attrs.field(default=None, validator=attrs.validators.optional(_flag))
    "Ask for message indices; None asks wherever the backend accepts it (H: Vertex only)."
    classify: Classify | None = attrs.field(default=None, validator=attrs.validators.optional(_function))
    "Has the last word on what an end of a connection means: gets the drop and our judgement, returns its own."


DEFAULT: Final = Policy()
"What a session without a policy of its own has."
