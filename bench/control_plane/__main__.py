"""Measures the operator on a real API server: `python -m control_plane` in `bench/`."""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from cluster.binaries import kubernetes_version
from cluster.control_plane import ControlPlane
from cluster.operator_kit import ensure_namespace
from control_plane.compiling import compile_times
from control_plane.process import BENCH, OperatorProcess
from control_plane.report import section, table
from control_plane.run import Run, Size, say
from control_plane.world import EACH
from gateway.machine import machine
from readme import into_readme

RESULTS = BENCH / "results" / "operator.json"
SMALL = 100
"""Tenants of the first measurement."""
FULL_TENANTS, FULL_AGENTS = 1000, 2000
"""What the bounds are about."""


def measured(size: Size, figures: dict[str, float]) -> bool:
    """Add what is found to `figures`; false where the run broke off, and why is printed."""
    say("compiling …")
    figures |= compile_times()
    say("etcd and kube-apiserver …")
    with (
        tempfile.TemporaryDirectory(prefix="bailiwick-scale-") as name,
        ControlPlane(Path(name)) as plane,
    ):
        plane.install_crds()
        ensure_namespace(plane, "bailiwick-system")
        operator = OperatorProcess(plane, Path(name))
        run = Run(plane, Path(name), size, operator, figures)
        try:
            asyncio.run(run.all())
        except Exception:  # noqa: BLE001 - whatever it was, what was found before is told
            traceback.print_exc()
            return False
        finally:
            operator.kill()
    return True


def written(of: dict[str, Any]) -> None:
    """Keep it, and show it in the README."""
    RESULTS.write_text(json.dumps(of, indent=2) + "\n")
    into_readme("bench operator", section(of))
    say(f"written: {RESULTS.name} and the README")


def main() -> int:
    """Measure and print; 1 where the run broke off. With --write, keep it."""
    parser = argparse.ArgumentParser(prog="control_plane", description=__doc__)
    parser.add_argument("--tenants", type=int, default=FULL_TENANTS)
    parser.add_argument("--agents", type=int, default=FULL_AGENTS)
    parser.add_argument("--samples", type=int, default=100, help="of apply → Accepted")
    parser.add_argument("--changes", type=int, default=50, help="of apply → changed traffic")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds")
    parser.add_argument(
        "--write",
        action="store_true",
        help=f"into {RESULTS.name} and the README, if not smaller than the bounds are about",
    )
    said = parser.parse_args()
    # So that a run that is stopped ends its processes too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    size = Size(
        tenants=said.tenants,
        small=min(SMALL, said.tenants),
        agents=said.agents,
        samples=said.samples,
        changes=said.changes,
        idle_s=said.idle,
    )
    began, where, figures = time.monotonic(), machine(), dict[str, float]()
    whole = measured(size, figures)
    shown = {
        "tenants": size.tenants,
        "agents": size.agents,
        "small": size.small * EACH,
        "full": size.tenants * EACH,
    }
    print(table(figures, shown))
    say(f"{(time.monotonic() - began) / 60:.1f} minutes; load before: {where['load_before']}")
    if not whole:
        return 1
    if said.write and size.tenants >= FULL_TENANTS and size.agents >= FULL_AGENTS:
        written(
            {
                "machine": where,
                "kubernetes": kubernetes_version(),
                "size": shown,
                "samples": size.samples,
                "changes": size.changes,
                "minutes": round((time.monotonic() - began) / 60, 1),
                "figures": figures,
            }
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
