"""What is said of a call: values only."""

from dataclasses import dataclass

from bailiwick_cli.explain.written import Written


@dataclass(frozen=True, slots=True)
class Asked:
    """One call. `size` is its body in bytes; `tokens` its output cap, None where it says none.

    `endpoint` is the path behind `/v1/`, `count` how many choices or images it asks for.
    """

    team: str
    project: str
    user: str
    model: str
    tokens: int | None
    size: int
    endpoint: str = "chat/completions"
    count: int = 1


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What would refuse the call (or one backend), with which code, and what to change."""

    code: str
    status: int
    message: str
    cure: str


@dataclass(frozen=True, slots=True)
class Backend:
    """One backend in the order of tries. Tokens and money are what one attempt there reserves.

    `share` is percent of the calls that begin at its priority. `left_out` says why it gets none.
    """

    name: str
    provider: str
    model: str
    tier: str
    region: str
    priority: int
    weight: int
    share: float
    credential: str
    price_source: str
    input_per_million: str
    output_per_million: str
    per_call: str
    """What the call costs beside its tokens: its price per request, and its images'."""
    reserved_input_tokens: int
    reserved_output_tokens: int
    reserved_cost: str
    left_out: Obstacle | None


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit that applies. `calls` is how many such calls fit into it at once; None: any number.

    `smallest` of its kind; `decides`: it is full before every other one.
    """

    id: str
    written: Written
    kind: str
    amount: str
    needs: str
    calls: int | None
    subject: tuple[tuple[str, str], ...]
    shadow: bool
    backends: tuple[str, ...]
    smallest: bool = False
    decides: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that can be said without a running gateway. `refused` is empty where the call passes."""

    tenant: str
    namespace: str
    currency: str
    asked: Asked
    cost_center: str
    route: str
    max_attempts: int
    output_tokens: int
    backends: tuple[Backend, ...]
    limits: tuple[Limit, ...]
    worst_cost: str
    refused: tuple[Obstacle, ...]
