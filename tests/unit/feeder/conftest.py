"""Properties are tried on the same examples everywhere, for as long as a busy machine needs."""

from hypothesis import HealthCheck, settings

settings.register_profile("feeder", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("feeder")
