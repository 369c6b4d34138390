"""How a `FakeLiveServer` behaves, as one frozen value, and the closes of the real service by name.

Assigning another script to `server.script` takes effect from the next thing that happens.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, Literal, TypeAlias

import attrs

from relive.testing.server_model import EchoModel, Model

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


@attrs.frozen
class Updates:
    """When session resumption updates are sent, and what is wrong with them. Without being asked for there are none.

    A resumed session gives no handle before the first point of this rhythm.
    """

    after_turn: bool = True
    "One update after every `turnComplete`, also after an interrupted turn."
    late: float = 0.0
    "Seconds between `turnComplete` and that update."
    first_after: float | None = None
    "Seconds between `setupComplete` of a *fresh* session and a first update; None: none."
    every_seconds: float | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.gt(0.0))
    )
    "Seconds between two updates; None: no such rhythm."
    every_frames: int | None = attrs.field(default=None, validator=attrs.validators.optional(attrs.validators.gt(0)))
    "One update after this many consumed client messages of a connection; None: no such rhythm."
    while_busy: Busy = "silent"
    """What is sent when a turn begins, and at each point of the rhythm that falls into one or into a tool call:
    nothing; `{}`; resumable false with an empty handle; or a handle all the same (the turn is not in it)."""
    index: IndexAnomaly = "none"
    "What is wrong with `lastConsumedClientMessageIndex`, which is sent only to a `transparent` setup."


@attrs.frozen
class Limits:
    """How long things last. None means for ever."""

    connection: float | None = None
    "Seconds from `setupComplete` to the end of a connection; about 600 in the real service."
    lead: float | None = 60.0
    "Seconds before that end at which GoAway is sent; None: the end comes without notice."
    audio_session: float | None = 900.0
    "Seconds from the first `setupComplete` to the end of a session without context window compression."
    video_session: float | None = 120.0
    "The same once video has been consumed."
    context_bytes: int | None = None
    "Decoded bytes of input that a context holds without context window compression; one more closes the connection."
    handle_ttl: float | None = 7200.0
    "Seconds that a handle is good for after the last connection of its session ended."


@attrs.frozen
class Closes:
    """What the server says when it ends a connection of its own accord."""

    deadline: CloseCause = CLOSES["deadline_expired"]
    "At the end of a connection's time, after GoAway."
    session_limit: CloseCause = CLOSES["operation_aborted"]
    "At the end of a session's time; its handles die with it."
    context_exhausted: CloseCause = CLOSES["context_exhausted"]
    "When the context is full."
    handle_in_use: CloseCause = CLOSES["handle_in_use"]
    "For a handle whose session still has an open connection."
    other_model: CloseCause = CLOSES["other_model"]
    "For a handle of another model, right after `setupComplete`."
    unknown_handle: CloseCause = CLOSES["session_not_found"]
    "For a handle that is unknown, expired, or of another backend."
    poison: CloseCause = CLOSES["invalid_argument"]
    "For a frame that contains one of `ServerScript.poison`."


@attrs.frozen
class ServerScript:
    """Everything configurable about a `FakeLiveServer`. The defaults are a well-behaved service."""

    model: Model = attrs.field(factory=EchoModel)
    "Who answers."
    models: frozenset[str] | None = None
    "Names of the models that exist, without any prefix; None: all."
    keys: frozenset[str] | None = attrs.field(default=None, repr=False)
    "API keys, bearer tokens and ephemeral tokens that are good; None: all, and none at all."
    bad_key: Literal["close"] | int = "close"
    "How a bad key is refused: a close on the first frame, or an HTTP status on the upgrade (401, 403)."
    setup_delay: float = 0.0
    "Seconds between the setup's arrival and `setupComplete`."
    binary: bool = True
    "Frames out are binary, as from the real service; False: text."
    pretty: bool = False
    "Frames out are indented and end in a newline."
    updates: Updates = attrs.field(factory=Updates)
    "Session resumption updates."
    limits: Limits = attrs.field(factory=Limits)
    "How long things last."
    closes: Closes = attrs.field(factory=Closes)
    "Close codes and reasons that the server uses by itself."
    consume_lag: float = 0.0
    "Seconds between a frame's arrival and its consumption. What was not consumed when a connection ends is lost."
    vad_silence: float | None = attrs.field(default=0.8, validator=attrs.validators.optional(attrs.validators.gt(0.0)))
    "Seconds without an audio frame after which speech has ended; None: silence ends nothing."
    vad_frames: int | None = attrs.field(default=None, validator=attrs.validators.optional(attrs.validators.gt(0)))
    "Audio frames after which speech has ended; None: counting ends nothing."
    audio_interrupts: bool = False
    "An audio frame interrupts a turn. Without it, speech that ends during a turn is answered after that turn."
    interaction_status: bool = False
    "`interactionStatus` IN_PROGRESS comes with content, and IDLE with `turnComplete`."
    usage: bool = True
    "`usageMetadata` comes in the same message as `turnComplete`."
    stray_tool_response: Literal["ignore", "swallow"] = "ignore"
    """A response to an unknown call: nothing happens; or the turn ends without a word, and the next demand for an
    answer is swallowed."""
    withhold_handles: bool = False
    """Sessions are not resumable: where an update with a handle would be due it says resumable false, or is `{}` if
    `updates.while_busy` is that. A handle that was due meanwhile comes as soon as this is off again."""
    refuse_overlap: bool = True
    "A handle whose session has an open connection is refused; False: accepted, and the newer owns the session."
    refuse_seed_on_resume: bool = False
    "The first message on a resumed connection is refused (1007) if it is content that contains turns of the model."
    after_go_away: Literal["close", "silence", "never"] = "close"
    "After GoAway: work on until the deadline and close; fall silent at once and close at the deadline; never close."
    time_left: Literal["duration", "bare", "missing"] = "duration"
    'How GoAway puts its time: `"50s"` or `"0.500s"`; `"50"`; the field is missing.'
    keep_bytes: int | None = None
    "How many bytes of each audio and video frame the ground truth keeps, from its beginning; None: all of them."
    poison: tuple[str, ...] = ()
    "A frame that contains one of these closes the connection when it is consumed."
