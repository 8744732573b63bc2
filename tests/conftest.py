"""Settings of all tests."""

from hypothesis import HealthCheck, settings

# a busy machine must not fail a property: time is never what these tests measure
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")
