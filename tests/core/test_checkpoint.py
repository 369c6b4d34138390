"""A checkpoint names what it belongs to, and never its handle."""

from __future__ import annotations

from tests.core.stories import active

from relive.core.checkpoint import Checkpoint, Fingerprint

SECRET = "handle-that-nobody-may-read"


def test_a_checkpoint_does_not_show_its_handle() -> None:
    """P5."""
    assert SECRET not in repr(Checkpoint(SECRET, "model", "backend"))


def test_a_checkpoint_says_what_it_belongs_to() -> None:
    """P2."""
    story = active().handle("h1")
    checkpoint = story.life.scene.situation.checkpoint
    assert checkpoint == Checkpoint("h1", "model", "backend", story.wall)


def test_being_seen_alive_changes_its_age_and_nothing_else() -> None:
    """P3."""
    checkpoint = Checkpoint(SECRET, "model", "backend", 5.0, frozenset({"c1"}))
    assert checkpoint.seen(9.0) == Checkpoint(SECRET, "model", "backend", 9.0, frozenset({"c1"}))


def test_a_fingerprint_stands_for_a_handle_without_telling_it() -> None:
    """P5."""
    name = Fingerprint(b"k" * 16)
    assert name(SECRET) == name(SECRET)
    assert name(SECRET) != name("another")
    assert name(SECRET) not in SECRET
    assert len(name(SECRET)) == 10
    assert "kkk" not in repr(name)


def test_a_fingerprint_cannot_be_tested_without_the_key() -> None:
    """P5."""
    assert Fingerprint(b"k" * 16)(SECRET) != Fingerprint(b"j" * 16)(SECRET)
