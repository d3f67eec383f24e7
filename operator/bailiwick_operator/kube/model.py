"""What the operator asks of the Kubernetes API, and how it may fail."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from bailiwick_contract.errors import BailiwickError
from bailiwick_operator.secret import Secret

Manifest = dict[str, Any]
"""A Kubernetes object as its JSON."""

FIELD_MANAGER = "bailiwick-operator"
"""The one owner of every field that the operator sets by server-side apply."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource type: where its objects are found in the API."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """The `apiVersion` of a manifest of this kind."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, *, namespace: str = "", name: str = "") -> str:
        """URL path of the collection, or of one object."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"
        if self.namespaced and namespace:
            root += f"/namespaces/{namespace}"
        return f"{root}/{self.plural}" + (f"/{name}" if name else "")


@dataclass(frozen=True, slots=True)
class TokenReview:
    """The API server's word on a token (authentication.k8s.io/v1)."""

    authenticated: bool
    username: str = ""
    audiences: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class KubeError(BailiwickError):
    """The API server refused a call or could not be reached; `status` 0: no answer."""

    def __init__(self, message: str, *, status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class NotFoundError(KubeError):
    """The object, its namespace or its kind does not exist."""


class ConflictError(KubeError):
    """Someone else changed or replaced the object, or it is being deleted."""


class AlreadyExistsError(ConflictError):
    """An object of this name exists."""


class ForbiddenError(KubeError):
    """RBAC or an admission policy does not let the operator do this."""


class InvalidError(KubeError):
    """The object does not fit its schema."""


class UnavailableError(KubeError):
    """The API server is away, overloaded or too slow: try again."""


class TokenReviewer(Protocol):
    """Asks the API server whom a token belongs to."""

    async def review_token(self, token: Secret, *, audience: str) -> TokenReview:
        """Return its word; raises KubeError where it has none."""
        ...


class Kube(TokenReviewer, Protocol):
    """The calls that the operator makes; each raises KubeError as its documentation says."""

    async def get(self, kind: Kind, *, namespace: str = "", name: str) -> Manifest | None:
        """Return the object, or None where there is none."""
        ...

    async def document(self, path: str) -> Manifest:
        """Return a JSON document of the API server itself, such as its issuer's keys."""
        ...

    async def list(self, kind: Kind, *, namespace: str = "", labels: str = "") -> list[Manifest]:
        """Return all objects that match the label selector; none where the kind is unknown."""
        ...

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Create the object, atomically; AlreadyExistsError where the name is taken."""
        ...

    async def apply(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Own exactly the fields of `manifest` by server-side apply; returns the result.

        Takes fields from other managers: what the operator writes is its own.
        """
        ...

    async def apply_status(self, kind: Kind, manifest: Manifest) -> Manifest | None:
        """Own the `status` fields of `manifest`; None where the object is gone or replaced."""
        ...

    async def delete(self, kind: Kind, *, namespace: str = "", name: str, uid: str = "") -> bool:
        """Delete in the background; false where it is gone or has another UID."""
        ...
