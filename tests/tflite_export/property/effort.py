"""How long the property tests search: ``HYPOTHESIS_PROFILE=long`` for a night, else for CI."""

import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
_LONGER = 100


def examples(count: int) -> Any:
    """Settings for ``count`` examples, the same ones every time, or for many more random ones."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    return settings(
        deadline=None,
        max_examples=count * _LONGER if LONG else count,
        derandomize=not LONG,
        database=None,
        suppress_health_check=slow,
        # One failure, shrunk but not explained: a network takes a second, so both cost minutes.
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
        print_blob=False,
    )
