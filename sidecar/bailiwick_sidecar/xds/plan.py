"""Which cluster an attempt goes to: looked up in the plan that stands in headers."""

from envoy_data_plane.envoy.config.core.v3 import TypedExtensionConfig
from envoy_data_plane.envoy.extensions.router.cluster_specifiers.matcher.v3 import (
    ClusterAction,
    MatcherClusterSpecifier,
)
from envoy_data_plane.envoy.type.matcher.v3 import HttpRequestHeaderMatchInput
from envoy_data_plane.xds.core.v3 import TypedExtensionConfig as MatcherExtension
from envoy_data_plane.xds.type.matcher.v3 import (
    Matcher,
    MatcherMatcherTree,
    MatcherMatcherTreeMatchMap,
    MatcherOnMatch,
)

from bailiwick_sidecar.names import cluster_name
from bailiwick_sidecar.xds.codes import checked_code
from bailiwick_sidecar.xds.messages import extension, packed


def plan_specifier(codes: list[str], attempts: int) -> TypedExtensionConfig:
    """Attempt k goes to the backend whose code stands in `x-bw-a<k>`, if the route has it.

    `x-envoy-attempt-count` is one behind here: on the first retry it is "1".
    """
    later = {str(k - 1): MatcherOnMatch(matcher=_planned(k, codes)) for k in range(2, attempts + 1)}
    first = _planned(1, codes)
    tree = _tree("x-envoy-attempt-count", later) if later else first
    if later:
        tree.on_no_match = MatcherOnMatch(matcher=first)
    return extension(
        "envoy.router.cluster_specifier_plugin.matcher",
        MatcherClusterSpecifier(cluster_matcher=tree),
    )


def _planned(attempt: int, codes: list[str]) -> Matcher:
    actions = {
        checked_code(code): MatcherOnMatch(
            action=MatcherExtension(
                name="cluster", typed_config=packed(ClusterAction(cluster=cluster_name(code)))
            )
        )
        for code in codes
    }
    return _tree(f"x-bw-a{attempt}", actions)


def _tree(header: str, branches: dict[str, MatcherOnMatch]) -> Matcher:
    source = HttpRequestHeaderMatchInput(header_name=header)
    return Matcher(
        matcher_tree=MatcherMatcherTree(
            input=MatcherExtension(name=header, typed_config=packed(source)),
            exact_match_map=MatcherMatcherTreeMatchMap(map=branches),
        )
    )
