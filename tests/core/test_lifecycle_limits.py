"""The limit of an uncompressed session is told in time; deadlines live and die with their states."""

from __future__ import annotations

import pytest
from tests.core.stories import CALM, Story, active, resumable, session

from relive.core import effects as do, events as ev
from relive.core.policy import Policy


def warned(story: Story) -> list[str]:
    return [warning.what for warning in story.did(do.Warn)]


def test_a_compressed_session_has_no_limit() -> None:
    """P20."""
    assert session().opens().comes_up().deadlines == {}


def test_a_warning_precedes_the_limit() -> None:
    """P20."""
    story = session(compressed=False).opens().comes_up()
    assert story.deadlines["limit"] == CALM.session_limit - CALM.limit_warning
    assert warned(story.reaches("limit")) == ["session_limit"]
    assert story.state == "ACTIVE"


def test_the_limit_is_that_of_the_session_not_of_its_connections() -> None:
    """P20: a resumed session is as old as it was."""
    story = session(compressed=False).opens().comes_up().handle("h1").after(300.0).drops().comes_up()
    assert story.deadlines["limit"] == CALM.session_limit - CALM.limit_warning - 300.0


def sends_video(story: Story) -> Story:
    """The runtime tells of the first video frame."""
    story.life.journal.accept("video", "video", story.now)
    story.life.scene.video = True
    return story.tell(ev.InputAccepted(story.life.journal.position))


def test_video_brings_the_limit_forward() -> None:
    """P20: 2 minutes with video."""
    story = sends_video(session(compressed=False).opens().comes_up().after(10.0))
    assert story.deadlines["limit"] == CALM.session_limit_video - CALM.limit_warning - 10.0


def test_video_that_comes_late_is_warned_of_at_once() -> None:
    """P20."""
    story = sends_video(session(compressed=False).opens().comes_up().after(300.0))
    assert warned(story.reaches("limit")) == ["session_limit"]
    assert story.now == pytest.approx(1300.0)


def test_the_next_connection_knows_of_the_video() -> None:
    """P20."""
    story = sends_video(session(compressed=False).opens().comes_up().handle("h1")).after(20.0).drops(1006)
    story.reaches("retry") if story.state == "WAITING" else story
    assert story.comes_up().deadlines["limit"] <= CALM.session_limit_video - CALM.limit_warning - 20.0


def test_video_makes_no_difference_where_there_is_no_limit() -> None:
    assert sends_video(active()).deadlines == {}


def test_leaving_its_states_cancels_a_deadline() -> None:
    """P10 P7: the probe, the answer and the drain of one connection do not outlive it."""
    story = resumable(Policy(rotate_after=900.0)).asks().reaches("probe").goes_away()
    assert set(story.deadlines) == {"silence", "answer", "drain"}
    assert story.reaches("silence").deadlines == {}
    assert story.state == "RESUMING"


def test_deadlines_of_a_live_connection_outlive_the_notice() -> None:
    story = resumable(Policy(rotate_after=900.0)).asks().goes_away()
    assert {"probe", "answer", "drain"} <= set(story.deadlines)
    assert "rotate" not in story.deadlines


def test_a_wait_is_over_when_the_session_is() -> None:
    assert resumable().drops().fails().closes().deadlines == {}
