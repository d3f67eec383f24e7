"""What no operation takes: state under a key that teams share, or cost other than its price."""

from collections.abc import Iterable, Mapping
from typing import Final

from bailiwick_contract.tiers import CHOICE, STANDARD
from bailiwick_sidecar.admission.errors import RefusedError, refused
from bailiwick_sidecar.admission.operations.members import flag
from bailiwick_sidecar.admission.operations.operation import Said

TIERS: Final = (CHOICE, STANDARD)
_SEARCH: Final = "what a provider looks up brings input and fees that no limit here can know"
_STEERING: Final = "the route decides which model is called and where"
_BROUGHT_IN: Final[Mapping[str, str]] = {
    "web_search_options": _SEARCH,
    "search_parameters": _SEARCH,
    "plugins": _SEARCH,
    "models": _STEERING,
    "fallbacks": _STEERING,
    "api_base": _STEERING,
    "base_url": _STEERING,
}
"""Members of OpenAI's API and of compatible servers, with why they are refused."""


def refuse_unbillable(said: Said, own: frozenset[str]) -> None:
    """Refuse what can't be billed; `own` members are the operation's business.

    Raises:
        RefusedError: 400 that names the parameter.
    """
    for name in ("store", "background"):
        if name not in own and flag(said, name):
            raise refused(
                "unsupported_parameter",
                param=name,
                reason="what the provider keeps would be open to every caller of the same key",
            )
    if said.get("prediction") is not None:
        raise refused(
            "unsupported_parameter",
            param="prediction",
            reason="rejected predictions are billed beyond any output cap",
        )
    for name, reason in _BROUGHT_IN.items():
        if said.get(name) is not None:
            raise refused("unsupported_parameter", param=name, reason=reason)
    if said.get("tools"):
        raise refused(
            "unsupported_parameter",
            param="tools",
            reason="only tools of type function or custom are the caller's own; what a provider"
            " runs brings input and fees that no limit here can know beforehand",
        )
    best = said.get("best_of")
    if "best_of" not in own and best is not None and (type(best) is not int or best != 1):
        raise refused(
            "unsupported_parameter", param="best_of", reason="choices are asked for with n"
        )
    tier = said.get("service_tier")
    if "service_tier" not in own and tier is not None and tier not in TIERS:
        raise refused_tier(())


def refused_tier(priced: Iterable[str]) -> RefusedError:
    """What to raise for a service tier without a price, where these others have one."""
    *most, last = (*TIERS, *priced)
    return refused(
        "unsupported_parameter",
        param="service_tier",
        reason=f"only {', '.join(most)} and {last} have a known price for this model",
    )
