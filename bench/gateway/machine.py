"""What the figures were measured on."""

import os
import platform
import re
import subprocess
import sysconfig
from pathlib import Path

from gateway.processes import BIN


def machine() -> dict[str, object]:
    """Processor, memory, kernel, and the builds that ran. Nothing that names the machine."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    models = [
        line.partition(":")[2].strip() for line in cpuinfo.splitlines() if "model name" in line
    ]
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    flags = sysconfig.get_config_var("CONFIG_ARGS") or ""
    said = subprocess.run([BIN / "envoy", "--version"], capture_output=True, text=True, check=True)
    version = re.search(r"/(\d+\.\d+\.\d+)/", said.stdout)
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(pages / 1e9, 1),
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
        "python_profile_guided": "--enable-optimizations" in flags,
        "envoy": version[1] if version else "unknown",
        "load_before": round(os.getloadavg()[0], 1),
    }


def described(of: dict[str, object]) -> str:
    """The same as one sentence."""
    guided = "" if of["python_profile_guided"] else ", built without profile-guided optimisation"
    return (
        f"{of['cores']} cores of {of['processor']}, {of['memory_gb']} GB, Linux {of['kernel']}, "
        f"Python {of['python']}{guided}, Envoy {of['envoy']}; load before the run: "
        f"{of['load_before']}"
    )
