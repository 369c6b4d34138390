"""What a fake server notes about its connections, for whoever judges a client by it."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from relive.testing.server_truth import Session

HandleFault: TypeAlias = Literal["", "malformed", "unknown", "expired", "rejected", "in_use", "other_model"]
"""What was wrong with a handle: it looks like none; was never given here, or by the other backend; is too old, was made
to expire, or belongs to a session that is over; was made to be rejected; belongs to a session with an open connection,
or to one with another model. Empty: nothing, or there was none."""

Ending: TypeAlias = Literal["", "client", "server", "limit", "frame", "setup"]
"""Whose doing the end of a connection was. The client's; the server's, as a fault; a limit of connection, session or
context; a frame that the service does not accept; a setup, key or handle that it does not accept. Empty: it is open."""


@attrs.define(eq=False)
class Admission:
    """One connection, from its dial to its end. Instants are in seconds of the server's clock, None: not yet, or never.

    Written by the server only.
    """

    number: int
    "Number of the connection, from 1."
    dialled_at: float
    "When its upgrade was accepted."
    setup_at: float | None = None
    "When a first frame came that is a setup."
    handle: str | None = attrs.field(default=None, repr=False)
    "The handle that the setup presented; None if there was none."
    refused: HandleFault = ""
    "Why the handle was refused."
    up_at: float | None = None
    "When `setupComplete` was sent."
    session: Session | None = attrs.field(default=None, repr=lambda session: session.id if session else "None")
    "The session that it belongs to; None if it never came to one."
    ended_at: float | None = None
    "When it ended."
    ended_by: Ending = ""
    "Whose doing that was."
    code: int | None = None
    "Close code that the server sent; None for a reset, for the client's doing, and while it is open."
    reason: str = ""
    "Reason that the server sent."
    client_code: int | None = None
    "Close code that the client sent; None if it left without a word, if the server ended it, and while it is open."
