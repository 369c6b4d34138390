"""The plan of a demo: everything that is promised goes wrong, whatever the seed."""

from __future__ import annotations

import pytest

from relive.cli.plan import CHUNKS, Storyteller, chunks_in, frame, make_plan, number_of
from relive.testing.server_model import Say, Speak, TurnInput

SEEDS = range(200)


def test_the_same_seed_makes_the_same_plan() -> None:
    assert [make_plan(seed) for seed in SEEDS] == [make_plan(seed) for seed in SEEDS]
    assert len({make_plan(seed).turns for seed in SEEDS}) > 190


@pytest.mark.parametrize("seed", SEEDS)
def test_every_seed_has_all_that_can_go_wrong_in_speech_and_in_text(seed: int) -> None:
    plan = make_plan(seed)
    kinds = sorted(fault.kind for fault in plan.faults)
    assert kinds == ["close", "expire", "go_away", "go_away", "go_away_now", "reset"]
    assert [fault.refused for fault in plan.faults].count(True) == 1
    assert {fault.place for fault in plan.faults if fault.kind == "go_away"} == {"speech", "answer"}
    assert plan.turns[0].fault is None
    assert plan.turns[-1].fault is None
    assert [turn.number for turn in plan.turns] == list(range(1, 9))
    assert sum(turn.spoken for turn in plan.turns) >= 3
    assert sum(not turn.spoken for turn in plan.turns) >= 2


@pytest.mark.parametrize("seed", SEEDS)
def test_a_fault_has_room_where_it_strikes(seed: int) -> None:
    for turn in make_plan(seed).turns:
        if turn.fault is not None:
            room = {"speech": turn.frames, "answer": CHUNKS - 1, "after": 1}[turn.fault.place]
            assert 0 <= turn.fault.at < room


def test_with_the_real_service_nothing_is_made_to_go_wrong() -> None:
    real, ours = make_plan(3, faults=False), make_plan(3)
    assert real.faults == ()
    assert [turn.text for turn in real.turns] == [turn.text for turn in ours.turns]


@pytest.mark.parametrize("number", [0, 1, 255, 256, 70_000])
def test_a_frame_carries_its_number(number: int) -> None:
    assert number_of(frame(number)) == number
    assert len(frame(number)) == 640


@pytest.mark.parametrize("payload", [b"", b"\0\0\0\1", frame(3)[:-1], frame(3)[:-1] + b"\0"])
def test_a_frame_that_was_damaged_has_no_number(payload: bytes) -> None:
    assert number_of(payload) is None


@pytest.mark.parametrize("text", ["", "hello"])
def test_every_chunk_of_an_answer_is_known_by_turn_and_number(text: str) -> None:
    items = Storyteller().answer(TurnInput(4, text, 10)).items
    words = "".join(item.text for item in items if isinstance(item, Say))
    sound = b"".join(item.audio for item in items if isinstance(item, Speak))
    assert chunks_in(words, sound) == [f"4.{number}" for number in range(1, CHUNKS + 1)]
