"""A control plane with the chart's admission policies, and a tenant's namespace in it."""

import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from admission_policies.world import NAMESPACE, POLICIES, furnish
from cluster.control_plane import EDITOR, ControlPlane


@pytest.fixture(scope="session")
def protected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real kube-apiserver on which the policies are in force."""
    folder: Path = tmp_path_factory.mktemp("protected")
    with ControlPlane(folder) as plane:
        plane.install_crds()
        furnish(plane)
        text = POLICIES.read_text()
        text = text.replace("__ALLOWED_USERS__", '["operator"]')
        text = text.replace("__STATUS_USERS__", '["operator"]').replace("__EXEMPT_USERS__", "[]")
        root = "/apis/admissionregistration.k8s.io/v1"
        for document in yaml.safe_load_all(text):
            plural = (
                "validatingadmissionpolicies"
                if document["kind"] == "ValidatingAdmissionPolicy"
                else "validatingadmissionpolicybindings"
            )
            plane.apply(document, f"{root}/{plural}/{document['metadata']['name']}")
        _in_force(plane)
        yield plane


def _in_force(plane: ControlPlane) -> None:
    """Wait until the API server's policy informer has them all: the one bound last refuses."""
    probes = (
        ("ceilings", f"/apis/bailiwick.dev/v1alpha1/namespaces/{NAMESPACE}/modelquotas/probe"),
        ("owned", f"/api/v1/namespaces/{NAMESPACE}/configmaps/bailiwick-gateway-config"),
        ("marks", f"/apis/bailiwick.dev/v1alpha1/namespaces/{NAMESPACE}/modelquotas/standing"),
    )
    bodies = {
        "ceilings": {
            "apiVersion": "bailiwick.dev/v1alpha1",
            "kind": "Quota",
            "metadata": {"name": "probe", "namespace": NAMESPACE},
            "spec": {"subject": {"team": "search"}, "limits": {"tokensPerMinute": 1000000}},
        },
        "owned": {"metadata": {"annotations": {"probe": "1"}}},
        "marks": {"metadata": {"labels": {"bailiwick.dev/probe": "1"}}},
    }
    deadline = time.monotonic() + 30
    for name, path in probes:
        while True:
            try:
                if name == "ceilings":
                    plane.request(
                        "PATCH",
                        f"{path}?fieldManager=probe&dryRun=All",
                        bodies[name],
                        token=EDITOR,
                        kind="apply",
                    )
                else:
                    plane.request(
                        "PATCH", f"{path}?dryRun=All", bodies[name], token=EDITOR, kind="merge"
                    )
            except urllib.error.HTTPError as error:
                if error.code in (403, 422):
                    break
            if time.monotonic() > deadline:
                raise RuntimeError(f"the policy of {path} did not come into force")
            time.sleep(0.05)
