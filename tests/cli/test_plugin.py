"""`kubectl bailiwick` on a cluster that a small kubectl plays: what it asks, and what it says."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bailiwick_cli.cluster.status import find_troubles

PLUGIN = Path(sys.executable).parent / "kubectl-bailiwick"
EXAMPLES = Path(__file__).parents[2] / "examples" / "acme"

# Not a cluster: it answers `get` from a file and writes down what it was asked.
KUBECTL = """#!{python}
import json, os, sys
arguments = sys.argv[1:]
with open(os.environ["ASKED"], "a") as asked:
    asked.write(json.dumps(arguments) + "\\n")
items = json.load(open(os.environ["HELD"]))
if "get" in arguments:
    kinds = {{one.partition(".")[0] for one in arguments[arguments.index("get") + 1].split(",")}}
    found = [one for one in items if one["kind"].lower() + "s" in kinds
             or (one["kind"] == "Quota" and "modelquotas" in kinds)]
    print(json.dumps({{"kind": "List", "items": found}}))
elif "create" in arguments:
    print("the-token")
else:
    sys.exit("error: unknown command")
"""


def condition(kind: str, status: str, reason: str, message: str = "words") -> dict[str, Any]:
    return {
        "type": kind, "status": status, "reason": reason, "message": message,
        "observedGeneration": 1,
    }  # fmt: skip


def held(**changes: dict[str, Any]) -> list[dict[str, Any]]:
    """examples/acme as a cluster returns it, statuses by name."""
    found = []
    for path in sorted(EXAMPLES.glob("*.yaml")):
        for body in yaml.safe_load_all(path.read_text()):
            body["metadata"] |= {"uid": "u", "generation": 1, "resourceVersion": "7"}
            body["metadata"]["creationTimestamp"] = "2026-11-11T00:00:00Z"
            body["metadata"]["managedFields"] = [{"manager": "kubectl"}]
            good = [condition("Accepted", "True", "Accepted")]
            body["status"] = changes.get(body["metadata"]["name"], {"conditions": good})
            found.append(body)
    return found


class Plugin:
    def __init__(self, folder: Path, items: list[dict[str, Any]]) -> None:
        kubectl = folder / "kubectl"
        kubectl.write_text(KUBECTL.format(python=sys.executable))
        kubectl.chmod(0o755)
        (folder / "held.json").write_text(json.dumps(items))
        self.asked = folder / "asked"
        self.environment = {
            **os.environ,
            "PATH": f"{folder}:{os.environ['PATH']}",
            "HELD": str(folder / "held.json"),
            "ASKED": str(self.asked),
        }

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PLUGIN, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
        )

    def questions(self) -> list[list[str]]:
        return [json.loads(line) for line in self.asked.read_text().splitlines()]


ACME = {
    "conditions": [
        condition("Accepted", "True", "Accepted"),
        condition("Programmed", "True", "Programmed"),
    ],
    "ready": "1/1",
    "used": "31% budgetMonth",
    "namespaces": [
        {"name": "acme-prod", "bound": True, "programmed": True, "digest": "abcdef0123456789"}
    ],
}


def test_status_of_a_tenant_that_serves(tmp_path: Path) -> None:
    """Tables, and nothing else; exit code 0."""
    ran = Plugin(tmp_path, held(acme=ACME))("status")

    assert ran.returncode == 0, ran.stderr
    assert "31% budgetMonth" in ran.stdout
    assert "abcdef012345" in ran.stdout
    assert "words" not in ran.stdout


def test_status_names_what_is_wrong_and_its_cure(tmp_path: Path) -> None:
    """The condition, its reason and message; what only follows from it is not said again."""
    fast = {
        "conditions": [
            condition("Accepted", "False", "RefNotFound", "no provider openai-eu: create it"),
            condition("Programmed", "False", "NotAccepted", "See the condition Accepted."),
        ]
    }
    ran = Plugin(tmp_path, held(acme=ACME, fast=fast))("status", "acme")

    assert ran.returncode == 1
    assert "ModelRoute acme-prod/fast: Accepted=False RefNotFound" in ran.stdout
    assert "no provider openai-eu: create it" in ran.stdout
    assert "See the condition" not in ran.stdout


def test_what_nobody_has_judged_yet_is_trouble() -> None:
    """No condition at all means that no operator runs."""
    body = {"kind": "Quota", "metadata": {"name": "q", "namespace": "n"}, "status": {}}

    (found,) = find_troubles([body])
    assert "does it run?" in found.message


def test_an_unknown_tenant_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    """A slip of the keyboard."""
    ran = Plugin(tmp_path, held())("status", "acmee")

    assert ran.returncode == 1
    assert "no tenant 'acmee' (there are: acme)" in ran.stderr


def test_explain_reads_the_cluster(tmp_path: Path) -> None:
    """Statuses and managed fields are no mistakes in what was applied."""
    plugin = Plugin(tmp_path, held())
    ran = plugin(
        "explain", "--tenant=acme", "--team=search", "--model=fast", "--format=json", "--context=x"
    )

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["route"] == "fast"
    assert all(question[:2] == ["--context", "x"] for question in plugin.questions())


def test_quota_shows_what_is_left_and_what_is_refused(tmp_path: Path) -> None:
    """Full limits say so."""
    use = [
        {"name": "tokensPerMonth", "limit": "100", "used": "100", "left": "0", "percent": 100,
         "resetsAt": "2026-12-01T00:00:00.000+00:00"},
        {"name": "requestsPerSecond", "limit": "50", "left": "50"},
    ]  # fmt: skip
    ran = Plugin(tmp_path, held(search={"use": use, "updatedAt": "2026-11-11T00:00:00Z"}))(
        "quota", "-n", "acme-prod"
    )

    assert ran.returncode == 0, ran.stderr
    (full,) = [line for line in ran.stdout.splitlines() if "tokensPerMonth" in line]
    (free,) = [line for line in ran.stdout.splitlines() if "requestsPerSecond" in line]
    assert "refuses" in full
    assert "2026-12-01 00:00:00" in full
    assert "team search" in full
    assert "admits" in free


def test_without_any_use_it_says_so(tmp_path: Path) -> None:
    """An empty table would look like a fault."""
    ran = Plugin(tmp_path, held())("usage")

    assert ran.returncode == 0
    assert "nothing was called yet" in ran.stderr


@pytest.mark.parametrize(
    ("account", "words"),
    [
        ("acme-prod/ranking-api", ""),
        ("acme-prod/stranger", "no Tenant binds service account acme-prod/stranger"),
        ("ranking-api", "write NAMESPACE/NAME"),
    ],
)
def test_a_token_is_for_the_tenants_audience(tmp_path: Path, account: str, words: str) -> None:
    """Only an account that a gateway would take gets one."""
    plugin = Plugin(tmp_path, held())
    ran = plugin("token", account)

    if words:
        assert ran.returncode == 1
        assert words in ran.stderr
        return
    assert ran.stdout == "the-token\n"
    assert plugin.questions()[-1] == [
        "create", "token", "ranking-api", "--namespace", "acme-prod", "--audience=bailiwick",
        "--duration=1h",
    ]  # fmt: skip


def test_without_kubectl_it_says_what_is_missing(tmp_path: Path) -> None:
    """And no traceback."""
    ran = subprocess.run(
        [PLUGIN, "status"], capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": str(tmp_path)},
    )  # fmt: skip

    assert ran.returncode == 1
    assert "there is no kubectl on PATH" in ran.stderr


def test_explain_knows_the_endpoints_that_the_command_knows(tmp_path: Path) -> None:
    """One set of options for both: what is asked for is what is explained."""
    ran = Plugin(tmp_path, held())(
        "explain", "--tenant=acme", "--team=search", "--model=fast", "--endpoint=embeddings",
    )  # fmt: skip

    assert ran.returncode == 0, ran.stderr
    assert "/v1/embeddings: 1000 bytes in, no output tokens" in ran.stdout


@pytest.mark.parametrize("width", ["80", "300"])
def test_no_line_ends_in_blanks(tmp_path: Path, width: str) -> None:
    """A narrow terminal would break them into empty lines."""
    plugin = Plugin(tmp_path, held(acme=ACME))
    plugin.environment["COLUMNS"] = width
    ran = plugin("status")

    assert "what is missing" in ran.stdout
    assert [line for line in ran.stdout.splitlines() if line != line.rstrip()] == []
