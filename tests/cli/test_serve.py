"""`relive serve`: any Gemini client talks to it, with nothing changed but the environment."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.processes import Ended, interrupt, run, start
from typer.testing import CliRunner

from relive.cli.app import app

pytestmark = [
    pytest.mark.sockets,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="a server is ended with a signal"),
]

SERVE = ("-m", "relive", "serve")
TALK = """
import asyncio
from google import genai

async def main():
    client = genai.Client()
    config = {"session_resumption": {}}
    async with client.aio.live.connect(model="gemini-3.1-flash-live-preview", config=config) as session:
        await session.send_client_content(turns={"role": "user", "parts": [{"text": "hello"}]})
        print("".join([message.text or "" async for message in session.receive()]))
        update = (await session._receive()).session_resumption_update
        print(update.resumable, client.vertexai)

asyncio.run(main())
"""
OUTLIVE = """
import asyncio, relive
from google import genai

async def main():
    policy = relive.Policy(deliver_go_away=True)
    async with relive.connect(genai.Client(), model="gemini-3.1-flash-live-preview", policy=policy) as session:
        message = await session._receive()
        print(message.go_away.time_left)
        await session.send_client_content(turns={"role": "user", "parts": [{"text": "tool:weather"}]})
        async for message in session.receive():
            for call in (message.tool_call.function_calls if message.tool_call else ()):
                answer = {"id": call.id, "name": call.name, "response": {"sun": True}}
                await session.send_tool_response(function_responses=answer)
                print(call.name)

asyncio.run(main())
"""


@contextlib.contextmanager
def serving(*words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A server, and what it says about itself."""
    process = start(*SERVE, "--json", *words)
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        interrupt(process)


@pytest.mark.parametrize(
    ("made", "env", "vertex"),
    [
        ("genai.Client()", "env", "False"),
        ("genai.Client()", "env_vertex", "True"),
        ("genai.Client(vertexai=True)", "env_vertex", "True"),
    ],
)
def test_an_unchanged_client_talks_to_it(made: str, env: str, vertex: str) -> None:
    with serving() as (_, said):
        ended = run("-c", TALK.replace("genai.Client()", made), env=said[env])
    assert ended == Ended(0, f"turn 1: hello\nTrue {vertex}\n", "")


def test_connections_have_a_limit_and_a_notice_if_that_is_asked_for() -> None:
    with serving("--connection-limit", "3600", "--notice", "3600") as (_, said):
        assert run("-c", OUTLIVE, env=said["env"]) == Ended(0, "3600s\nweather\n", "")


def test_the_live_demo_talks_to_whatever_the_environment_names_and_claims_nothing_about_losses() -> None:
    with serving("--turn-chunks", "2", "--turn-interval", "0") as (_, said):
        ended = run("-m", "relive", "demo", "--live", "--json", env=said["env"])
    summary = json.loads(ended.out)
    assert (ended.code, summary["live"], summary["turns"], summary["faults"]) == (0, True, 8, [])
    assert {name: summary[name] for name in summary if name.endswith(("_lost", "_doubled"))} == {
        "frames_lost": None,
        "frames_doubled": None,
        "output_lost": None,
        "output_doubled": None,
    }
    assert [step["to"] for step in summary["transitions"]] == ["CONNECTING", "ACTIVE", "CLOSED"]


def test_it_prints_what_to_export(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    process = start(*SERVE, "--ca", str(ca))
    assert process.stdout is not None
    first = process.stdout.readline()
    lines = [process.stdout.readline() for _ in range(12)]
    ended = interrupt(process)
    url = first.split("listening at ")[1].split(";")[0]
    exports = [line.strip() for line in lines if line.startswith("export ")]
    assert exports == [
        f"export GOOGLE_GEMINI_BASE_URL={url}",
        "export GEMINI_API_KEY=demo",
        f"export SSL_CERT_FILE={ca}",
        "export GOOGLE_GENAI_USE_VERTEXAI=true",
        f"export GOOGLE_VERTEX_BASE_URL={url}",
        f"export GOOGLE_GEMINI_BASE_URL={url}",
        "export GOOGLE_API_KEY=demo",
        f"export SSL_CERT_FILE={ca}",
    ]
    assert (ended.code, ended.err) == (0, "")
    assert ca.read_text().startswith("-----BEGIN CERTIFICATE-----")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_on_a_signal_and_leaves_no_file(how: signal.Signals) -> None:
    with serving() as (process, said):
        assert Path(said["ca_file"]).is_file()
        ended = interrupt(process, how)
        assert (ended.code, ended.out, ended.err) == (0, "", "")
        assert not Path(said["ca_file"]).exists()


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = CliRunner().invoke(app, ["serve", "--port", str(port)])
    assert done.exit_code == 2
    assert f"127.0.0.1:{port}" in done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["serve", "--ca", str(tmp_path / "missing" / "ca.pem")])
    assert done.exit_code == 2
    assert "missing" in done.output.replace("\n", "")


@pytest.mark.parametrize(
    "words",
    [
        ["--port", "65536"],
        ["--port", "-1"],
        ["--connection-limit", "0"],
        ["--connection-limit", "nan"],
        ["--notice", "-1"],
        ["--turn-chunks", "0"],
        ["--turn-interval", "inf"],
        ["--turn-thinking", "soon"],
    ],
)
def test_a_wrong_option_is_named(words: list[str]) -> None:
    done = CliRunner().invoke(app, ["serve", *words])
    assert done.exit_code == 2
    assert words[0] in done.output
