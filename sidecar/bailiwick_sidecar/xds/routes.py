"""Where a call goes. Delivered by RDS under one name, so that a new route drops no request."""

from collections.abc import Collection

from envoy_data_plane.envoy.config.core.v3 import DataSource
from envoy_data_plane.envoy.config.route.v3 import (
    ClusterSpecifierPlugin,
    DirectResponseAction,
    HeaderMatcher,
    RetryPolicy,
    RetryPolicyRetryBackOff,
    Route,
    RouteAction,
    RouteActionClusterNotFoundResponseCode,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
)

from bailiwick_contract.v1.tenant_config_pb2 import Fallback, TenantConfig
from bailiwick_contract.v1.tenant_config_pb2 import Route as ModelRoute
from bailiwick_sidecar.admission.operations import OPERATIONS
from bailiwick_sidecar.names import MAX_ATTEMPTS, backend_code, route_code
from bailiwick_sidecar.rekeying import KEY_REFUSED, asks_again, goes_on, keyed
from bailiwick_sidecar.xds.clusters import AGENT
from bailiwick_sidecar.xds.grpc_api import grpc_routes
from bailiwick_sidecar.xds.messages import exact, inline, millis, seconds
from bailiwick_sidecar.xds.plan import plan_specifier
from bailiwick_sidecar.xds.timeouts import phases

NAME = "calls"
AGENT_PATHS = ("/v1/models", "/v1/usage", "/readyz")
METERED_PATHS = tuple(OPERATIONS)

# How long a caller may leave the end of an answer unread.
_FLUSH_TIMEOUT = seconds(60)
_SERVER_ERRORS = [500, 502, 503, 504, 529]


def route_configuration(config: TenantConfig, *, body_limit: int) -> RouteConfiguration:
    """All routes of this gateway; the first that matches holds.

    `body_limit` is how many bytes of a request's body are read before it is refused.
    """
    routes: list[Route] = []
    wanting = keyed(config.providers)
    for model_route in config.routes:
        routes.append(_backend_route(model_route, wanting, stream=True))
        routes.append(_backend_route(model_route, wanting, stream=False))
    routes += _own_routes()
    return RouteConfiguration(
        name=NAME,
        validate_clusters=False,
        virtual_hosts=[
            VirtualHost(
                name="any",
                domains=["*"],
                routes=routes,
                include_request_attempt_count=True,
                request_body_buffer_limit=body_limit,
            )
        ],
    )


def _own_routes() -> list[Route]:
    planned = HeaderMatcher(name="x-bw-route", present_match=True)
    return [
        # Admitted on a route that Envoy does not have (yet, or any more).
        _fixed("unplanned", RouteMatch(prefix="/", headers=[planned]), 503),
        # The request script replaces this choice; what it does not handle goes nowhere.
        *(_unhandled(path) for path in METERED_PATHS),
        *grpc_routes(),
        *(_agent_route(path) for path in AGENT_PATHS),
        _fixed("healthz", RouteMatch(path="/healthz", headers=[_method("GET")]), 200, "ok\n"),
        _fixed("none", RouteMatch(prefix="/"), 404),
    ]


def _method(name: str) -> HeaderMatcher:
    return HeaderMatcher(name=":method", string_match=exact(name))


def _fixed(name: str, match: RouteMatch, status: int, text: str = "") -> Route:
    body: DataSource | None = inline(text) if text else None
    return Route(
        name=name, match=match, direct_response=DirectResponseAction(status=status, body=body)
    )


def _unhandled(path: str) -> Route:
    # A route with a cluster, though there is none of this name: the limit of a request's body is
    # that of the route that it has when it comes, and fixed answers have none.
    return Route(
        name=path,
        match=RouteMatch(path=path, headers=[_method("POST")]),
        route=RouteAction(
            cluster="unhandled",
            cluster_not_found_response_code=(
                RouteActionClusterNotFoundResponseCode.INTERNAL_SERVER_ERROR
            ),
        ),
    )


def _agent_route(path: str) -> Route:
    return Route(
        name=path,
        match=RouteMatch(path=path, headers=[_method("GET")]),
        route=RouteAction(cluster=AGENT, timeout=seconds(5)),
    )


def _backend_route(route: ModelRoute, wanting: Collection[str], *, stream: bool) -> Route:
    code = f"{route_code(route.name)}-{'s' if stream else 'u'}"
    limits = phases(route.timeouts)
    codes = [backend_code(route.name, one.name) for one in route.backends]
    specifier = plan_specifier(codes, _attempts(route.fallback))
    chosen = HeaderMatcher(name="x-bw-route", string_match=exact(code))
    return Route(
        name=code,
        match=RouteMatch(prefix="/", headers=[chosen]),
        route=RouteAction(
            inline_cluster_specifier_plugin=ClusterSpecifierPlugin(extension=specifier),
            timeout=limits.request,
            idle_timeout=limits.silence(_attempts(route.fallback)) if stream else seconds(0),
            flush_timeout=_FLUSH_TIMEOUT,
            retry_policy=_retry(
                route,
                wanting,
                RetryPolicy(per_try_timeout=limits.first_byte if stream else limits.attempt),
                stream=stream,
            ),
        ),
    )


def _attempts(fallback: Fallback) -> int:
    return max(1, min(fallback.max_attempts, MAX_ATTEMPTS))


def _retry(
    route: ModelRoute, wanting: Collection[str], policy: RetryPolicy, *, stream: bool
) -> RetryPolicy:
    conditions: set[str] = set()
    statuses: set[int] = set()
    again = asks_again(route, wanting)
    if again or goes_on(route, wanting):
        statuses |= set(KEY_REFUSED)
    # Where a call is tried again at the same place, nothing but a refused key may lead there.
    for when in () if again else route.fallback.when:
        if when == Fallback.WHEN_CONNECT_FAILURE:
            conditions |= {"connect-failure", "refused-stream", "reset-before-request"}
        elif when == Fallback.WHEN_FIRST_BYTE_TIMEOUT and stream:
            conditions.add("reset")
        elif when == Fallback.WHEN_RATE_LIMITED:
            statuses.add(429)
        elif when == Fallback.WHEN_SERVER_ERROR:
            statuses |= set(_SERVER_ERRORS)
            conditions.add("reset")
    if statuses:
        conditions.add("retriable-status-codes")
    policy.retry_on = ",".join(sorted(conditions))
    policy.retriable_status_codes = sorted(statuses)
    policy.num_retries = 1 if again else _attempts(route.fallback) - 1
    policy.refresh_cluster_on_retry = True
    # Another place is tried at once: there is nothing to wait for.
    policy.retry_back_off = RetryPolicyRetryBackOff(base_interval=millis(1), max_interval=millis(5))
    return policy
