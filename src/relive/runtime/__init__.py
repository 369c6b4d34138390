"""The runtime: performs what the core orders, and feeds it what happens."""

from relive.runtime.channel import Channel
from relive.runtime.limiter import DialLimiter
from relive.runtime.runtime import Runtime

__all__ = ["Channel", "DialLimiter", "Runtime"]
