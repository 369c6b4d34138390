"""How a `FakeLiveServer` behaves, as one frozen value, and the closes of the real service by name.

Assigning another script to `server.script` takes effect from the next thing that happens. What cannot be meant is
refused where it is made, with a `ValueError` or `TypeError` that names the field.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, Literal, TypeAlias, get_args

import attrs
from attrs.validators import optional

from relive.testing.server_model import EchoModel, Model
from relive.testing.server_script_fields import (
    are_texts,
    is_a,
    is_close,
    is_flag,
    is_model,
    is_one_of,
    is_refusal,
    is_set_of_names,
    maybe,
)
from relive.testing.simulation.bounds import BYTES, EVER, Number

CloseCause: TypeAlias = tuple[int, str]
"Close code and reason. Code 1006 is never sent on a wire: it stands for a TCP reset without a close frame."

# As long as a close frame allows, like the real one.
_UNREGISTERED: Final = (
    "Method doesn't allow unregistered callers (callers without established identity). "
    "Please use API Key or other form of API c"
)

CLOSES: Final = MappingProxyType[str, CloseCause](
    {
        "session_not_found": (1008, "BidiGenerateContent session not found"),
        "invalid_handle": (1007, "Invalid session handle"),
        "entity_not_found": (1008, "Requested entity was not found."),
        "other_model": (1011, "Internal error occurred."),
        "handle_in_use": (1011, "Internal error encountered."),
        "deadline_expired": (1011, "Deadline expired before operation could complete."),
        "operation_aborted": (1008, "The operation was aborted."),
        "operation_cancelled": (1000, "The operation was cancelled."),
        "abnormal": (1006, ""),
        "quota": (1011, "You exceeded your current quota, please check your plan and billing details."),
        "internal_error": (1011, "Internal error encountered."),
        "unavailable": (1011, "The service is currently unavailable."),
        "bad_key": (1007, "API key not valid. Please pass a valid API key."),
        "bad_token": (1008, _UNREGISTERED),
        "invalid_argument": (1007, "Request contains an invalid argument."),
        "not_json": (1007, "Invalid JSON payload received. Unexpected token."),
        "unknown_name": (1007, 'Invalid JSON payload received. Unknown name "x": Cannot find field.'),
        "context_exhausted": (1007, "Request contains an invalid argument."),
        "wrong_operation": (1008, "Operation is not implemented, or supported, or enabled."),
        "unknown_model": (
            1008,
            "models/x is not found for API version v1beta, or is not supported for bidiGenerateContent.",
        ),
        "keepalive": (1011, "keepalive ping timeout"),
        "going_away": (1001, ""),
        "normal": (1000, ""),
    }
)
"Every close of `live-api.md`, section 4, by name: `server.close(conn, *CLOSES['quota'], now)`."

Busy: TypeAlias = Literal["silent", "empty", "not_resumable", "handle"]
IndexAnomaly: TypeAlias = Literal["none", "missing", "repeated", "backwards", "too_high"]
AfterGoAway: TypeAlias = Literal["close", "silence", "never"]
TimeLeft: TypeAlias = Literal["duration", "bare", "missing"]
Stray: TypeAlias = Literal["ignore", "swallow"]

_SECONDS: Final = Number(0.0, EVER)
_LASTS: Final = Number(1e-6, EVER)
"Whoever plays a conversation of hours in real time divides all of its durations."
_BYTES: Final = Number(0, BYTES, whole=True)
_COUNT: Final = Number(1, BYTES, whole=True)


@attrs.frozen
class Updates:
    """When session resumption updates are sent, and what is wrong with them. Without being asked for there are none.

    A resumed session gives no handle before the first point of this rhythm.
    """

    after_turn: bool = is_flag(default=True)
    "One update after every `turnComplete`, also after an interrupted turn."
    late: float = attrs.field(default=0.0, validator=_SECONDS)
    "Seconds between `turnComplete` and that update."
    first_after: float | None = maybe(None, _SECONDS)
    "Seconds between `setupComplete` of a *fresh* session and a first update; None: none."
    every_seconds: float | None = maybe(None, _LASTS)
    "Seconds between two updates; None: no such rhythm."
    every_frames: int | None = maybe(None, _COUNT)
    "One update after this many consumed client messages of a connection; None: no such rhythm."
    while_busy: Busy = attrs.field(default="silent", validator=is_one_of(*get_args(Busy)))
    """What is sent when a turn begins, and at each point of the rhythm that falls into one or into a tool call:
    nothing; `{}`; resumable false with an empty handle; or a handle all the same (the turn is not in it)."""
    index: IndexAnomaly = attrs.field(default="none", validator=is_one_of(*get_args(IndexAnomaly)))
    "What is wrong with `lastConsumedClientMessageIndex`, which is sent only to a `transparent` setup."


@attrs.frozen
class Limits:
    """How long things last. None means for ever."""

    connection: float | None = maybe(None, _LASTS)
    "Seconds from `setupComplete` to the end of a connection; about 600 in the real service."
    lead: float | None = maybe(60.0, _SECONDS)
    "Seconds before that end at which GoAway is sent; None: the end comes without notice."
    audio_session: float | None = maybe(900.0, _LASTS)
    "Seconds from the first `setupComplete` to the end of a session without context window compression."
    video_session: float | None = maybe(120.0, _LASTS)
    "The same once video has been consumed."
    context_bytes: int | None = maybe(None, _BYTES)
    "Decoded bytes of input that a context holds without context window compression; one more closes the connection."
    handle_ttl: float | None = maybe(7200.0, _SECONDS)
    "Seconds that a handle is good for after the last connection of its session ended."


@attrs.frozen
class Closes:
    """What the server says when it ends a connection of its own accord."""

    deadline: CloseCause = attrs.field(default=CLOSES["deadline_expired"], validator=is_close)
    "At the end of a connection's time, after GoAway."
    session_limit: CloseCause = attrs.field(default=CLOSES["operation_aborted"], validator=is_close)
    "At the end of a session's time; its handles die with it."
    context_exhausted: CloseCause = attrs.field(default=CLOSES["context_exhausted"], validator=is_close)
    "When the context is full."
    handle_in_use: CloseCause = attrs.field(default=CLOSES["handle_in_use"], validator=is_close)
    "For a handle whose session still has an open connection."
    other_model: CloseCause = attrs.field(default=CLOSES["other_model"], validator=is_close)
    "For a handle of another model, right after `setupComplete`."
    unknown_handle: CloseCause = attrs.field(default=CLOSES["session_not_found"], validator=is_close)
    "For a handle that is unknown, expired, or of another backend."
    poison: CloseCause = attrs.field(default=CLOSES["invalid_argument"], validator=is_close)
    "For a frame that contains one of `ServerScript.poison`."


@attrs.frozen
class ServerScript:
    """Everything configurable about a `FakeLiveServer`. The defaults are a well-behaved service."""

    model: Model = attrs.field(factory=EchoModel, validator=is_model)
    "Who answers."
    models: frozenset[str] | None = attrs.field(default=None, validator=optional(is_set_of_names))
    "Names of the models that exist, without any prefix; None: all."
    keys: frozenset[str] | None = attrs.field(default=None, repr=False, validator=optional(is_set_of_names))
    "API keys, bearer tokens and ephemeral tokens that are good; None: all, and none at all."
    bad_key: Literal["close"] | int = attrs.field(default="close", validator=is_refusal)
    "How a bad key is refused: a close on the first frame, or an HTTP status on the upgrade (401, 403)."
    setup_delay: float = attrs.field(default=0.0, validator=_SECONDS)
    "Seconds between the setup's arrival and `setupComplete`."
    binary: bool = is_flag(default=True)
    "Frames out are binary, as from the real service; False: text."
    pretty: bool = is_flag(default=False)
    "Frames out are indented and end in a newline."
    updates: Updates = attrs.field(factory=Updates, validator=is_a(Updates))
    "Session resumption updates."
    limits: Limits = attrs.field(factory=Limits, validator=is_a(Limits))
    "How long things last."
    closes: Closes = attrs.field(factory=Closes, validator=is_a(Closes))
    "Close codes and reasons that the server uses by itself."
    consume_lag: float = attrs.field(default=0.0, validator=_SECONDS)
    "Seconds between a frame's arrival and its consumption. What was not consumed when a connection ends is lost."
    vad_silence: float | None = maybe(0.8, _LASTS)
    "Seconds without an audio frame after which speech has ended; None: silence ends nothing."
    vad_frames: int | None = maybe(None, _COUNT)
    "Audio frames after which speech has ended; None: counting ends nothing."
    audio_interrupts: bool = is_flag(default=False)
    "An audio frame interrupts a turn. Without it, speech that ends during a turn is answered after that turn."
    interaction_status: bool = is_flag(default=False)
    "`interactionStatus` IN_PROGRESS comes with content, and IDLE with `turnComplete`."
    usage: bool = is_flag(default=True)
    "`usageMetadata` comes in the same message as `turnComplete`."
    stray_tool_response: Stray = attrs.field(default="ignore", validator=is_one_of(*get_args(Stray)))
    """A response to an unknown call: nothing happens; or the turn ends without a word, and the next demand for an
    answer is swallowed."""
    withhold_handles: bool = is_flag(default=False)
    """Sessions are not resumable: where an update with a handle would be due it says resumable false, or is `{}` if
    `updates.while_busy` is that. A handle that was due meanwhile comes as soon as this is off again."""
    refuse_overlap: bool = is_flag(default=True)
    "A handle whose session has an open connection is refused; False: accepted, and the newer owns the session."
    refuse_seed_on_resume: bool = is_flag(default=False)
    "The first message on a resumed connection is refused (1007) if it is content that contains turns of the model."
    after_go_away: AfterGoAway = attrs.field(default="close", validator=is_one_of(*get_args(AfterGoAway)))
    "After GoAway: work on until the deadline and close; fall silent at once and close at the deadline; never close."
    time_left: TimeLeft = attrs.field(default="duration", validator=is_one_of(*get_args(TimeLeft)))
    'How GoAway puts its time: `"50s"` or `"0.500s"`; `"50"`; the field is missing.'
    keep_bytes: int | None = maybe(None, _BYTES)
    "How many bytes of each audio and video frame the ground truth keeps, from its beginning; None: all of them."
    poison: tuple[str, ...] = attrs.field(default=(), validator=are_texts)
    "A frame that contains one of these closes the connection when it is consumed."
