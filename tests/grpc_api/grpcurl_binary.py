"""grpcurl, a client that is not Python's: built once from its pinned module, then kept."""

from pathlib import Path

from tools import building

COMMAND = "github.com/fullstorydev/grpcurl/cmd/grpcurl"


def find_or_build() -> Path:
    """The program, always of the pinned version: what it prints is compared."""
    folder = building.cache_root() / "bailiwick" / "grpcurl" / building.pins("grpcurl")[:16]
    return building.built(folder / "grpcurl", "grpcurl", COMMAND)


if __name__ == "__main__":
    print(find_or_build())
