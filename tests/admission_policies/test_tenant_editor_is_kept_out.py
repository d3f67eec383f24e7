"""Each rule: one request of a tenant editor, and the message that he reads."""

import json
import urllib.error
from pathlib import Path

import pytest
import yaml
from cluster.control_plane import EDITOR, ControlPlane

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_request_ends_as_recorded(protected: ControlPlane, case: Path) -> None:
    """What would change, become or look into the gateway is refused; one's own things are not."""
    said = yaml.safe_load(case.read_text())
    joined = "&" if "?" in said["path"] else "?"
    dry = "" if "/pods/bailiwick-gateway-1/" in said["path"] else f"{joined}dryRun=All"
    answer = "allowed"
    try:
        protected.request(
            said["method"],
            said["path"] + dry,
            said.get("body"),
            token=EDITOR,
            kind=said["content"],
        )
    except urllib.error.HTTPError as error:
        text = error.read().decode()
        answer = json.loads(text)["message"] if text.startswith("{") else text

    if said["message"]:
        assert said["message"] in answer
    else:
        assert answer == "allowed"


def test_policies_fail_closed(protected: ControlPlane) -> None:
    """Where a policy can't be evaluated, the request is refused."""
    root = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"

    found = {
        item["metadata"]["name"]: item["spec"]["failurePolicy"]
        for item in protected.request("GET", root)["items"]
    }

    assert set(found.values()) == {"Fail"}
    assert len(found) == 8
