"""What importing costs, in fresh interpreters that take turns: wall time, less that of one that imports nothing."""

from __future__ import annotations

import subprocess
import sys
import time

from tests.bench.figures import Figure, median

LIMIT = 1.5
_STATEMENTS = {
    "nothing": "pass",
    "base": "import attrs, transitions",
    "relive": "import relive",
    "names": "import relive; [getattr(relive, n) for n in relive.__all__ if n not in ('Seed', 'Session', 'connect')]",
}
_HEAVY = ("google.genai", "pydantic", "websockets", "typer", "rich", "hypothesis", "pytest", "trustme", "cryptography")


def _seconds(statement: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - began


def imports(rounds: int) -> list[Figure]:
    """The ratio to `import attrs, transitions`, the names that come without the SDK, and what must not be there."""
    samples = {name: [_seconds(statement) for _ in range(1)] for name, statement in _STATEMENTS.items()}
    for _ in range(rounds):
        for name, statement in _STATEMENTS.items():
            samples[name].append(_seconds(statement))
    bare = median(samples["nothing"])[0]

    def ratio(name: str, limit: float | None, title: str) -> Figure:
        pairs = zip(samples["base"][1:], samples[name][1:], strict=True)
        value, noise = median([(ours - bare) / (base - bare) for base, ours in pairs])
        ours, base = median(samples[name])[0] - bare, median(samples["base"])[0] - bare
        return Figure(
            title, value, noise, "×", limit, f"{1000 * ours:.0f} ms, attrs and transitions {1000 * base:.0f} ms"
        )

    program = f"import relive, sys; print(*[name for name in {_HEAVY!r} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    found = answer.stdout.split()
    return [
        ratio("relive", LIMIT, "import relive"),
        ratio("names", None, "import relive, and ask for every name but connect's"),
        Figure("import relive: the SDK and extras", len(found), 0.0, "modules", 0.0, ", ".join(found)),
    ]
