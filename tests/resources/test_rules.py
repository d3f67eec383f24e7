"""The CEL rules of the schemas: each refuses what it should and nothing else."""

from typing import Any

import pytest
import yaml
from resources.resource_cases import ROOT, RuleCase, rule_cases, violations

from bailiwick_operator.api.cel import RuleError, evaluate
from bailiwick_operator.api.schema import rules_by_message

CASES = rule_cases()


def rules_in(schema: Any) -> set[tuple[str, str]]:
    """Every (rule, message) of a schema, at any depth."""
    found = {(r["rule"], r["message"]) for r in schema.get("x-kubernetes-validations", ())}
    below = [*schema.get("properties", {}).values(), schema.get("items", {})]
    return found.union(*(rules_in(one) for one in below if one))


def rules_of_definitions() -> set[tuple[str, str]]:
    """Every rule in the CRD files as they are shipped."""
    found: set[tuple[str, str]] = set()
    for file in (ROOT / "crds").glob("*.yaml"):
        (version,) = yaml.safe_load(file.read_text(encoding="utf-8"))["spec"]["versions"]
        found |= rules_in(version["schema"]["openAPIV3Schema"])
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_broken_rule_is_named(case: RuleCase) -> None:
    """A resource that breaks one rule gets that rule's message and nothing else."""
    found = [(one.path, one.message) for one in violations(case.resource, old=case.old)]

    assert found == [(case.path, case.message)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_cured_resource_passes(case: RuleCase) -> None:
    """The same resource without the mistake is accepted."""
    assert violations(case.cured, old=case.old) == []


def test_every_shipped_rule_has_a_case() -> None:
    """No rule in crds/ goes without a resource that breaks it and one that satisfies it."""
    assert {message for _, message in rules_of_definitions()} == {case.message for case in CASES}


def test_every_shipped_rule_has_one_message_of_its_own() -> None:
    """A message names its rule: two rules never say the same."""
    rules = rules_of_definitions()

    assert len({message for _, message in rules}) == len({rule for rule, _ in rules})


def test_every_rule_says_what_to_do() -> None:
    """Each rule has a cure that is more than its message."""
    for message, rule in rules_by_message().items():
        assert rule.cure, message
        assert rule.cure != message


def test_a_change_is_not_judged_without_its_past() -> None:
    """A rule about a change says nothing where there is no older resource."""
    case = next(case for case in CASES if case.name == "currency-immutable")

    assert violations(case.resource) == []


@pytest.mark.parametrize(
    ("rule", "value"), [("self.x ==", {}), ("self.y == 1", {}), ("self.x", {"x": 3})]
)
def test_a_rule_that_does_not_answer_is_an_error(rule: str, value: dict[str, int]) -> None:
    """A rule with a mistake of its own is reported as such, never taken as satisfied."""
    with pytest.raises(RuleError, match="the rule"):
        evaluate(rule, value)


def test_a_field_with_a_reserved_name_is_reached_as_in_kubernetes() -> None:
    """`__namespace__` in a rule is the field `namespace`."""
    assert evaluate("self.l.all(x, x.__namespace__ == 'a')", {"l": [{"namespace": "a"}]})
    assert not evaluate("self.l.all(x, x.__namespace__ == 'a')", {"l": [{"namespace": "b"}]})
