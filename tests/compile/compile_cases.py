"""Cases of this folder: resources that are compiled together; a new case is a new file.

A case is a YAML file with resources. Its first document may be `settings`:

* `base` names the resources that the case changes: `small` (base.yaml) or `acme` (the example).
  A document of the case is merged into the base's one of that kind and name (RFC 7386).
* `remove` lists "Kind/name" of the base that the case does without.
* `show` lists the parts of the config that the golden file has; absent: all of it.
* `catalogue`, `service_account_issuer`, `extra_issuer`, `quota_store` are handed to the compiler.
"""

import copy
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import yaml
from google.protobuf.json_format import MessageToDict

from bailiwick_operator.api.kinds import KINDS
from bailiwick_operator.api.v1alpha1 import (
    ClusterModelProvider,
    ModelProvider,
    ModelRoute,
    PriceBook,
    Quota,
    Tenant,
)
from bailiwick_operator.api.v1alpha1.provider import Price
from bailiwick_operator.api.v1alpha1.quota_store import QuotaStore
from bailiwick_operator.api.validation import Resources
from bailiwick_operator.compile.inputs import (
    CataloguePrice,
    DevelopmentIssuer,
    ServiceAccountIssuer,
)
from bailiwick_operator.compile.local import Compiled, compile_all

HERE = Path(__file__).parent
ROOT = Path(__file__).parents[2]
CASES = sorted((HERE / "cases").glob("*.in.yaml"))
NOW = datetime(2026, 10, 1, tzinfo=UTC)
BASES = {
    "small": [HERE / "base.yaml"],
    "acme": sorted((ROOT / "examples" / "acme").glob("*.yaml")),
}

Plain = dict[str, Any]


def compile_case(case: Path) -> Compiled:
    """The case, compiled."""
    documents = _documents(case)
    settings = documents.pop(0)["settings"] if "settings" in documents[0] else {}
    return compile_all(
        resources(merged(documents, settings)),
        now=NOW,
        catalogue=_catalogue(settings.get("catalogue", ())),
        quota_store=(
            msgspec.convert(settings["quota_store"], QuotaStore)
            if "quota_store" in settings
            else None
        ),
        extra_issuers=[DevelopmentIssuer(**one) for one in settings.get("extra_issuers", ())],
        service_account_issuer=(
            ServiceAccountIssuer(**settings["service_account_issuer"])
            if "service_account_issuer" in settings
            else None
        ),
    )


def shown(case: Path) -> frozenset[str] | None:
    """The parts of the config that the case is about; None: all."""
    first = _documents(case)[0]
    parts = first.get("settings", {}).get("show")
    return None if parts is None else frozenset(parts)


def to_text(compiled: Compiled, show: frozenset[str] | None) -> str:
    """The outcome as canonical YAML."""
    plain: Plain = {"namespaces": {}}
    for namespace, result in compiled.results.items():
        config = None
        if result.config is not None:
            fields = MessageToDict(result.config, preserving_proto_field_name=True)
            config = {name: fields[name] for name in fields if show is None or name in show}
        plain["namespaces"][namespace] = {
            "config": config,
            "conditions": {
                str(ref): f"{one.type}={one.status} {one.reason}"
                for ref, one in result.conditions.items()
            },
        }
    for name, said in (("violations", compiled.violations), ("notes", compiled.notes)):
        plain[name] = [
            {
                "resource": one.resource,
                "path": one.path,
                "message": one.message,
                "cure": one.cure,
            }
            for one in said
        ]
    return yaml.safe_dump(plain, sort_keys=True, allow_unicode=True, width=100)


def merged(documents: list[Plain], settings: Mapping[str, Any]) -> list[Plain]:
    """The base's documents with the case's merged into them."""
    base = [one for file in BASES.get(settings.get("base", ""), ()) for one in _documents(file)]
    by_key = {_key(one): one for one in base if _key(one) not in settings.get("remove", ())}
    for document in documents:
        key = _key(document)
        by_key[key] = _patched(by_key.get(key, {}), document)
    return list(by_key.values())


def resources(documents: list[Plain]) -> Resources:
    """Typed resources; raises where one does not fit its model."""
    typed = [msgspec.convert(one, KINDS[one["kind"]].model) for one in documents]
    return Resources(
        tenants=tuple(one for one in typed if isinstance(one, Tenant)),
        cluster_model_providers=tuple(
            one for one in typed if isinstance(one, ClusterModelProvider)
        ),
        model_providers=tuple(one for one in typed if isinstance(one, ModelProvider)),
        model_routes=tuple(one for one in typed if isinstance(one, ModelRoute)),
        quotas=tuple(one for one in typed if isinstance(one, Quota)),
        price_books=tuple(one for one in typed if isinstance(one, PriceBook)),
    )


def _documents(file: Path) -> list[Plain]:
    return [one for one in yaml.safe_load_all(file.read_text(encoding="utf-8")) if one]


def _key(document: Plain) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"


def _patched(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _patched(result.get(key), value)
    return result


def _catalogue(entries: Any) -> dict[tuple[str, str], tuple[CataloguePrice, ...]]:
    return {
        (entry["url"], entry["model"]): tuple(
            CataloguePrice(
                since=price.get("since", ""),
                source="genai-prices/test",
                price=msgspec.convert(price["price"], Price),
                exact=price.get("exact", True),
            )
            for price in entry["prices"]
        )
        for entry in entries
    }
