"""Writes the code that protoc makes of the descriptions: `python protos/generate.py`.

With --baseline also the description that later changes are compared with: do that at a release.
With --into everything goes into another folder, to be compared.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).parent
PROTO = "bailiwick/llm/v1/llm.proto"
BASELINE = ROOT / "baseline" / "llm_v1.binpb"
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"


def compiled(*outputs: str, proto: str = PROTO) -> None:
    """Run protoc with these outputs.

    Raises:
        SystemExit: the description is wrong; protoc has said where.
    """
    line = ["protoc", f"--proto_path={ROOT}", f"--proto_path={WELL_KNOWN}", *outputs, proto]
    if protoc.main(line):
        raise SystemExit(f"protoc refuses {proto}: see above")


def generate(folder: Path) -> None:
    """The public API's messages, their types and the stubs, below `folder`."""
    compiled(*(f"--{kind}_out={folder}" for kind in ("python", "pyi", "grpc_python")))


def contract() -> None:
    """The messages that operator, agents and collector exchange, and their types."""
    outputs = [f"--{kind}_out={ROOT}" for kind in ("python", "pyi")]
    for file in sorted((ROOT / "bailiwick_contract" / "v1").glob("*.proto")):
        compiled(*outputs, proto=str(file.relative_to(ROOT)))


def describe(file: Path) -> None:
    """The description itself, as a FileDescriptorSet with comments and imports."""
    compiled("--include_imports", "--include_source_info", f"--descriptor_set_out={file}")


def main(arguments: Sequence[str]) -> None:
    """Write everything into this folder."""
    options = argparse.ArgumentParser()
    options.add_argument("--baseline", action="store_true", help="make this the new baseline")
    options.add_argument("--into", type=Path, help="write into this folder, and compare yourself")
    chosen = options.parse_args(arguments)
    generate(chosen.into or ROOT)
    if not chosen.into:
        contract()
    if chosen.into:
        describe(chosen.into / BASELINE.name)
    elif chosen.baseline:
        describe(BASELINE)


if __name__ == "__main__":
    main(sys.argv[1:])
