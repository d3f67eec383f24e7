"""`python -m bailiwick_collector`."""

import sys

from bailiwick_collector.main import main

sys.exit(main())
