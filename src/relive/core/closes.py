"""How connections end, and what follows from it: one table; it is read from the top, and the first match decides.

The codes are not enough: 1007, 1008 and 1011 each stand for fatal and for passing things, so a row looks at code,
reason and phase. A reason is cut at 123 bytes by the websocket protocol (RFC 6455, 5.5), hence prefixes, and nobody
promises their case. What the service says about itself goes before what the phase suggests: "quota" right after a
resume is about the quota, not about the handle.

Two admissions. The texts are what people have seen, not what anybody has promised; `Cause.sure` says how well each is
known. And a close that no row explains is retried, because budgets bound a retry while a wrong "never" loses a
conversation. The exceptions are 1007 and 1008 in a steady connection: there a frame of ours may be at fault, which
must not be replayed for ever.

A user's function may overrule any judgement (`relive.core.policy`).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, TypeAlias

import attrs

Phase: TypeAlias = Literal["opening", "resumed", "steady"]
Origin: TypeAlias = Literal["server", "network", "local"]
Judgement: TypeAlias = Literal[
    "retry",  # it passes
    "retry_later",  # quota: wait longer
    "handle_dead",  # the server does not know this handle
    "handle_doubted",  # maybe the handle, maybe not
    "limit",  # the session itself is at its end: time or context
    "bad_input",  # perhaps a frame of ours
    "fatal",  # it will not get better by trying
]


@attrs.frozen
class Dropped:
    """The end of a connection, or of an attempt to open one, that we did not ask for."""

    code: int | None = None
    "Websocket close code; None if there was none (TCP reset, DNS, TLS, timeout, HTTP refusal)."
    reason: str = ""
    "What came with the code, at most 123 bytes of it; or the text of the operating system's error."
    phase: Phase = "steady"
    "Before the setup was answered, just after a resume, or later."
    status: int | None = None
    "HTTP status, if the upgrade to a websocket was refused."
    origin: Origin = "server"
    "Who ended it. ``local``: our own side refused (bad configuration, bad setting)."

    def without(self, *secrets: str | None) -> Dropped:
        """The same without these, which a server, or the text of an exception, may quote."""
        reason = self.reason
        for secret in secrets:
            if secret:
                reason = reason.replace(secret, "…")
        return attrs.evolve(self, reason=reason)

    def in_short(self) -> str:
        """A line of it: the close code, HTTP status or origin, and what the server said with a close.

        The text of anything else is left out, of an exception or of a page that a proxy sent: there is no telling what
        it quotes.
        """
        kind = self.code or self.status or self.origin
        said = self.reason if self.code is not None and self.origin == "server" else ""
        return f"{kind}: {said}" if said else str(kind)


def _pattern(prefixes: tuple[str, ...]) -> re.Pattern[str]:
    alternatives = ("(?s:.*)".join(map(re.escape, prefix.split("*"))) for prefix in prefixes)
    return re.compile("|".join(alternatives), re.IGNORECASE)


@attrs.frozen
class Cause:
    """A row: a drop that looks like this means that. Whatever a row leaves out may be anything."""

    happened: str
    "What happened, in the words of the documentation."
    sure: Literal["H", "M-H", "M", "L-M", "L", ""]
    "How well it is known: high, medium, low; empty where it is a decision of ours and not an observation."
    judgement: Judgement
    codes: tuple[int | None, ...] = ()
    reasons: tuple[str, ...] = ()
    "Prefixes of the reason, in any case; ``*`` stands for anything."
    phases: tuple[Phase, ...] = ()
    statuses: tuple[range, ...] = ()
    origins: tuple[Origin, ...] = ()
    resuming: bool | None = None
    compressed: bool | None = None
    young: bool | None = None
    advice: str = ""
    "What to do next, if this row can say it better than its judgement does."
    _reason: re.Pattern[str] = attrs.field(
        init=False, repr=False, eq=False, default=attrs.Factory(lambda row: _pattern(row.reasons), takes_self=True)
    )

    def matches(self, drop: Dropped, *, resuming: bool, compressed: bool, young: bool) -> bool:
        """Whether this row is about that drop."""
        return (
            (not self.codes or drop.code in self.codes)
            and (not self.phases or drop.phase in self.phases)
            and (not self.statuses or any(drop.status in statuses for statuses in self.statuses))
            and (not self.origins or drop.origin in self.origins)
            and self.resuming in (None, resuming)
            and self.compressed in (None, compressed)
            and self.young in (None, young)
            and self._reason.match(drop.reason.strip()) is not None
        )


_KEY = "Check the API key: it must be valid, not revoked, and allowed to use the Generative Language API."
_CALLER = "Get a new ephemeral token, or pass an API key: the service did not recognise the caller."
_MODEL = "Check the name of the model, and that it supports bidiGenerateContent in this API version and region."
_CONFIG = "Check the session's configuration: the service does not accept it for this model."
_OPERATION = "Check that this model and this backend support what the configuration asks for."
_UPGRADE = "Check the credentials, the project and the address: the server did not let the connection through."

# fmt: off
CAUSES: tuple[Cause, ...] = (
    # Refusals that no close code comes with.
    Cause("our own side refused", "", "fatal", origins=("local",),
          advice="Correct the configuration or the setting that the reason names."),
    Cause("quota, refused on the upgrade", "H", "retry_later", statuses=(range(429, 430),)),
    Cause("timeout or too early, on the upgrade", "", "retry", statuses=(range(408, 409), range(425, 426))),
    Cause("bad key, refused on the upgrade", "H", "fatal", statuses=(range(401, 402), range(403, 404)), advice=_KEY),
    Cause("request refused on the upgrade", "H", "fatal", statuses=(range(400, 500),), advice=_UPGRADE),
    Cause("server fault on the upgrade", "H", "retry", statuses=(range(500, 600),)),

    # The network, and what the websocket library makes of it.
    Cause("network", "H", "retry", origins=("network",)),
    Cause("network, no close code", "H", "retry", codes=(None, 1005, 1006, 1015)),
    Cause("keepalive", "H", "retry", codes=(1011,), reasons=("keepalive ping timeout",)),

    # What the service says in so many words, whatever the phase.
    Cause("quota", "H", "retry_later", reasons=("you exceeded your current quota",)),
    Cause("quota, other text", "", "retry_later", reasons=("resource has been exhausted", "resource exhausted")),
    Cause("bad key", "H", "fatal", codes=(1007, 1008), reasons=("api key", "your api key"), advice=_KEY),
    Cause("bad ephemeral token", "M", "fatal", codes=(1007, 1008), reasons=("*unregistered callers",), advice=_CALLER),
    Cause("bad credentials, as other Google APIs say it", "", "fatal", codes=(1007, 1008), phases=("opening",),
          reasons=("request had invalid authentication", "the caller does not have permission"), advice=_UPGRADE),
    Cause("unknown model", "H", "fatal", codes=(1007, 1008), reasons=("models/", "publisher model"), advice=_MODEL),
    Cause("connection deadline", "M-H", "retry", codes=(1011,), reasons=("deadline expired",)),
    Cause("connection deadline, aborted", "M-H", "retry", codes=(1008,), reasons=("the operation was aborted",)),
    Cause("connection deadline, cancelled", "M-H", "retry", codes=(1000, 1001)),
    Cause("service unavailable", "H", "retry", codes=(1011,), reasons=("the service is currently unavailable",)),
    Cause("service restart, overload, bad gateway", "", "retry", codes=(1012, 1013, 1014)),

    # Handles.
    Cause("unknown or expired handle", "H", "handle_dead", codes=(1008,), phases=("opening", "resumed"), resuming=True,
          reasons=("bidigeneratecontent session not found", "session not found")),
    Cause("malformed handle", "M", "handle_dead", codes=(1007,), reasons=("invalid session handle",),
          phases=("opening", "resumed"), resuming=True),
    Cause("dead handle, other text", "L", "handle_dead", codes=(1008,), reasons=("requested entity was not found",),
          phases=("opening", "resumed"), resuming=True),
    Cause("handle used with another model", "L", "handle_doubted", codes=(1011,), reasons=("internal error",),
          phases=("resumed",)),
    Cause("resume while the old connection is open", "L-M", "retry", codes=(1011,), phases=("opening",), resuming=True),
    Cause("invalid argument: the handle or the setup", "H", "handle_doubted", codes=(1007,), phases=("opening",),
          reasons=("request contains an invalid argument",), resuming=True),

    # The setup.
    Cause("bad setup, unknown name", "H", "fatal", codes=(1007,), reasons=("invalid json payload",),
          phases=("opening",), advice=_CONFIG),
    Cause("bad setup", "H", "fatal", codes=(1007,), phases=("opening",), resuming=False, advice=_CONFIG),
    Cause("bad setup or handle, unknown text", "", "handle_doubted", codes=(1007,), phases=("opening",), resuming=True),
    Cause("no such model or resource", "", "fatal", codes=(1008,), reasons=("requested entity was not found",),
          phases=("opening",), resuming=False, advice=_MODEL),
    Cause("wrong operation", "H", "fatal", codes=(1008,), reasons=("operation is not implemented",),
          phases=("opening",), advice=_OPERATION),
    Cause("setup or handle refused, unknown text", "", "handle_doubted", codes=(1008,), phases=("opening",),
          resuming=True),

    # What we sent. The wrong operation is seen in the middle of good conversations, when a native-audio model calls
    # a function (livekit/agents#4545, google/adk-python#4679, googleapis/js-genai#1236): it is not fatal there.
    Cause("wrong operation, later", "M", "bad_input", codes=(1008,), reasons=("operation is not implemented",),
          advice=_OPERATION),
    Cause("message too big or of the wrong kind", "", "bad_input", codes=(1003, 1009)),
    Cause("bad message, unknown name", "H", "bad_input", codes=(1007,), reasons=("invalid json payload",)),
    Cause("died right after a resume", "M", "handle_doubted", phases=("resumed",)),
    Cause("context exhausted", "M", "limit", codes=(1007,), reasons=("request contains an invalid argument",),
          compressed=False, young=False),
    Cause("bad message", "H", "bad_input", codes=(1007,), reasons=("request contains an invalid argument",)),
    # Not a word about the handle: a newer one than the connection was opened with may be there. Resuming will tell.
    Cause("session lost by the server", "", "retry", codes=(1008,),
          reasons=("bidigeneratecontent session not found", "session not found")),
    Cause("refused, unknown text", "", "bad_input", codes=(1007, 1008), phases=("steady",)),

    # The rest passes, or the budget ends it.
    Cause("server fault", "H", "retry", codes=(1011,)),
    Cause("unknown", "", "retry"),
)
# fmt: on

_ADVICE: dict[Judgement, str] = {
    "retry": "It should pass: check the network and the service's status, then open the session again.",
    "retry_later": "Wait, or raise the quota of the project, then open the session again.",
    "handle_dead": "Open a fresh session: this handle cannot be resumed any more.",
    "handle_doubted": "Open a fresh session: this handle may not be usable any more.",
    "limit": "Turn on context_window_compression: without it a session ends after minutes.",
    "bad_input": "Look at what was sent last: the service did not accept it.",
    "fatal": _CONFIG,
}


def judge(drop: Dropped, *, resuming: bool, compressed: bool = True, young: bool = False) -> Judgement:
    """Say what follows from this drop.

    Args:
        drop: How the connection ended.
        resuming: Whether the connection was opened, or was being opened, with a handle. The phase ``resumed``
            implies it; in a steady connection it does not matter.
        compressed: Whether the session has context-window compression; without it a session can be exhausted.
        young: Whether the session is too young to be exhausted.
    """
    return cause(drop, resuming=resuming, compressed=compressed, young=young).judgement


@lru_cache(maxsize=256)
def cause(drop: Dropped, *, resuming: bool, compressed: bool = True, young: bool = False) -> Cause:
    """Find the row that `judge` reads its answer from."""
    handle = resuming or drop.phase == "resumed"
    return next(row for row in CAUSES if row.matches(drop, resuming=handle, compressed=compressed, young=young))


def advice(drop: Dropped) -> str:
    """One sentence on what to do next, for the message of an error. It quotes nothing of the reason."""
    row = cause(drop, resuming=False)
    return row.advice or _ADVICE[row.judgement]
