"""An answer begins, and then nothing more comes, although the connection lives; or nothing because it is being played.

Each scenario is played twice (see `stage`), and both must give these very transitions.
"""

from __future__ import annotations

import attrs
from tests.scenarios.named.stage import CLOSED, OPENED, RESUMED, Stage, on_both_stages

import relive
from relive.testing.server_model import Answer, EchoModel, Say
from relive.testing.server_script import ServerScript
from relive.testing.server_truth import TurnInput

STALLED = "ACTIVE → RESUMING on DeadlineReached(answer)"
SLOW = ServerScript(model=EchoModel(chunks=5, interval=4.0), vad_silence=2.0)


@on_both_stages(scale=20.0)
async def test_an_answer_that_stalls_in_the_middle_comes_again_whole(stage: Stage) -> None:
    """Report: an answer stopped in the middle of a sentence and never went on, although the connection answered pings.

    P10: no output for `answer_timeout` while an answer is generated ends the connection. P17: the turn is cut, and
    comes again from its beginning, because its question is asked again.
    """
    server = stage.serve(SLOW)
    async with stage.open(policy=relive.Policy(stable_after=1.0), about=("answer_timeout",)) as play:
        await play.converse("first")
        play.listen()
        await play.ask("second")
        await play.until(lambda: "turn 2" in server.sessions[-1].answers[-1].text)
        stage.act(server.mute, play.conn)
        await play.until(lambda: len(stage.told()) == 3)
        stats = play.session.stats
    assert stage.steps() == [*OPENED, STALLED, RESUMED, CLOSED]
    assert stage.told() == ["heard 'turn 1: first'", "interrupted", "heard 'turn 2: second'"]
    assert (stats.frames_replayed, stats.frames_withheld_repeats) == (1, 0)


@on_both_stages(scale=20.0)
async def test_a_spoken_answer_that_stalls_in_the_middle_is_given_again(stage: Stage) -> None:
    """P10 P15: nobody typed anything, and what was spoken is heard again. Frames of audio are counted, not timed."""
    server = stage.serve(SLOW)
    async with stage.open(policy=relive.Policy(stable_after=1.0), about=("answer_timeout",)) as play:
        await play.converse("first")
        play.listen()
        frames = await play.speak(1.0, rate=5)
        await play.until(lambda: len(server.sessions[-1].answers[-1].spoken) == 3)
        stage.act(server.mute, play.conn)
        await play.until(lambda: len(stage.told()) == 3)
        assert play.consumed() == frames
    assert stage.steps() == [*OPENED, STALLED, RESUMED, CLOSED]
    assert stage.told() == ["heard 'turn 1: first'", "interrupted", "heard 5 chunks"]


@on_both_stages(scale=40.0)
async def test_a_long_answer_that_is_being_played_is_not_cut(stage: Stage) -> None:
    """P10: the end of a turn comes with the end of playback, and until then the service has nothing to say."""
    stage.serve(ServerScript(model=EchoModel(playback=90.0)))
    async with stage.open(policy=relive.Policy(stable_after=1.0), about=("answer_timeout",)) as play:
        await play.ask("tell me a long story")
        await play.turn()
        await play.ask("another one")
        await play.turn()
    assert stage.steps() == [*OPENED, CLOSED]
    assert stage.told() == ["heard 'turn 1: tell me a long story'", "heard 'turn 2: another one'"]


@on_both_stages(scale=20.0)
async def test_a_question_that_is_asked_while_an_answer_stalls_is_answered(stage: Stage) -> None:
    """Report: once an answer had stopped in the middle, nothing that was asked was ever answered.

    P10: the question does not give the answer more time. P13: both are asked again, in their order; the server, which
    hears them together, goes over the first.
    """
    server = stage.serve(SLOW)
    async with stage.open(policy=relive.Policy(stable_after=1.0), about=("answer_timeout",)) as play:
        await play.converse("first")
        play.listen()
        await play.ask("second")
        await play.until(lambda: "turn 2" in server.sessions[-1].answers[-1].text)
        stage.act(server.mute, play.conn)
        await play.wait(10.0)
        await play.ask("are you there?")
        await play.until(lambda: any("are you there?" in line for line in stage.told()))
    assert stage.steps() == [*OPENED, STALLED, RESUMED, CLOSED]
    assert stage.told()[-1].endswith("are you there?'")


@on_both_stages(scale=20.0)
async def test_a_question_that_is_asked_while_an_answer_is_played_to_a_mute_server_is_answered(stage: Stage) -> None:
    """P10: all of the answer had come, so its silence means nothing; that of the next one does."""
    server = stage.serve(ServerScript(model=EchoModel(playback=20.0)))
    async with stage.open(policy=relive.Policy(stable_after=1.0), about=("answer_timeout",)) as play:
        play.listen()
        await play.ask("first")
        await play.until(
            lambda: any(said.server_content and said.server_content.generation_complete for said in play.heard)
        )
        stage.act(server.mute, play.conn)
        await play.wait(100.0)
        assert stage.steps() == [*OPENED]
        await play.ask("are you there?")
        await play.until(lambda: any("are you there?" in line for line in stage.told()))
    assert stage.told()[0] == "interrupted"


@attrs.frozen
class Searcher:
    """Says at once that it will look for something, and long after that what it has found."""

    seconds: float
    "How long it looks."
    aloud: bool = True
    "It says so."

    def answer(self, said: TurnInput) -> Answer:
        """Look, or answer at once."""
        if not said.text.startswith("find"):
            return Answer((Say(f"turn {said.turn}: {said.text}"),))
        found = Say(f"found after all: {said.text}", delay=self.seconds)
        return Answer((Say("let me see … "), found) if self.aloud else (found,))


async def _goes_on_after_a_search(stage: Stage, *, aloud: bool, seconds: float) -> None:
    stage.serve(ServerScript(model=Searcher(seconds=seconds, aloud=aloud)))
    async with stage.open(policy=relive.Policy(stable_after=1.0), about=("answer_timeout",)) as play:
        for text in ("hello", "find it", "one", "two"):
            await play.ask(text)
            await play.turn()
        stats = play.session.stats
    losses = [STALLED, RESUMED] * (1 if aloud else 2)
    assert stage.steps() == [*OPENED, *losses, CLOSED]
    heard = [line for line in stage.told() if line != "interrupted"]
    assert heard == ["heard 'turn 1: hello'", "heard ''", "heard 'turn 3: one'", "heard 'turn 4: two'"]
    assert stats.frames_withheld_repeats > 0


@on_both_stages(scale=20.0)
async def test_an_answer_that_pauses_for_longer_than_we_wait_costs_no_other_answer(stage: Stage) -> None:
    """Report: after one slow answer, every question was answered with nothing, and its answer cut by the next one.

    P17: an application that sends once and receives once is never off by one. The answer is asked for twice, and then
    given up; the server does not know that, and ends its turn when the next question comes.
    """
    await _goes_on_after_a_search(stage, aloud=True, seconds=50.0)


@on_both_stages(scale=20.0)
async def test_an_answer_that_begins_later_than_we_wait_costs_no_other_answer(stage: Stage) -> None:
    """P17: the same if not a word of it was heard, which costs another connection, since that one may be mute."""
    await _goes_on_after_a_search(stage, aloud=False, seconds=50.0)


@on_both_stages(scale=20.0)
async def test_an_answer_that_comes_after_it_was_given_up_is_not_the_answer_to_anything(stage: Stage) -> None:
    """P17: it comes whole before the next question is asked, and is kept back."""
    server = stage.serve(ServerScript(model=Searcher(seconds=50.0)))
    async with stage.open(policy=relive.Policy(stable_after=1.0), about=("answer_timeout",)) as play:
        for text in ("hello", "find it"):
            await play.ask(text)
            await play.turn()
        await play.until(lambda: server.sessions[-1].answers[-1].ended == "completed")
        await play.ask("one")
        await play.turn()
    assert stage.steps() == [*OPENED, STALLED, RESUMED, CLOSED]
    assert stage.told()[-1] == "heard 'turn 3: one'"
