"""Where the real kube-apiserver and etcd come from: found, or built once from pinned modules."""

import os
import shutil
import subprocess
from pathlib import Path

from tools.building import HERE, cache_root, go_build, one_at_a_time, pins, say

MODULE = "kubernetes"
NEEDED = ("etcd", "kube-apiserver")
TARGETS = ("go.etcd.io/etcd/server/v3", "k8s.io/kubernetes/cmd/kube-apiserver")


class NoBinariesError(Exception):
    """There is no control plane to test against; the message says how to get one."""


def find_or_build() -> Path:
    """A folder with both binaries.

    KUBEBUILDER_ASSETS where it is set; else what was built before, here or for the end-to-end
    cluster; else they are built now, which takes some minutes and says so.
    """
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        folder = Path(assets)
        if missing := [name for name in NEEDED if not (folder / name).exists()]:
            raise NoBinariesError(
                f"KUBEBUILDER_ASSETS={assets} lacks {', '.join(missing)}: unset it, or fill it"
                " with `setup-envtest use`"
            )
        return folder
    own = cache_root() / "bailiwick" / "control-plane" / pins(MODULE)[:16]
    version = kubernetes_version()
    if found := _found(own, version):
        return found
    with one_at_a_time():  # whoever was before may have built them
        return _found(own, version) or _build(own, version)


def _found(own: Path, version: str) -> Path | None:
    shared = sorted((cache_root() / "e2e-cluster" / "bin").glob("*"))
    for folder in (own, *shared):
        if all((folder / name).exists() for name in NEEDED) and (
            folder == own or version_of(folder / "kube-apiserver") == version
        ):
            return folder
    return None


def kubernetes_version() -> str:
    """The version that is pinned, such as v1.34.2."""
    pinned = HERE / MODULE / "go.mod"
    for line in pinned.read_text().splitlines():
        words = line.split()
        if words[:1] == ["k8s.io/kubernetes"]:
            return words[1]
    raise NoBinariesError(f"{pinned} does not pin k8s.io/kubernetes")


def version_of(binary: Path) -> str:
    """What the binary calls itself; empty where it does not run."""
    try:
        ran = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return ran.stdout.split()[-1]


def _build(folder: Path, version: str) -> Path:
    say(
        f"building kube-apiserver {version} and etcd into {folder}"
        " (once; 8 to 12 minutes on two cores)"
    )
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    major, minor, _ = version[1:].split(".", 2)
    flags = "-s -w"
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        flags += f" -X {package}.gitVersion={version}"
        flags += f" -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
    go_build(MODULE, "-ldflags", flags, "-o", f"{part}/", *TARGETS)
    (part / "server").rename(part / "etcd")
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    return folder


if __name__ == "__main__":
    print(find_or_build())
