"""Actions: what the table's rows do. Each sets what the situation remembers, gives orders, arms deadlines; none performs.

They run after the state has changed, so ``scene.situation.state`` is where the row leads.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from relive.core.actions import ending, flowing, opening
from relive.core.scene import Scene

Action: TypeAlias = Literal[
    "adopt_given", "adopt_loaded", "load", "open", "arm_opening", "back_off", "come_up_fresh", "come_up_resumed",
    "keep_checkpoint", "mark_unresumable", "begin_answer", "note_interruption", "end_turn", "note_calls",
    "forget_calls", "note_input", "note_life", "probe", "stop_expecting", "warn_of_limit", "arm_drain", "arm_patience",
    "prepare", "hang_up",
    "abandon", "roll_back", "condemn", "lose", "lose_loaded", "lose_unread", "ask_seed", "take_seed", "give_up",
    "save_last", "shut",
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
    "mark_unresumable": flowing.mark_unresumable,
    "begin_answer": flowing.begin_answer,
    "note_interruption": flowing.note_interruption,
    "end_turn": flowing.end_turn,
    "note_calls": flowing.note_calls,
    "forget_calls": flowing.forget_calls,
    "note_input": flowing.note_input,
    "note_life": flowing.note_life,
    "probe": flowing.probe,
    "stop_expecting": flowing.stop_expecting,
    "warn_of_limit": flowing.warn_of_limit,
    "arm_drain": flowing.arm_drain,
    "arm_patience": flowing.arm_patience,
    "prepare": flowing.prepare,
    "hang_up": flowing.hang_up,
    "abandon": ending.abandon,
    "roll_back": ending.roll_back,
    "condemn": ending.condemn,
    "lose": ending.lose,
    "lose_loaded": ending.lose_loaded,
    "lose_unread": ending.lose_unread,
    "ask_seed": ending.ask_seed,
    "take_seed": ending.take_seed,
    "give_up": ending.give_up,
    "save_last": ending.save_last,
    "shut": ending.shut,
}
ACTIONS: Final = MappingProxyType(_FUNCTIONS)
