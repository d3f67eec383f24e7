"""A gateway under mixed load and seeded faults, and whether its books are right afterwards."""

import sys
from pathlib import Path

# API server, PostgreSQL, collector and Redis are found or brought by what the tests use.
_TESTS = str(Path(__file__).parents[2] / "tests")
if _TESTS not in sys.path:
    sys.path.insert(0, _TESTS)
