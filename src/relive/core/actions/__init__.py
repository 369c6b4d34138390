"""Actions: what the table's rows do. They set what the situation remembers, give orders, arm deadlines; none performs.

They run after the state has changed, so ``scene.situation.state`` is where the row leads.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from relive.core.actions import ending, flowing, opening, turns
from relive.core.scene import Scene

Action: TypeAlias = Literal[
    "adopt_given", "adopt_loaded", "load", "open", "arm_opening", "back_off", "come_up_fresh", "come_up_resumed",
    "keep_checkpoint", "rejoin", "mark_unresumable", "begin_answer", "await_more", "await_end",
    "note_interruption", "end_turn", "note_calls", "forget_calls", "note_input", "note_life", "probe", "stop_expecting",
    "warn_of_limit", "arm_drain", "arm_patience", "put_off", "prepare", "hang_up",
    "abandon", "roll_back", "condemn", "lose", "lose_loaded", "lose_unread", "note_dead", "ask_seed", "take_seed",
    "give_up", "blame_frame", "obey", "save_last", "shut",
]  # fmt: skip

_FUNCTIONS: Final[dict[Action, Callable[[Scene, Any], None]]] = {
    "adopt_given": opening.adopt_given,
    "adopt_loaded": opening.adopt_loaded,
    "load": opening.load,
    "open": opening.open_,
    "arm_opening": opening.arm_opening,
    "back_off": opening.back_off,
    "come_up_fresh": opening.come_up_fresh,
    "come_up_resumed": opening.come_up_resumed,
    "keep_checkpoint": flowing.keep_checkpoint,
    "rejoin": flowing.rejoin,
    "mark_unresumable": flowing.mark_unresumable,
    "begin_answer": turns.begin_answer,
    "await_more": turns.await_more,
    "await_end": turns.await_end,
    "note_interruption": turns.note_interruption,
    "end_turn": turns.end_turn,
    "note_calls": turns.note_calls,
    "forget_calls": turns.forget_calls,
    "note_input": turns.note_input,
    "note_life": flowing.note_life,
    "probe": flowing.probe,
    "stop_expecting": turns.stop_expecting,
    "warn_of_limit": flowing.warn_of_limit,
    "arm_drain": flowing.arm_drain,
    "arm_patience": flowing.arm_patience,
    "put_off": flowing.put_off,
    "prepare": flowing.prepare,
    "hang_up": flowing.hang_up,
    "abandon": ending.abandon,
    "roll_back": ending.roll_back,
    "condemn": ending.condemn,
    "lose": ending.lose,
    "lose_loaded": ending.lose_loaded,
    "note_dead": ending.note_dead,
    "lose_unread": ending.lose_unread,
    "ask_seed": ending.ask_seed,
    "take_seed": ending.take_seed,
    "give_up": ending.give_up,
    "blame_frame": ending.blame_frame,
    "obey": ending.obey,
    "save_last": ending.save_last,
    "shut": ending.shut,
}
ACTIONS: Final = MappingProxyType(_FUNCTIONS)
