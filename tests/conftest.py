"""What holds for all tests: how long an example takes on a busy machine is no failure."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("relive", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("relive")
