"""What the pod's manifest says to its containers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bailiwick_contract.errors import BailiwickError
from bailiwick_sidecar.ledger.address import CollectorAddress
from bailiwick_sidecar.secret_files import FOLDER
from bailiwick_sidecar.vault.options import TOKEN_FILE
from bailiwick_sidecar.vault.settings import (
    MAX_AGE_S,
    MAX_STALE_S,
    POLL_S,
    Method,
    VaultSettings,
)

VAULT: Final = "BAILIWICK_VAULT_"


class PodEnvironmentError(BailiwickError):
    """A variable that the pod's manifest should set is missing or can't be used."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables, by what they mean."""

    namespace: str
    run_dir: Path
    data_dir: Path
    config_dir: Path
    http_port: int
    metrics_port: int
    operator_address: str
    operator_ca: Path
    operator_token: Path
    pod_name: str
    pod_uid: str
    concurrency: int
    settle_seconds: int
    vault: VaultSettings | None
    secret_files: Path
    collector: CollectorAddress | None

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> "Environment":
        """The environment of this container; raises PodEnvironmentError that names the variable."""

        def text(name: str, default: str = "") -> str:
            value = variables.get(f"BAILIWICK_{name}", default)
            if not value:
                raise PodEnvironmentError(
                    f"BAILIWICK_{name} is not set: the operator's manifest of this pod sets it"
                )
            return value

        def number(name: str, default: str) -> int:
            value = text(name, default)
            if not value.isascii() or not value.isdecimal():
                raise PodEnvironmentError(f"BAILIWICK_{name}={value!r} is no number")
            return int(value)

        return cls(
            namespace=text("NAMESPACE"),
            run_dir=Path(text("RUN_DIR", "/run/bailiwick")),
            data_dir=Path(text("DATA_DIR", "/var/lib/bailiwick")),
            config_dir=Path(text("CONFIG_DIR", "/etc/bailiwick/config")),
            http_port=number("HTTP_PORT", "8080"),
            metrics_port=number("METRICS_PORT", "9090"),
            operator_address=text("OPERATOR_ADDRESS"),
            operator_ca=Path(text("OPERATOR_CA")),
            operator_token=Path(text("OPERATOR_TOKEN")),
            pod_name=text("POD_NAME"),
            pod_uid=text("POD_UID"),
            concurrency=number("CONCURRENCY", "1"),
            settle_seconds=number("SETTLE_SECONDS", "5"),
            vault=_vault(variables),
            secret_files=Path(text("SECRET_FILES", str(FOLDER))),
            collector=(
                CollectorAddress(
                    address=address,
                    ca=Path(text("COLLECTOR_CA")),
                    token=Path(text("COLLECTOR_TOKEN")),
                )
                if (address := variables.get("BAILIWICK_COLLECTOR_ADDRESS"))
                else None
            ),
        )


def _vault(variables: Mapping[str, str]) -> VaultSettings | None:
    """Where Vault is; None where the manifest names none. Raises PodEnvironmentError."""
    said = {
        name.removeprefix(VAULT): value
        for name, value in variables.items()
        if name.startswith(VAULT) and value
    }
    if "ADDRESS" not in said:
        return None
    try:
        return VaultSettings(
            address=said["ADDRESS"],
            method=Method(said.get("METHOD", Method.KUBERNETES)),
            namespace=said.get("NAMESPACE", ""),
            token_file=Path(said.get("TOKEN", TOKEN_FILE)),
            ca_file=Path(said["CA"]) if "CA" in said else None,
            poll=float(said.get("POLL", POLL_S)),
            max_stale=float(said.get("MAX_STALE", MAX_STALE_S)),
            max_age=float(said.get("MAX_AGE", MAX_AGE_S)),
        )
    except ValueError as error:
        raise PodEnvironmentError(
            f"a variable that begins with {VAULT} makes no sense ({error}): correct vault in the"
            " chart's values"
        ) from error
