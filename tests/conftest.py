"""What holds for all tests: how long an example takes on a busy machine is no failure, and a handle in a log is one."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings
from tests.canaries import watching

settings.register_profile("relive", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("relive")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Read what is logged during each test; of those that are about the level of relive's log, what they let out."""
    with watching(set_levels=item.get_closest_marker("own_log") is None) as canaries:
        yield
    if canaries.found:
        pytest.fail("a handle was logged:\n" + "\n".join(canaries.found), pytrace=False)
