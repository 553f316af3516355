"""How many random examples and histories a test tries: what finds each fault, or many more."""

from __future__ import annotations

from typing import Final

from hypothesis import HealthCheck, settings

_PATIENT: Final = settings(
    deadline=None,  # a busy machine may take its time
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=50,
)
_TIMES: Final = {"usual": 1, "thorough": 20}
"""By the name of the profile: `--hypothesis-profile=thorough` takes the second."""


def register_profiles() -> None:
    """Make the profiles known to Hypothesis, and take the usual one until another is asked for."""
    for name, times in _TIMES.items():
        settings.register_profile(name, _PATIENT, max_examples=_PATIENT.max_examples * times)
    settings.load_profile("usual")


def examples(usual: int) -> int:
    """Return so many, or twenty times as many where the run is to be thorough."""
    return usual * _TIMES.get(settings.get_current_profile_name(), 1)
