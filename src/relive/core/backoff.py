"""How long to wait between two attempts: exponential backoff with full jitter.

The arithmetic is that of Marc Brooker, *Exponential Backoff And Jitter*, AWS Architecture Blog, 2015
(https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/): of the variants compared there, "full
jitter" does the least work when many clients are turned away at once. The random number comes in with the event, so
that the same seed waits the same time.
"""

from __future__ import annotations

# 2.0 ** 1024 raises OverflowError; a product that is too large merely becomes infinite, and the cap bounds that.
_LARGEST_EXPONENT = 1023


def delay(attempt: int, jitter: float, *, base: float, cap: float, floor: float = 0.0) -> float:
    """Compute the seconds to wait: ``floor`` and a random part of ``min(cap, base * 2 ** attempt)``.

    Args:
        attempt: How many times to double ``base``: the attempts made so far.
        jitter: The random part, from 0.0 to 1.0.
        base: Upper bound of the random part at attempt 0, in seconds.
        cap: Upper bound of the random part ever, in seconds.
        floor: What is waited in any case, in seconds. It is added, not a lower bound: sessions that were all told to
            wait (a quota) would otherwise all come back in the same instant.
    """
    ceiling = min(cap, base * 2.0 ** min(max(attempt, 0), _LARGEST_EXPONENT))
    return floor + jitter * ceiling
