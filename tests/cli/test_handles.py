"""`relive handles` tells what is there, and never a handle unless it is asked to."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from relive.cli.app import app
from relive.core.checkpoint import Checkpoint
from relive.stores.sqlite import SqliteStore


@pytest.fixture
def url(tmp_path: Path) -> str:
    async def fill() -> None:
        store = SqliteStore(tmp_path / "handles.db")
        now = time.time()
        await store.save("ada", Checkpoint("CANARY", "gemini", "developer", now - 600), generation=(1, 2), ttl=5400.0)
        await store.condemn("bob[red]", "digest", ttl=7200.0)
        await store.claim("ada", "worker-1", ttl=3600.0)
        await store.aclose()

    asyncio.run(fill())
    return f"sqlite:///{tmp_path}/handles.db"


def handles(*words: str, columns: int = 200) -> Result:
    return CliRunner().invoke(app, ["handles", *words], env={"COLUMNS": str(columns), "TERM": "dumb"})


def test_ls_lists_sessions_without_their_handles(url: str) -> None:
    result = handles("ls", "--store", url)
    assert result.exit_code == 0
    ada, bob = result.stdout.splitlines()[1:]
    assert ada.split()[0] == "ada"
    assert [word in ada for word in ("10 min", "90 min", "gemini", "worker-1")] == [True] * 4
    assert bob.split()[0] == "bob[red]"
    assert "CANARY" not in result.output


def test_ls_says_the_same_in_json(url: str) -> None:
    result = handles("ls", "--store", url, "--json")
    ada, bob = json.loads(result.stdout)
    assert (ada["key"], ada["model"], ada["owner"], ada["generation"]) == ("ada", "gemini", "worker-1", [1, 2])
    assert len(ada["fingerprint"]) == 10
    assert (bob["key"], bob["fingerprint"], bob["condemned"]) == ("bob[red]", None, 1)
    assert "CANARY" not in result.output


def test_show_tells_a_handle_only_if_it_is_asked_to(url: str) -> None:
    plain, revealed = handles("show", "ada", "--store", url), handles("show", "ada", "--store", url, "--reveal")
    assert "CANARY" not in plain.output
    assert "CANARY" in revealed.output
    assert json.loads(handles("show", "ada", "--store", url, "--reveal", "--json").stdout)["handle"] == "CANARY"


def test_forget_forgets(url: str) -> None:
    assert handles("forget", "ada", "--store", url).stdout == "ada is forgotten.\n"
    again = handles("forget", "ada", "--store", url, "--json")
    assert again.exit_code == 1
    assert json.loads(again.stdout) == {"key": "ada", "forgotten": False}
    assert "nothing is there under 'ada'" in again.stderr
    assert handles("show", "ada", "--store", url).exit_code == 1


def test_a_store_in_which_nothing_is_says_so(tmp_path: Path) -> None:
    assert handles("ls", "--store", "memory:").stdout == "Nothing is there.\n"
    assert json.loads(handles("ls", "--store", "memory:", "--json").stdout) == []


def test_a_session_that_cannot_be_read_hides_no_other_and_can_be_forgotten(url: str) -> None:
    database = sqlite3.connect(url.removeprefix("sqlite:///"))
    database.execute("UPDATE sessions SET checkpoint = 'CANARY' WHERE key = 'ada'")
    database.commit()
    database.close()
    listed = handles("ls", "--store", url)
    assert listed.exit_code == 0
    assert [line.split()[:2] for line in listed.stdout.splitlines()[1:]] == [["ada", "unreadable"], ["bob[red]", "–"]]
    shown = handles("show", "ada", "--store", url, "--reveal")
    assert "problem      what is there was not written by relive, or is broken" in shown.stdout
    assert json.loads(handles("ls", "--store", url, "--json").stdout)[0]["problem"].startswith("what is there")
    assert "CANARY" not in listed.output + shown.output
    assert handles("forget", "ada", "--store", url).stdout == "ada is forgotten.\n"
    assert "ada" not in handles("ls", "--store", url).stdout


def test_keys_are_shown_whole_and_never_steer_the_terminal(tmp_path: Path) -> None:
    key = "tenant-0001/user-\x1b[2J" + "x" * 200

    async def fill() -> None:
        store = SqliteStore(tmp_path / "handles.db")
        await store.save(key, Checkpoint("CANARY", "gem\x1bini\n"), generation=(1, 1), ttl=60.0)
        await store.claim(key, "worker\x9b1", ttl=60.0)
        await store.aclose()

    asyncio.run(fill())
    url = f"sqlite:///{tmp_path}/handles.db"
    result = handles("ls", "--store", url, columns=80)
    (line,) = result.stdout.splitlines()[1:]
    assert [line.split()[0], *line.split()[-2:]] == [key.replace("\x1b", r"\x1b"), r"gem\x1bini\n", r"worker\x9b1"]
    said = [handles(word, key, "--store", url).output for word in ("show", "forget")]
    assert not [one for one in said if not one.replace("\n", "").isprintable()]


@pytest.mark.parametrize(
    ("store", "code", "sentence"),
    [
        ("redis://:secret@127.0.0.1:1/0?bogus=1", 2, "must be"),
        ("redis://:secret@127.0.0.1:1/abc", 2, "must be"),
        ("postgres://u:secret@host", 2, "must be"),
        ("sqlite:///no-such-file.db", 2, "there is no file"),
        ("redis://:secret@127.0.0.1:1/0", 1, "Redis: it cannot be reached"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(store: str, code: int, sentence: str) -> None:
    result = handles("ls", "--store", store)
    assert result.exit_code == code
    assert sentence in result.stderr
    assert "secret" not in result.output
    assert "Traceback" not in result.output


def test_a_file_of_somebody_else_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("This is no database. " * 100, "utf-8")
    result = handles("ls", "--store", f"sqlite:///{tmp_path}/letter")
    assert result.exit_code == 1
    assert "no database" in result.stderr
