"""What relive costs, in one run against the SDK without it.

::

    python -m tests.bench              about four minutes
    python -m tests.bench --quick      less exact: to see whether something is badly wrong
    python -m tests.bench --json       the same figures for a program
    python -m tests.bench --only send  those whose name begins so

It exits with 1 if a figure is above its limit by more than its noise.

How to read it. Each figure is a median over rounds in which both sides take turns, so that a busy machine is busy for
both; *noise* is half the width of the interval that holds the true median with 95 % certainty, and *bare against bare*
says what the same comparison gives for two sessions without relive. Flow is measured in processor time of this process
per frame, over real TLS websockets to a server in another process (`tests.bench.firehose`): the SDK's whole path is in
the base, and its ``receive()`` alone is most of it. A round is one turn of many frames, so the facts of a turn (an
answer begins, it ends) are in, spread over its frames as in a long answer; what one fact costs is a figure of its own.
Memory is what Python allocates, not what OpenSSL or the kernel do for both. A machine with other work to do adds noise,
not bias: repeat a run whose noise is as large as what is left to the limit.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
from collections.abc import Iterator

import google.genai
from tests.bench.engine import engine
from tests.bench.figures import Figure, table
from tests.bench.fleet import fleet
from tests.bench.flow import receive, send
from tests.bench.imports import imports
from tests.bench.machine import machine
from tests.bench.simulation import simulation
from tests.bench.size import size
from tests.bench.stores import stores
from tests.bench.timeline import timeline


def measure(only: str, *, quick: bool) -> Iterator[Figure]:
    """All figures, one part after another."""
    less = 4 if quick else 1
    parts = {
        "receive": lambda: asyncio.run(receive(40 // less)),
        "send": lambda: asyncio.run(send(40 // less)),
        "session": lambda: asyncio.run(size(200 // less, 3)),
        "event": lambda: engine(100 // less),
        "machine": lambda: machine(100 // less),
        "import": lambda: imports(20 // less),
        "simulation": lambda: simulation(8 // less),
        "stores": lambda: stores(4000 // less),
        "fleet": lambda: fleet(1000 // less, 10.0),
        "timeline": lambda: timeline(8 // less),
    }
    for name, part in parts.items():
        if name.startswith(only) or only.startswith(name):
            print(f"{name} …", file=sys.stderr, flush=True)
            yield from part()


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="What relive costs.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument(
        "--only",
        default="",
        metavar="PART",
        help="receive, send, session, event, machine, import, simulation, stores, fleet, timeline",
    )
    options = parser.parse_args()
    figures = list(measure(options.only, quick=options.quick))
    if options.json:
        where = {
            "python": platform.python_version(),
            "google-genai": google.genai.__version__,
            "machine": platform.machine(),
            "cpus": os.cpu_count(),
            "load": os.getloadavg()[0],
        }
        print(json.dumps({"where": where, "figures": [figure.as_json() for figure in figures]}, indent=2))
    else:
        print(table(figures))
    return int(any(figure.surely_over for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
