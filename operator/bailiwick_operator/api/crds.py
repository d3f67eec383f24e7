"""CustomResourceDefinitions of every kind, made from the models.

`python -m bailiwick_operator.api.crds DIR` writes them; the files are never edited by hand.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from bailiwick_operator.api.kinds import KINDS, Kind
from bailiwick_operator.api.schema import resource_schema
from bailiwick_operator.api.v1alpha1.base import GROUP, VERSION

HEADER = "# Generated from the typed models by `python -m bailiwick_operator.api.crds crds`.\n"


def document(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of one kind (apiextensions.k8s.io/v1)."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.plural}.{GROUP}",
            "labels": {"app.kubernetes.io/part-of": "bailiwick"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.singular or kind.name.lower(),
                "shortNames": [kind.short],
                "categories": ["bailiwick"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [column.document() for column in kind.columns],
                    "schema": {"openAPIV3Schema": resource_schema(kind.model)},
                }
            ],
        },
    }


def rendered() -> dict[str, str]:
    """File name → YAML text of every definition."""
    return {f"{kind.plural}.yaml": HEADER + _yaml(document(kind)) for kind in KINDS.values()}


def main(arguments: Sequence[str]) -> int:
    """Write every definition into the directory that is the only argument."""
    (directory,) = arguments
    for name, text in rendered().items():
        (Path(directory) / name).write_text(text, encoding="utf-8")
    return 0


class _Dumper(yaml.SafeDumper):
    """Writes equal lists twice instead of by reference, which API clients don't all read."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the name is PyYAML's
        return True


def _yaml(value: Any) -> str:
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
