"""`bailiwick explain`: what is said of a call agrees with what a gateway does with it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bailiwick_cli.explain.case import explain
from bailiwick_cli.explain.facts import Asked, Explanation
from bailiwick_cli.explain.written import written
from bailiwick_cli.resources import check

ACME = Path(__file__).parents[2] / "examples" / "acme"
NOW = 1_790_000_000_000
"""In September 2026: the PriceBook's entry of August holds."""


def documents() -> list[dict[str, Any]]:
    """The resources of the acme example."""
    files = sorted(ACME.glob("*.yaml"))
    return [one for file in files for one in yaml.safe_load_all(file.read_bytes())]


def one(found: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    return next(it for it in found if (it["kind"], it["metadata"]["name"]) == (kind, name))


def explained(folder: Path, found: list[dict[str, Any]], **asked: Any) -> Explanation:
    """The answer for these resources."""
    file = folder / "all.yaml"
    file.write_text(yaml.safe_dump_all(found))
    checked = check([file])
    assert checked.violations == ()
    said: dict[str, Any] = {
        "team": "search", "project": "", "user": "ann", "model": "fast", "tokens": 500,
        "size": 1000, **asked,
    }  # fmt: skip
    return explain(checked.configs["acme-prod"], Asked(**said), now=NOW)


def test_a_call_that_passes_is_explained_whole(tmp_path: Path) -> None:
    """Backends in order with prices and reservations, limits with their places, the worst cost."""
    said = explained(tmp_path, documents(), project="ranking")

    assert (said.route, said.cost_center, said.max_attempts) == ("fast", "4711", 2)
    assert [(one.name, one.priority, one.share, one.tier, one.region) for one in said.backends] == [
        ("openai", 0, 100.0, "shared", "eu-central-1"),
        ("vllm", 1, 100.0, "shared", "eu-west-1"),
    ]
    first = said.backends[0]
    assert (first.price_source, first.input_per_million, first.output_per_million) == (
        "ClusterModelProvider/openai-eu", "0.25", "2.00",
    )  # fmt: skip
    # 0.25 for 1000 and 2.00 for 500, each per million; the second place costs nothing.
    assert (first.reserved_input_tokens, first.reserved_output_tokens) == (1000, 500)
    assert (first.reserved_cost, said.worst_cost, said.currency) == ("0.00125", "0.00125", "USD")
    assert first.credential == "secret/llm/acme/openai#api_key"
    assert said.refused == ()
    assert {limit.id for limit in said.limits if limit.smallest} == {
        "Quota/each-user#concurrentRequests",
        "Quota/each-user#requestsPerMinute",
        "Quota/each-user#tokensPerMinute",
        "Quota/search#budgetMonth",
        "Quota/search#requestsPerSecond",
        "Quota/search#tokensPerMonth",
        "Tenant/acme/limits#budgetDay",
    }
    (decides,) = [limit for limit in said.limits if limit.decides]
    assert (decides.id, decides.calls) == ("Quota/each-user#concurrentRequests", 2)
    tokens = next(it for it in said.limits if it.id == "Quota/each-user#tokensPerMinute")
    assert (tokens.amount, tokens.needs, tokens.calls) == ("5000", "1500", 3)
    assert tokens.subject == (("user", "ann"),)
    assert (tokens.written.resource, tokens.written.field) == (
        "Quota each-user", "spec.limits.tokensPerMinute",
    )  # fmt: skip


def test_a_named_subject_replaces_what_each_says(tmp_path: Path) -> None:
    """The bot has its own tokens and everyone's requests, as limits combine."""
    said = explained(tmp_path, documents(), user="ci-bot")

    ids = {limit.id for limit in said.limits}
    assert "Quota/ci-bot#tokensPerMinute" in ids
    assert "Quota/each-user#requestsPerMinute" in ids
    assert "Quota/each-user#tokensPerMinute" not in ids


def test_without_a_figure_the_route_says_the_output(tmp_path: Path) -> None:
    """The default where nothing is asked for, the cap where too much is."""
    assert explained(tmp_path, documents(), tokens=None).output_tokens == 1024
    assert explained(tmp_path, documents(), tokens=9000).output_tokens == 4096


def test_weights_are_shares_of_one_priority(tmp_path: Path) -> None:
    """Backends of one priority share its calls, the heavier first."""
    found = documents()
    backends = one(found, "ModelRoute", "fast")["spec"]["backends"]
    backends[0]["weight"], backends[1]["weight"] = 30, 70
    del backends[1]["priority"]
    said = explained(tmp_path, found)

    assert [(it.name, it.share) for it in said.backends] == [("vllm", 70.0), ("openai", 30.0)]


def refusals(said: Explanation) -> list[tuple[int, str]]:
    return [(it.status, it.code) for it in said.refused]


def test_an_unknown_alias_names_those_that_exist(tmp_path: Path) -> None:
    """404, and what to call instead."""
    said = explained(tmp_path, documents(), model="nothing")

    assert refusals(said) == [(404, "model_not_found")]
    assert "default, fast, smart" in said.refused[0].cure
    assert (said.route, said.backends, said.limits) == ("", (), ())


def test_an_unlisted_team_or_project_is_refused(tmp_path: Path) -> None:
    """403, and where to add it."""
    team = explained(tmp_path, documents(), team="sales")
    assert refusals(team)[0] == (403, "team_not_listed")
    assert "spec.teams of Tenant acme" in team.refused[0].cure

    project = explained(tmp_path, documents(), project="helpdesk")
    assert refusals(project) == [(403, "project_not_listed")]
    assert "ranking" in project.refused[0].cure


def test_a_team_may_be_named_by_what_its_token_says(tmp_path: Path) -> None:
    """The value of a claim stands for the team that lists it."""
    said = explained(tmp_path, documents(), team="7f3e0c1a-9d52-4c5e-8a57-0b6f1f0f2d11")

    assert said.refused == ()
    assert ("team", "support") in {pair for limit in said.limits for pair in limit.subject}


def test_a_route_of_another_team_is_refused(tmp_path: Path) -> None:
    """403 with the resource that lists the teams."""
    said = explained(tmp_path, documents(), team="support", model="smart")

    assert refusals(said) == [(403, "model_not_allowed")]
    assert said.refused[0].cure.startswith("add support to spec.teams of ModelRoute smart")


def test_a_closed_tier_leaves_its_backends_out(tmp_path: Path) -> None:
    """A backend of a closed tier is left out; if all are, the call is refused."""
    found = documents()
    del one(found, "ModelRoute", "smart")["spec"]["teams"]
    said = explained(tmp_path, found, team="support", model="smart")

    assert refusals(said) == [(403, "model_not_allowed")]
    assert "list tier premium in spec.modelAccess of Tenant acme" in said.refused[0].cure
    (backend,) = said.backends
    assert backend.left_out == said.refused[0]
    assert backend.share == 0


def test_a_model_without_a_price_is_refused_under_a_budget(tmp_path: Path) -> None:
    """403 where money is limited, and three ways out."""
    found = documents()
    provider = one(found, "ClusterModelProvider", "vllm-eu")
    provider["spec"]["models"].append({"name": "own-thing", "maxOutputTokens": 100})
    route = one(found, "ModelRoute", "fast")
    route["spec"]["backends"] = [
        {**route["spec"]["backends"][1], "model": "own-thing", "priority": 0}
    ]
    del route["spec"]["fallback"]
    said = explained(tmp_path, found)

    assert refusals(said) == [(403, "model_unpriced")]
    for way_out in ("own-thing", "PriceBook", "spec.unpricedModels"):
        assert way_out in said.refused[0].cure
    tenant = one(found, "Tenant", "acme")["spec"]
    assert explained(tmp_path, found, model="smart").refused == ()
    tenant["unpricedModels"] = "Allow"
    assert explained(tmp_path, found).refused == ()


def test_what_never_fits_names_each_limit_that_is_too_small(tmp_path: Path) -> None:
    """400, and the field to raise."""
    said = explained(tmp_path, documents(), tokens=4096, size=1500)

    assert refusals(said) == [(400, "request_exceeds_limit")]
    assert "Quota/each-user#tokensPerMinute is 5000" in said.refused[0].message
    assert "spec.limits.tokensPerMinute of Quota each-user" in said.refused[0].cure


def test_a_limit_of_0_allows_nothing_and_a_shadow_refuses_nothing(tmp_path: Path) -> None:
    """0 is 429 whatever the call needs; a Shadow of 0 only counts."""
    found = documents()
    quota = one(found, "Quota", "each-user")["spec"]
    quota["limits"] = {"requestsPerMinute": 0}
    assert refusals(explained(tmp_path, found)) == [(429, "rate_limit_exceeded")]

    quota["mode"] = "Shadow"
    said = explained(tmp_path, found)
    assert said.refused == ()
    (shadow,) = [limit for limit in said.limits if limit.shadow]
    assert not shadow.smallest
    assert not shadow.decides


@pytest.mark.parametrize(
    ("limit", "resource", "field"),
    [
        ("Tenant/acme/limits#requestsPerSecond", "Tenant acme", "spec.limits.requestsPerSecond"),
        (
            "Tenant/acme/ceilings/top#budgetDay",
            "Tenant acme",
            "spec.ceilings[name: top].limits.budgets[period: Day].amount",
        ),
        ("Quota/q#budgetMonth", "Quota q", "spec.limits.budgets[period: Month].amount"),
    ],
)
def test_a_limit_is_found_where_it_was_written(limit: str, resource: str, field: str) -> None:
    """Ids of a config lead back to the field that a person edits."""
    assert (written(limit).resource, written(limit).field) == (resource, field)


def test_the_command_prints_text_and_json(bailiwick: Any) -> None:
    """Plain text into a pipe, square brackets of paths included; JSON for programs; exit codes."""
    asked = ("explain", "-f", ACME, "--tenant", "acme", "--team", "search", "--model", "smart")
    text = bailiwick(*asked, "--tokens", "500")
    assert (text.code, text.err) == (0, "")
    assert "spec.ceilings[name: search-premium].limits.tokensPerMinute" in text.out
    assert "PriceBook/list-prices/gpt-5-2026-08" in text.out
    assert "This call would pass while nothing is in use." in text.out
    assert "\x1b" not in text.out

    said = bailiwick(*asked, "--tokens", "9000", "--format", "json")
    assert said.code == 1
    answer = json.loads(said.out)
    assert answer["allowed"] is False
    assert {it["code"] for it in answer["refused"]} == {"request_exceeds_limit"}
    assert answer["limits"][0]["written"]["resource"]


def test_wrong_names_and_files_are_told(bailiwick: Any, tmp_path: Path) -> None:
    """What is not in the files is named with what is."""
    asked = ("explain", "-f", ACME, "--team", "search", "--model", "fast")
    unknown = bailiwick(*asked, "--tenant", "umbrella")
    assert unknown.code == 1
    assert "found: acme" in unknown.err

    elsewhere = bailiwick(*asked, "--tenant", "acme", "--namespace", "acme-test")
    assert elsewhere.code == 1
    assert "it has acme-prod" in elsewhere.err

    broken = tmp_path / "broken.yaml"
    broken.write_text((ACME / "platform.yaml").read_text().replace("currency: USD", "currency: 7"))
    wrong = bailiwick("explain", "-f", broken, *asked[3:], "--tenant", "acme")
    assert wrong.code == 1
    assert "correct the files first" in wrong.err


def test_nothing_heavy_is_imported_for_help() -> None:
    """The command's own module is loaded when it runs, not when help is asked for."""
    program = (
        "import sys, bailiwick_cli.main; "
        "print([name for name in sys.modules if 'explain' in name or 'sidecar' in name])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"


@pytest.mark.parametrize(
    ("endpoint", "asked", "output"),
    [
        ("chat/completions", {"count": 3}, 1500),
        ("responses", {}, 500),
        ("completions", {"count": 2}, 1000),
        ("embeddings", {}, 0),
        ("moderations", {}, 0),
    ],
)
def test_each_endpoint_is_reserved_as_a_gateway_does(
    tmp_path: Path, endpoint: str, asked: dict[str, Any], output: int
) -> None:
    """The output that its own cap and number of choices bound."""
    said = explained(tmp_path, documents(), endpoint=endpoint, **asked)

    assert (said.backends[0].reserved_output_tokens, said.output_tokens) == (output, output)
    assert said.refused == ()


def test_images_cost_each(tmp_path: Path) -> None:
    """A price per image stands beside the tokens' prices, which are reserved as well."""
    found = documents()
    for one_model in one(found, "ClusterModelProvider", "openai-eu")["spec"]["models"]:
        one_model["price"] = {
            "inputPerMillion": "1", "outputPerMillion": "1", "perImage": "0.04",
            "perRequest": "0.01",
        }  # fmt: skip

    said = explained(tmp_path, found, endpoint="images/generations", tokens=None, count=3)

    assert (said.backends[0].per_call, said.backends[0].reserved_output_tokens) == (
        "0.13",
        3 * 16384,
    )
