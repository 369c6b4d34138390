"""The life of a session, in one table. Start reading here.

A **session** is what the caller holds; a **connection** is one link to the server, and it ends every few minutes. This
table is about the session. Connections are numbered within it, and one of them at most is in use.

Read a row as a sentence: *in* one of these states, *on* one of these facts, *when* the guard says yes, *go to* this
state *and* do that. The first row that fits is taken, so an order of rows for one state and one fact is an order of
preference, and the last of them has no guard. `STAY` is written out: that nothing changes is a decision too.

Where an ordinary life goes: ``IDLE`` → ``CONNECTING`` → ``ACTIVE`` → (GoAway) → ``DRAINING`` → (safe point) →
``RESUMING`` → ``ACTIVE`` … → ``CLOSED``. ``WAITING`` lies between two attempts to open a connection. Every loss of
context passes through ``HANDLE_EXPIRED``, where the application is asked how to go on; there is no way from a
conversation to a fresh connection around it. ``CLOSED`` is what we did, ``FAILED`` what was done to us; both are final.

How ties resolve. Two facts never meet: they are handled one after the other, each to its end. After every fact the
machine looks whether a draining connection is at a *safe point* (nothing unwritten, no user turn open, no answer owed,
no tool call pending, the newest handle covers the last turn) and tells itself so as a fact: `SafePointReached`. A
deadline exists only in its states, those that have a row for it; leaving them cancels it.

What is not here. Facts about a connection that is not (or no longer) the newest, and facts that cannot be true of it
(the end of a connection that is not up), never reach the table; `relive.core.lifecycle` drops them. What an action does
is in `relive.core.actions`, what a guard asks in `relive.core.guards`. A frame of audio is no fact: it goes through the
journal and past the machine.

What is never overdue. An answer is watched from the question to the last of its output, but once it has been generated
the service may be silent for as long as it is played, and nothing tells that from a server that has stopped: the end of
such a turn is awaited for ever, unless a question waits behind it. And a turn whose answer stops twice is over; once is
the fault of a connection, twice is not.

An admission: when we hang up, the state is left at once but the old connection is still read until it is closed (a few
tenths of a second). So the states that open a connection also hear what the old one says, and dial only at
`ConnectionClosed`. Should a handle arrive that late, no context is lost after all.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from relive.core import events as ev
from relive.core.actions import ACTIONS, Action
from relive.core.guards import GUARDS, Guard
from relive.core.schema import STAY, Row, Table, name_of
from relive.core.situation import SCOPES

State: TypeAlias = Literal[
    "IDLE", "CONNECTING", "ACTIVE", "DRAINING", "RESUMING", "WAITING", "HANDLE_EXPIRED", "CLOSED", "FAILED"
]

IDLE: Final = "IDLE"  # nothing has been opened yet; a stored checkpoint may be on its way
CONNECTING: Final = "CONNECTING"  # a fresh session is being opened
ACTIVE: Final = "ACTIVE"  # frames flow
DRAINING: Final = "DRAINING"  # the connection is doomed; frames still flow
RESUMING: Final = "RESUMING"  # a connection is being opened with a handle
WAITING: Final = "WAITING"  # between two attempts
HANDLE_EXPIRED: Final = "HANDLE_EXPIRED"  # there was a conversation, and no handle leads back to it
CLOSED: Final = "CLOSED"  # we ended it
FAILED: Final = "FAILED"  # given up, with an error

LIVE: Final = (ACTIVE, DRAINING)  # frames flow
OPENING: Final = (CONNECTING, RESUMING)  # a connection is being opened, or its predecessor closed
DEAF: Final = (CONNECTING, RESUMING, HANDLE_EXPIRED)  # a connection that we hung up on is read to its end
HEARING: Final = (*LIVE, *DEAF)  # a server may be heard
KEEPING: Final = (*LIVE, RESUMING)  # … and goes on with this session
FORGETTING: Final = (CONNECTING, HANDLE_EXPIRED)  # … although its session was thought lost
AWAKE: Final = (CONNECTING, ACTIVE, DRAINING, RESUMING, WAITING, HANDLE_EXPIRED)
OPEN: Final = (IDLE, *AWAKE)
FINAL: Final = (CLOSED, FAILED)
BEGUN: Final = (*AWAKE, *FINAL)  # the store has had its say
ASSURED: Final = (IDLE, *OPENING, *LIVE, WAITING, *FINAL)  # nothing is asked of the application

at = ev.DeadlineReached
LOST: Final = (ev.ConnectionDropped, at("silence"), at("answer"))
REFUSED: Final = (ev.OpenFailed, at("opening"))
UNASKED: Final = (ev.CheckpointLoaded, ev.CheckpointNotLoaded)
UNREAD: Final = (ev.CheckpointNotLoaded, at("load"))
SEEDED: Final = (ev.SeedAnswered, at("seed"))

# fmt: off
ROWS: tuple[Row[State, Guard, Action], ...] = (
    #   in              on                     go to           when                 and
    # A session begins: with the caller's handle, with what the store holds, or afresh.
    Row(IDLE,           ev.ConnectRequested,   RESUMING,       "handle_given",      ("adopt_given", "open")),
    Row(IDLE,           ev.ConnectRequested,   STAY,           "store_given",       ("load",)),
    Row(IDLE,           ev.ConnectRequested,   CONNECTING,     "",                  ("open",)),
    Row(IDLE,           ev.CheckpointLoaded,   RESUMING,       "checkpoint_usable", ("adopt_loaded", "open")),
    Row(IDLE,           ev.CheckpointLoaded,   HANDLE_EXPIRED, "checkpoint_found",  ("lose_loaded", "ask_seed")),
    Row(IDLE,           ev.CheckpointLoaded,   CONNECTING,     "",                  ("note_dead", "open")),
    Row(IDLE,           UNREAD,                HANDLE_EXPIRED, "",                  ("lose_unread", "ask_seed")),

    # A connection is opened. The old one, if we hung up on it, is closed before; what it says until then counts.
    Row(CONNECTING,     ev.ConnectionClosed,   HANDLE_EXPIRED, "context_lost",      ("roll_back", "lose", "ask_seed")),
    Row(OPENING,        ev.ConnectionClosed,   STAY,           "may_open_now",      ("roll_back", "open")),
    Row(OPENING,        ev.ConnectionClosed,   WAITING,        "within_budget",     ("roll_back", "back_off")),
    Row(OPENING,        ev.ConnectionClosed,   FAILED,         "",                  ("roll_back", "give_up")),
    Row(OPENING,        ev.DialStarted,        STAY,           "",                  ("arm_opening",)),
    Row(CONNECTING,     ev.ConnectionOpened,   ACTIVE,         "",                  ("come_up_fresh",)),
    Row(RESUMING,       ev.ConnectionOpened,   ACTIVE,         "",                  ("come_up_resumed",)),
    Row(OPENING,        REFUSED,               FAILED,         "fatal",             ("abandon", "give_up")),
    Row(RESUMING,       REFUSED,               HANDLE_EXPIRED, "handle_useless",    ("abandon", "condemn", "ask_seed")),
    Row(OPENING,        REFUSED,               WAITING,        "within_budget",     ("abandon", "back_off")),
    Row(OPENING,        REFUSED,               FAILED,         "",                  ("abandon", "give_up")),
    Row(WAITING,        at("retry"),           RESUMING,       "has_handle",        ("open",)),
    Row(WAITING,        at("retry"),           HANDLE_EXPIRED, "context_lost",      ("lose", "ask_seed")),
    Row(WAITING,        at("retry"),           CONNECTING,     "",                  ("open",)),

    # Frames flow.
    Row(HEARING,        ev.CheckpointReceived, STAY,           "condemned",         ("mark_unresumable",)),
    Row(KEEPING,        ev.CheckpointReceived, STAY,           "",                  ("keep_checkpoint",)),
    Row(FORGETTING,     ev.CheckpointReceived, RESUMING,       "",                  ("keep_checkpoint", "rejoin")),
    Row(HEARING,        ev.CheckpointWithheld, STAY,           "",                  ("mark_unresumable",)),
    Row(HEARING,        ev.OutputStarted,      STAY,           "",                  ("begin_answer",)),
    Row(LIVE,           ev.OutputHeard,        STAY,           "",                  ("await_more",)),
    Row(DEAF,           ev.OutputHeard,        STAY),
    Row(HEARING,        ev.AnswerGenerated,    STAY,           "",                  ("await_end",)),
    Row(HEARING,        ev.Interrupted,        STAY,           "",                  ("note_interruption",)),
    Row(HEARING,        ev.TurnEnded,          STAY,           "",                  ("end_turn",)),
    Row(HEARING,        ev.ToolCalled,         STAY,           "",                  ("note_calls",)),
    Row(HEARING,        ev.ToolCallsCancelled, STAY,           "",                  ("forget_calls",)),
    Row(OPEN,           ev.InputAccepted,      STAY,           "",                  ("note_input",)),
    Row(LIVE,           ev.Heard,              STAY,           "",                  ("note_life",)),
    Row(DEAF,           ev.Heard,              STAY),
    Row(HEARING,        ev.JournalFlushed,     STAY),
    Row(LIVE,           at("probe"),           STAY,           "",                  ("probe",)),
    Row(LIVE,           at("answer"),          STAY,           "nothing_owed",      ("stop_expecting",)),
    Row(LIVE,           at("limit"),           STAY,           "",                  ("warn_of_limit",)),

    # The connection is doomed: use it up to the first safe point, or the deadline.
    Row(ACTIVE,         ev.GoAwayReceived,     DRAINING,       "",                  ("arm_drain", "prepare")),
    Row(ACTIVE,         at("rotate"),          DRAINING,       "may_rotate",        ("arm_patience", "prepare")),
    Row(ACTIVE,         at("rotate"),          STAY,           "",                  ("put_off",)),
    Row(DRAINING,       ev.GoAwayReceived,     STAY,           "",                  ("arm_drain",)),
    Row(DEAF,           ev.GoAwayReceived,     STAY),
    Row(DRAINING,       at("late_handle"),     STAY),
    Row(DRAINING,       ev.SafePointReached,   RESUMING,       "",                  ("hang_up",)),
    Row(DRAINING,       at("drain"),           RESUMING,       "has_handle",        ("hang_up",)),
    Row(DRAINING,       at("drain"),           HANDLE_EXPIRED, "context_lost",      ("hang_up", "lose", "ask_seed")),
    Row(DRAINING,       at("drain"),           CONNECTING,     "",                  ("hang_up",)),

    # The connection is lost: they ended it, it fell silent, or it owes an answer (or the rest of it) for too long. What
    # was open on it is rolled back as it is abandoned.
    Row(LIVE,           LOST,                  FAILED,         "fatal",             ("abandon", "give_up")),
    Row(LIVE,           LOST,                  FAILED,         "poisoned",          ("abandon", "blame_frame")),
    Row(LIVE,           LOST,                  HANDLE_EXPIRED, "handle_useless",    ("abandon", "condemn", "ask_seed")),
    Row(LIVE,           LOST,                  HANDLE_EXPIRED, "context_lost",      ("abandon", "lose", "ask_seed")),
    Row(LIVE,           LOST,                  RESUMING,       "may_resume_now",    ("abandon", "open")),
    Row(LIVE,           LOST,                  CONNECTING,     "may_open_now",      ("abandon", "open")),
    Row(LIVE,           LOST,                  WAITING,        "within_budget",     ("abandon", "back_off")),
    Row(LIVE,           LOST,                  FAILED,         "",                  ("abandon", "give_up")),

    # Context is lost: the application decides how to go on.
    Row(HANDLE_EXPIRED, ev.ConnectionClosed,   STAY,           "",                  ("roll_back",)),
    Row(HANDLE_EXPIRED, SEEDED,                CONNECTING,     "still_closing",     ("take_seed",)),
    Row(HANDLE_EXPIRED, SEEDED,                CONNECTING,     "may_open_now",      ("take_seed", "open")),
    Row(HANDLE_EXPIRED, SEEDED,                WAITING,        "within_budget",     ("take_seed", "back_off")),
    Row(HANDLE_EXPIRED, SEEDED,                FAILED,         "",                  ("take_seed", "give_up")),
    Row(HANDLE_EXPIRED, ev.SeedRefused,        FAILED,         "",                  ("obey",)),

    # A session ends. What is told too late changes nothing.
    Row(OPEN,           ev.CloseRequested,     CLOSED,         "",                  ("save_last", "shut")),
    Row(FINAL,          ev.CloseRequested,     STAY),
    Row(FINAL,          ev.InputAccepted,      STAY),
    Row(BEGUN,          UNASKED,               STAY),
    Row(ASSURED,        ev.SeedAnswered,       STAY),
    Row(ASSURED,        ev.SeedRefused,        STAY),
)
# fmt: on


def _facts(state: State) -> tuple[str, ...]:
    """What can happen in a state: everything but facts about a link that cannot exist there, and commands."""
    always = (ev.InputAccepted, ev.SeedAnswered, ev.SeedRefused, ev.CheckpointLoaded, ev.CheckpointNotLoaded)
    heard = (ev.CheckpointReceived, ev.CheckpointWithheld, ev.GoAwayReceived, ev.OutputStarted, ev.OutputHeard,
             ev.AnswerGenerated, ev.Interrupted, ev.TurnEnded, ev.ToolCalled, ev.ToolCallsCancelled, ev.Heard,
             ev.JournalFlushed)  # fmt: skip
    found: tuple[type, ...] = (*always, ev.CloseRequested)
    if state in HEARING:
        found += heard
    if state in OPENING:
        found += (ev.DialStarted, ev.ConnectionOpened, ev.OpenFailed, ev.ConnectionClosed)
    if state in LIVE:
        found += (ev.ConnectionDropped,)
    if state == HANDLE_EXPIRED:
        found += (ev.ConnectionClosed,)
    if state == DRAINING:
        found += (ev.SafePointReached,)
    deadlines = tuple(name_of(at(name)) for name, scope in SCOPES.items() if state in scope)
    return (*(name_of(kind) for kind in found), *deadlines)


_STATES: Final[tuple[State, ...]] = (*OPEN, *FINAL)
TABLE: Final[Table[State, Guard, Action]] = Table(
    states=_STATES,
    rows=ROWS,
    guards={**GUARDS},
    actions={**ACTIONS},
    initial=IDLE,
    final=FINAL,
    facts={state: _facts(state) for state in _STATES},
)
"What sessions run, unless `relive.connect` is given another."
