"""Laws are checked over the same inputs each time, and no clock decides: the seed is the test."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A deadline or the health check "too slow" would make a loaded machine fail a sound law.
settings.register_profile(
    "soakproof", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("soakproof")
