"""What the application's hook is told of the conversation: who said what, one utterance each, and not too much."""

from __future__ import annotations

from relive.ports import Said
from relive.runtime.transcript import Transcript


def test_pieces_of_an_utterance_are_joined_until_the_turn_ends() -> None:
    transcript = Transcript(remember=True)
    transcript.wrote("user", "hello", 1)
    transcript.heard("model", "good ", 1)
    transcript.wrote("user", "", 2)  # a mark, or a tool's answer
    transcript.heard("model", "day", 1)
    transcript.turn_ended()
    transcript.heard("model", "anything else?", 1)
    assert transcript.so_far(1000) == (
        Said("user", "hello"),
        Said("model", "good day"),
        Said("model", "anything else?"),
    )


def test_another_voice_and_another_connection_begin_another_utterance() -> None:
    transcript = Transcript(remember=True)
    for role, text, connection in (("user", "a", 1), ("model", "b", 1), ("user", "c", 1), ("user", "d", 2)):
        transcript.heard(role, text, connection)
    transcript.wrote("user", "e", 1)
    transcript.heard("user", "f", 2)
    assert "".join(line.text for line in transcript.so_far(1000)) == "abcdef"
    assert len(transcript.so_far(1000)) == 6


def test_it_is_bounded_in_length_and_in_number() -> None:
    transcript = Transcript(remember=True)
    for _ in range(30):
        transcript.heard("user", "x" * 1000, 1)
    assert [len(line.text) for line in transcript.so_far(1000)] == [10_000] * 3
    for number in range(300):
        transcript.wrote("user", f"{number}", 1 + number)
    assert len(transcript.so_far(1000)) == 200
    assert transcript.so_far(1000)[-1] == Said("user", "299")


def test_what_need_not_be_remembered_is_not() -> None:
    transcript = Transcript(remember=False)
    transcript.wrote("user", "hello", 1)
    transcript.heard("model", "good day", 1)
    assert transcript.so_far(1000) == ()


def test_a_question_that_will_be_asked_again_anyway_is_not_told() -> None:
    transcript = Transcript(remember=True)
    transcript.wrote("user", "who am I?", 1)
    transcript.heard("model", "Ada", 1)
    transcript.wrote("user", "are you", 5)
    transcript.wrote("user", "sure?", 6)
    assert transcript.so_far(7)[-1] == Said("user", "sure?")
    assert transcript.so_far(6)[-1] == Said("user", "are you")
    assert transcript.so_far(5) == transcript.so_far(1) == (Said("user", "who am I?"), Said("model", "Ada"))
