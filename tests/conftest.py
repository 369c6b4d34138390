"""What holds for all tests: how long an example takes is no failure; a handle that is logged or printed is one."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings
from tests.canaries import HANDLE, everything_logged, watching

settings.register_profile("relive", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("relive")

# A shell that starts the suite in the background has it ignore interrupts, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Have everything logged, but in tests that are about the level of relive's log. Until after `caplog` is done."""
    with contextlib.nullcontext() if item.get_closest_marker("own_log") else everything_logged():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    """Read what is logged during each test."""
    with watching() as canaries:
        yield
    if canaries.found:
        pytest.fail("a handle was logged:\n" + "\n".join(canaries.found), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Read what was printed during each test, by whatever part of it."""
    report = yield
    printed = report.capstdout + report.capstderr
    if report.when == "call" and report.passed and HANDLE.search(printed):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} printed a handle:\n{printed}"
    return report
