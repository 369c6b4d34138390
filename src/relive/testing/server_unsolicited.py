"""Messages that nothing in the conversation asks for: what a server may say out of turn, or by mistake."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, Literal, TypeAlias, get_args

Unsolicited: TypeAlias = Literal[
    "tool_call",
    "tool_call_cancellation",
    "interrupted",
    "turn_complete",
    "output",
    "handle",
    "empty_update",
    "go_away",
    "unknown",
    "error",
    "null",
    "malformed",
    "not_an_object",
]
"""A tool call outside a turn, its cancellation, an interruption, the end of a turn, a chunk of text; an update with a
good handle, one without anything, a GoAway that nothing follows; an unknown message, an error, a known message that is
null; half of a message, and JSON that is no message."""

UNSOLICITED: Final[tuple[Unsolicited, ...]] = get_args(Unsolicited)

SAID: Final = MappingProxyType[Unsolicited, dict[str, object]](
    {
        "interrupted": {"serverContent": {"interrupted": True}},
        "turn_complete": {"serverContent": {"turnComplete": True}},
        "output": {"serverContent": {"modelTurn": {"parts": [{"text": "by the way"}], "role": "model"}}},
        "empty_update": {"sessionResumptionUpdate": {}},
        "go_away": {"goAway": {"timeLeft": "50s"}},
        "unknown": {"somethingNew": {"since": "yesterday"}},
        "error": {"error": {"code": 13, "message": "Internal error encountered.", "status": "INTERNAL"}},
        "null": {"goAway": None},
    }
)
"The messages that are always the same, and change nothing in what the server knows."

BROKEN: Final = MappingProxyType[Unsolicited, str](
    {"malformed": '{"serverContent": {"modelTurn"', "not_an_object": '["serverContent"]'}
)
"The frames that are no messages."
