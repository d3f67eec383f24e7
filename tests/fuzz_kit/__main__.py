"""The long run: `python -m fuzz_kit N SEED`, N inputs in all; the seed repeats them."""

import sys
import time
from collections.abc import Callable

from fuzz_kit import bodies, resources, streams
from fuzz_kit.scripts import Scripts

BLOCK = 2_000


def main(count: int, seed: str) -> int:
    """Print what was run; 1 where an input broke something."""
    scripts = Scripts()
    shares: list[tuple[str, int, Callable[[str, int], int], str]] = [
        ("bodies", count * 80 // 100, lambda s, n: bodies.run(scripts, s, n), "sent on"),
        ("streams", count * 19 // 100, lambda s, n: streams.run(scripts, s, n), "with usage"),
        ("resources", max(1, count // 100), resources.run, "with a config"),
    ]
    for name, inputs, run, what in shares:
        begun, good = time.monotonic(), 0
        for at in range(0, inputs, BLOCK):
            block = min(BLOCK, inputs - at)
            try:
                good += run(f"{seed}.{at}", block)
            except AssertionError as error:
                print(f"{name}: FAILED in the block {seed}.{at}:\n{error}")
                return 1
        took = time.monotonic() - begun
        print(
            f"{name}: {inputs} inputs, {good} {what}, none broke a rule, {took:.0f} s", flush=True
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "1"))
