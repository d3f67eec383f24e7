"""ModelRoute: an alias that callers use, and the backends behind it."""

from enum import Enum
from typing import Annotated, ClassVar

from msgspec import Meta

from bailiwick_contract.bounds import MAX_ATTEMPTS
from bailiwick_operator.api.v1alpha1.base import (
    API_VERSION,
    AS_SET,
    ATOMIC,
    BY_NAME,
    LABEL_NAME,
    ONCE,
    Model,
    ObjectMeta,
    Rule,
    Status,
)
from bailiwick_operator.api.v1alpha1.scalars import (
    DnsLabel,
    Duration,
    ItemName,
    ModelName,
    Tokens,
)


class ProviderKind(Enum):
    """Kind of resource that a backend's provider is."""

    CLUSTER_MODEL_PROVIDER = "ClusterModelProvider"
    MODEL_PROVIDER = "ModelProvider"


class FallbackReason(Enum):
    """How an attempt may end so that the next one is made."""

    CONNECT_FAILURE = "ConnectFailure"
    FIRST_BYTE_TIMEOUT = "FirstByteTimeout"
    RATE_LIMITED = "RateLimited"
    SERVER_ERROR = "ServerError"


class ProviderReference(Model, frozen=True, kw_only=True):
    """A provider: one of the cluster, or one of the route's own namespace."""

    kind: Annotated[ProviderKind, Meta(description="ClusterModelProvider or ModelProvider.")]
    name: Annotated[DnsLabel, Meta(description="Name of the provider.")]


class Backend(Model, frozen=True, kw_only=True):
    """A model at a provider that may answer."""

    name: Annotated[DnsLabel, Meta(description="Name, unique in the route.")]
    provider: Annotated[ProviderReference, Meta(description="Where the model is served.")]
    model: Annotated[ModelName, Meta(description="One of the provider's models.")]
    weight: Annotated[
        int,
        Meta(
            description="Share of the calls within its priority; 0 takes none. Default: 1.",
            ge=0,
            le=1_000_000,
        ),
    ] = 1
    priority: Annotated[
        int,
        Meta(
            description="0 is tried first, larger numbers are fallbacks. Default: 0.", ge=0, le=15
        ),
    ] = 0


class Stickiness(Enum):
    """Whose calls stay at one backend."""

    USER = "User"


class OnExceed(Enum):
    """What happens to a stream that gives more than was reserved for it."""

    PASS = "Pass"  # noqa: S105  # no password: it goes on
    CUT = "Cut"


class RetryBudget(Model, frozen=True, kw_only=True):
    """How many further attempts the route makes: failing calls may cost money too."""

    percent: Annotated[
        int,
        Meta(
            description="Further attempts of the last minute, in percent of its calls.",
            ge=0,
            le=400,
        ),
    ]
    min_per_minute: Annotated[
        int,
        Meta(
            description="So many are made in any case, by one gateway. Default: 10.",
            ge=0,
            le=100_000,
        ),
    ] = 10


class Fallback(Model, frozen=True, kw_only=True):
    """When the next attempt is made."""

    when: Annotated[
        tuple[FallbackReason, ...],
        Meta(
            description=(
                "Ends of an attempt after which the next one is made. FirstByteTimeout:"
                " a stream's first byte did not come in time. RateLimited: the provider answered"
                " 429. ServerError: 5xx."
            ),
            min_length=1,
            max_length=4,
            extra_json_schema=AS_SET,
        ),
    ]
    max_attempts: Annotated[
        int,
        Meta(
            description="Attempts of one request, the first included. Default: 2.",
            ge=1,
            le=MAX_ATTEMPTS,
        ),
    ] = 2
    retry_budget: Annotated[
        RetryBudget | None,
        Meta(description="How many further attempts are made. Absent: each that may be."),
    ] = None


class Timeouts(Model, frozen=True, kw_only=True):
    """How long things may take; absent: the gateway's default."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=(
                "!has(self.request) || !has(self.backendRequest)"
                " || duration(self.backendRequest) <= duration(self.request)"
            ),
            message="timeouts.backendRequest is longer than timeouts.request, which ends it first",
            cure="make backendRequest at most request",
            field=".backendRequest",
        ),
        Rule(
            cel=(
                "!has(self.firstByte) || ((!has(self.request)"
                " || duration(self.firstByte) <= duration(self.request))"
                " && (!has(self.backendRequest)"
                " || duration(self.firstByte) <= duration(self.backendRequest)))"
            ),
            message="timeouts.firstByte is longer than the attempt or the request, which end first",
            cure="make firstByte at most backendRequest and request",
            field=".firstByte",
        ),
    )

    request: Annotated[
        Duration | None, Meta(description="The caller's request as a whole, all attempts.")
    ] = None
    backend_request: Annotated[Duration | None, Meta(description="One attempt.")] = None
    first_byte: Annotated[
        Duration | None,
        Meta(description="Streams only: until the first byte of an attempt's answer."),
    ] = None
    stream_idle: Annotated[
        Duration | None, Meta(description="Streams only: the longest silence.")
    ] = None


class OutputTokens(Model, frozen=True, kw_only=True):
    """How many output tokens a call may ask for."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.max) || !has(self.default) || self.default <= self.max",
            message="outputTokens.default is above outputTokens.max",
            cure="make default at most max",
            field=".default",
        ),
        Rule(
            cel="has(self.max) || has(self.default)",
            message="outputTokens must set max or default",
            cure="set one of them, or remove outputTokens",
        ),
    )

    max: Annotated[
        Tokens | None, Meta(description="Most output tokens; a call that asks for more gets this.")
    ] = None
    default: Annotated[
        Tokens | None, Meta(description="What a call that says nothing gets. Default: max.")
    ] = None


class ModelRouteSpec(Model, frozen=True, kw_only=True):
    """Which models answer to which names."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=(
                "self.backends.all(a, !self.backends.exists(b, b.name != a.name"
                " && b.provider.kind == a.provider.kind && b.provider.name == a.provider.name"
                " && b.model == a.model))"
            ),
            message=(
                "two backends name the same provider and model: a fallback to the same place"
                " is none"
            ),
            cure="keep one of them, or name another provider or model",
            field=".backends",
        ),
        Rule(
            cel="self.backends.exists(b, !has(b.weight) || b.weight > 0)",
            message="every backend has weight 0: nothing could answer",
            cure="give at least one backend a weight above 0",
            field=".backends",
        ),
        Rule(
            cel=(
                "self.backends.all(a, self.backends.all(b,"
                " (has(a.priority) ? a.priority : 0) != (has(b.priority) ? b.priority : 0)"
                " || has(a.weight) == has(b.weight)))"
            ),
            message="within one priority either every backend has a weight or none has",
            cure="give each backend of that priority a weight",
            field=".backends",
        ),
        Rule(
            cel=(
                "!has(self.fallback) || !has(self.fallback.maxAttempts)"
                " || self.fallback.maxAttempts > 1"
                " || self.backends.all(b, (has(b.priority) ? b.priority : 0)"
                " == (has(self.backends[0].priority) ? self.backends[0].priority : 0))"
            ),
            message="fallback.maxAttempts 1 never reaches the backends of a later priority",
            cure="raise maxAttempts, or remove those backends",
            field=".fallback",
        ),
        Rule(
            cel="!has(self.fallback) || self.backends.size() > 1",
            message="fallback has no effect with a single backend",
            cure="add a backend with another provider or model, or remove fallback",
            field=".fallback",
        ),
    )

    aliases: Annotated[
        tuple[ModelName, ...],
        Meta(
            description='What callers put into "model". Absent: the resource\'s name.',
            min_length=1,
            max_length=16,
            extra_json_schema=ATOMIC,
            extra={"cel": (ONCE,)},
        ),
    ] = ()
    backends: Annotated[
        tuple[Backend, ...],
        Meta(
            description=(
                "Who answers: weights split within a priority, the next priority is the fallback."
            ),
            min_length=1,
            max_length=16,
            extra_json_schema=BY_NAME,
        ),
    ]
    fallback: Annotated[
        Fallback | None,
        Meta(
            description=(
                "When the next attempt is made; each backend is tried once at most. Absent: with"
                " backends of several priorities for every reason and as long as there are"
                " backends (at most 5 attempts); else one attempt."
            )
        ),
    ] = None
    timeouts: Annotated[Timeouts | None, Meta(description="How long things may take.")] = None
    output_tokens: Annotated[
        OutputTokens | None, Meta(description="How many output tokens a call may ask for.")
    ] = None
    stickiness: Annotated[
        Stickiness | None,
        Meta(
            description=(
                "User: a user's calls go to the same backend of a priority while it is there;"
                " weights split users instead of calls. Absent: each call by itself."
            )
        ),
    ] = None
    on_exceed: Annotated[
        OnExceed,
        Meta(
            description=(
                "Cut: a stream that gives more tokens than were reserved ends for its caller as if"
                " it had met its cap. Default: Pass."
            )
        ),
    ] = OnExceed.PASS
    teams: Annotated[
        tuple[ItemName, ...],
        Meta(
            description="Teams that may call. Absent: every team; an empty list is refused.",
            min_length=1,
            max_length=256,
            extra_json_schema=ATOMIC,
            extra={"cel": (ONCE,)},
        ),
    ] = ()


class ModelRoute(Model, frozen=True, kw_only=True):
    """An alias that callers use, routed to weighted, prioritised backends."""

    RULES: ClassVar[tuple[Rule, ...]] = (LABEL_NAME,)

    api_version: str = API_VERSION
    kind: str = "ModelRoute"
    metadata: ObjectMeta
    spec: ModelRouteSpec
    status: Status | None = None
