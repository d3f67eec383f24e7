"""The CustomResourceDefinitions: as generated, structural, bounded, named as they should be."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from resources.resource_cases import ROOT

from bailiwick_operator.api.crds import rendered
from bailiwick_operator.api.kinds import KINDS

FILES = sorted((ROOT / "crds").glob("*.yaml"))


def definition(plural: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "crds" / f"{plural}.yaml").read_text())
    return found


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every node of a schema with its path."""
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from nodes(below, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


def all_nodes() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{kind.name}{path}", node)
        for kind in KINDS.values()
        for path, node in nodes(
            definition(kind.plural)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        )
    ]


def test_files_are_what_the_models_say() -> None:
    """crds/ is generated: `python -m bailiwick_operator.api.crds crds` changes nothing."""
    assert {file.name: file.read_text(encoding="utf-8") for file in FILES} == rendered()


@pytest.mark.parametrize(
    ("kind", "plural", "singular", "short", "scope"),
    [
        ("Tenant", "tenants", "tenant", "lt", "Cluster"),
        ("ClusterModelProvider", "clustermodelproviders", "clustermodelprovider", "cmp", "Cluster"),
        ("ModelProvider", "modelproviders", "modelprovider", "mp", "Namespaced"),
        ("ModelRoute", "modelroutes", "modelroute", "mr", "Namespaced"),
        ("Quota", "modelquotas", "modelquota", "mq", "Namespaced"),
        ("PriceBook", "pricebooks", "pricebook", "pb", "Cluster"),
        ("TenantBinding", "tenantbindings", "tenantbinding", "tb", "Namespaced"),
    ],
)
def test_names(kind: str, plural: str, singular: str, short: str, scope: str) -> None:
    """Names, scope, category, version and status subresource of each kind."""
    found = definition(plural)
    (version,) = found["spec"]["versions"]

    assert found["metadata"]["name"] == f"{plural}.bailiwick.dev"
    assert found["spec"]["group"] == "bailiwick.dev"
    assert found["spec"]["scope"] == scope
    assert found["spec"]["names"] == {
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": plural,
        "singular": singular,
        "shortNames": [short],
        "categories": ["bailiwick"],
    }
    assert (version["name"], version["served"], version["storage"]) == ("v1alpha1", True, True)
    assert version["subresources"] == {"status": {}}
    assert version["additionalPrinterColumns"][-1]["name"] == "Age"


def test_schemas_are_structural() -> None:
    """Every node has a type; there is no reference, no open mapping and no default."""
    for path, node in all_nodes():
        assert node["type"] in {"object", "array", "string", "integer", "boolean"}, path
        assert not {"$ref", "additionalProperties", "default", "anyOf", "nullable"} & set(node), (
            path
        )


def test_every_field_says_what_it_is_for() -> None:
    """No field without a description; it begins with a capital letter and ends with a full stop."""
    for path, node in all_nodes():
        if path.endswith(("[]", ".metadata")):
            continue
        description = node.get("description", "")
        assert description.endswith((".", "}.")), path
        assert description[0].isupper() or description[0].isdigit() or description[0] in "{0", path


def test_everything_has_a_bound() -> None:
    """Strings, lists and numbers are bounded, so that the cost of a rule is known."""
    for path, node in all_nodes():
        if path.endswith((".apiVersion", ".kind")) and path.count(".") == 1:
            continue
        match node["type"]:
            case "string":
                assert {"maxLength", "enum", "format"} & set(node), path
            case "array":
                assert "maxItems" in node, path
                assert node["x-kubernetes-list-type"] in {"map", "set", "atomic"}, path
            case "integer":
                assert "minimum" in node, path


def test_lists_of_named_things_merge_by_name() -> None:
    """A list of objects is a map-list, and its keys are required."""
    for path, node in all_nodes():
        if node["type"] == "array" and node["items"]["type"] == "object":
            assert node["x-kubernetes-list-type"] == "map", path
            assert set(node["x-kubernetes-list-map-keys"]) <= set(node["items"]["required"]), path


def test_a_list_whose_absence_means_everybody_is_atomic() -> None:
    """Server-side apply would make an empty set absent, and "nobody" would become "everybody"."""
    schemas = dict(all_nodes())

    for path in (
        "ModelRoute.spec.teams",
        "ModelRoute.spec.aliases",
        "Tenant.spec.modelAccess[].teams",
        "Quota.spec.subject.each",
    ):
        assert schemas[path]["x-kubernetes-list-type"] == "atomic", path
        assert schemas[path]["minItems"] == 1, path
    for path, node in schemas.items():
        if node.get("x-kubernetes-list-type") == "set" and node.get("minItems"):
            parent, _, name = path.rpartition(".")
            assert name in schemas[parent]["required"], path


def test_no_enum_value_is_a_boolean_to_yaml() -> None:
    """A word that YAML 1.1 reads as a boolean would need quotes."""
    words = {value for _, node in all_nodes() for value in node.get("enum", ())}

    assert "Enforce" in words
    for word in words - {"True", "False"}:
        assert yaml.safe_load(word) == word
