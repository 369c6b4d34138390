"""A Redis server of our own, on a free port and with a folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path
from typing import IO

from relive.stores.redis import RedisStore

BINARY = shutil.which("redis-server")


class RedisServer:
    """Started and stopped by the test.

    Args:
        folder: where it keeps its data; it finds them there when it is started again.
        careful: whether it brings each change to the disk before it says so.
    """

    def __init__(self, folder: Path, *, careful: bool = False) -> None:
        self.folder = folder
        self._careful = careful
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def store(self, prefix: str = "relive:") -> RedisStore:
        """A store that waits for as long as a busy machine may need; what fails does so at once all the same."""
        return RedisStore.from_url(self.url, prefix=prefix, timeout=30.0)

    def start(self) -> None:
        """Start it, again on the same port; returns when it can be used."""
        for _ in range(10):  # somebody else may have taken the port meanwhile
            self.port = self.port or _free_port()
            if self._started():
                return
            self.port = 0
        raise RuntimeError("redis-server does not start")

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop_answering(self) -> None:
        """SIGSTOP: connections stay open, and nothing comes."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _started(self) -> bool:
        assert BINARY is not None
        words = {
            "--port": str(self.port), "--bind": "127.0.0.1", "--dir": str(self.folder), "--save": "",
            "--appendonly": "yes" if self._careful else "no", "--appendfsync": "always", "--daemonize": "no",
        }  # fmt: skip
        self._process = subprocess.Popen(
            [BINARY, *(part for word in words.items() for part in word)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "LC_ALL": "C"},
        )
        out = self._process.stdout
        assert out is not None
        ready = any("Ready to accept connections" in line for line in iter(out.readline, ""))
        if ready:
            threading.Thread(target=_drain, args=(out,), daemon=True).start()
        else:
            out.close()
            self.kill()
        return ready


def _drain(out: IO[str]) -> None:
    with out, contextlib.suppress(ValueError):
        for _ in out:
            pass


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
