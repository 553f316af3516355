from __future__ import annotations

import subprocess
import sys


def test_what_start_up_made_is_never_looked_at_and_the_rest_less_often() -> None:
    # In a process of its own: the collector is one for all.
    program = (
        "import gc; from web.__main__ import calm_collector; before = gc.get_threshold();"
        "calm_collector(); after = gc.get_threshold();"
        "assert gc.get_freeze_count() > 10_000, gc.get_freeze_count();"
        "assert all(new > old for new, old in zip(after, before)), after"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
