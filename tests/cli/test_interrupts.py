"""Ctrl-C: `relive simulate` ends with what there is, whatever its processes do, and leaves none of them behind."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.processes import PATIENCE, Ended, end, start
from tests.simulation import plays

from relive.testing.simulation.workers import processes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no signals to send, and no pipes with names")

CODE = """
import os
import attrs
from tests.simulation import plays
from relive.cli import main, simulate as command
from relive.testing.simulation.tally import Tally

def extend(self, other, extend=Tally.extend, pipe=os.open(os.environ["STUCK"], os.O_WRONLY)):
    extend(self, other)
    os.write(pipe, b"h")

Tally.extend = extend
Campaign = command.Campaign
command.Campaign = lambda **how: attrs.evolve(Campaign(draw=plays.numbered, play=plays.{play}), **how)
main()
"""


class Stuck:
    """A command whose processes get stuck, and a pipe: each of them then writes x to it, and whoever hears h."""

    def __init__(self, process: subprocess.Popen[str], pipe: int) -> None:
        self.process = process
        self.pipe = pipe

    def wait(self, processes: int, *, heard: bool = False) -> None:
        """Wait until so many are stuck, and sessions were heard of."""
        said = b""
        while said.count(b"x") < processes or heard > (b"h" in said):
            assert select.select([self.pipe], [], [], PATIENCE)[0], "they get stuck"
            said += os.read(self.pipe, 100)

    def interrupt(self) -> Ended:
        """Press Ctrl-C."""
        os.killpg(self.process.pid, signal.SIGINT)
        return end(self.process)

    def gone(self) -> bool:
        """Wait until nobody has the pipe open any more."""
        while select.select([self.pipe], [], [], PATIENCE)[0]:
            if not os.read(self.pipe, 100):
                return True
        return False


@contextmanager
def stuck(path: Path, *words: str, play: str = "stuck") -> Generator[Stuck]:
    name = path / "pipe"
    os.mkfifo(name)
    pipe = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
    env = {"STUCK": str(name), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = start("-c", CODE.format(play=play), "simulate", "--sessions", "100", *words, env=env, group=True)
    try:
        yield Stuck(command, pipe)
    finally:
        if command.poll() is None:
            os.killpg(command.pid, signal.SIGKILL)
            end(command)
        os.close(pipe)


@pytest.mark.parametrize("jobs", [1, 2])
def test_it_ends_although_those_who_play_do_not(tmp_path: Path, jobs: int) -> None:
    with stuck(tmp_path, "--jobs", str(jobs)) as command:
        command.wait(jobs, heard=True)
        ended = command.interrupt()
        assert (ended.code, ended.err) == (130, "interrupted\n")
        assert " of 100, on level runtime" in ended.out
        assert ended.out.endswith("Interrupted: this is what there is.\nEvery promise was kept so far.\n")
        assert command.gone()


def test_so_do_those_who_play_a_second_time(tmp_path: Path) -> None:
    with stuck(tmp_path, "--jobs", "1", "--check-determinism", "--json") as command:
        command.wait(1)
        ended = command.interrupt()
        assert (ended.code, ended.err) == (130, "interrupted\n")
        assert '"interrupted": true' in ended.out
        assert command.gone()


def test_while_a_failure_is_made_small_it_is_told_as_it_is(tmp_path: Path) -> None:
    with stuck(tmp_path, "--jobs", "1", play="stuck_again") as command:
        command.wait(1)
        ended = command.interrupt()
        assert (ended.code, ended.err) == (130, "interrupted\n")
        assert "P13 at 1.000 s: number 0 is bad" in ended.out
        assert "Shrunk from" not in ended.out
        assert "relive simulate --seed 0 --only 0 --level runtime" in ended.out


def test_processes_end_with_the_one_that_waits_for_them(tmp_path: Path) -> None:
    with stuck(tmp_path, "--jobs", "2") as command:
        command.wait(2)
        command.process.kill()
        end(command.process)
        assert command.gone()


def test_a_process_that_plays_hears_of_no_interrupt_from_the_first() -> None:
    with processes(1) as pool:
        assert pool.submit(plays.deaf).result()
    assert not plays.deaf()
