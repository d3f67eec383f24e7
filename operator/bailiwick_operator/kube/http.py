"""The Kube protocol over HTTP: server-side apply with one field manager, errors as ours."""

import asyncio
import json
import random
from collections.abc import Mapping
from typing import Any, Self

import aiohttp

from bailiwick_operator.kube.connection import Connection
from bailiwick_operator.kube.kinds import TOKEN_REVIEW
from bailiwick_operator.kube.model import (
    FIELD_MANAGER,
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    Kind,
    KubeError,
    Manifest,
    NotFoundError,
    TokenReview,
    UnavailableError,
)
from bailiwick_operator.secret import Secret

APPLY = "application/apply-patch+yaml"
"""JSON is YAML: the body is JSON under this type (Kubernetes API concepts, server-side apply)."""

PAGE = 500
"""Objects per page of a list."""

TRIES = 4
"""A call that the API server throttles, or could not be reached for, is made this often."""

_BY_STATUS: Mapping[int, type[KubeError]] = {
    401: ForbiddenError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    422: InvalidError,
    429: UnavailableError,
    500: UnavailableError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}


class HttpKube:
    """Talks to one API server; open with `async with`."""

    def __init__(self, connection: Connection, *, timeout_s: float = 20.0) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the connection pool."""
        self._session = aiohttp.ClientSession(
            base_url=self._connection.server,
            connector=aiohttp.TCPConnector(ssl=self._connection.tls, limit=32),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection pool."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, kind: Kind, *, namespace: str = "", name: str) -> Manifest | None:
        """See Kube."""
        try:
            return await self._call("GET", kind.path(namespace=namespace, name=name))
        except NotFoundError:
            return None

    async def document(self, path: str) -> Manifest:
        """See Kube."""
        return await self._call("GET", path)

    async def list(self, kind: Kind, *, namespace: str = "", labels: str = "") -> list[Manifest]:
        """See Kube."""
        found: list[Manifest] = []
        query = {"limit": str(PAGE), **({"labelSelector": labels} if labels else {})}
        while True:
            try:
                page = await self._call("GET", kind.path(namespace=namespace), query=query)
            except NotFoundError:
                return found
            found += page.get("items") or []
            token = page.get("metadata", {}).get("continue", "")
            if not token:
                return found
            query["continue"] = token

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """See Kube."""
        path = kind.path(namespace=manifest["metadata"].get("namespace", ""))
        return await self._call(
            "POST", path, query={"fieldManager": FIELD_MANAGER}, body=manifest, repeat=False
        )

    async def apply(self, kind: Kind, manifest: Manifest) -> Manifest:
        """See Kube."""
        return await self._apply(kind, manifest, subresource="")

    async def apply_status(self, kind: Kind, manifest: Manifest) -> Manifest | None:
        """See Kube."""
        try:
            return await self._apply(kind, manifest, subresource="/status")
        except (NotFoundError, ConflictError):
            return None

    async def delete(self, kind: Kind, *, namespace: str = "", name: str, uid: str = "") -> bool:
        """See Kube."""
        options: Manifest = {"propagationPolicy": "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        path = kind.path(namespace=namespace, name=name)
        try:
            await self._call("DELETE", path, body=options)
        except (NotFoundError, ConflictError):
            return False
        return True

    async def review_token(self, token: Secret, *, audience: str) -> TokenReview:
        """See TokenReviewer."""
        body = {
            "apiVersion": TOKEN_REVIEW.api_version,
            "kind": TOKEN_REVIEW.kind,
            "spec": {"token": token.reveal(), "audiences": [audience]},
        }
        status = (await self._call("POST", TOKEN_REVIEW.path(), body=body)).get("status", {})
        user = status.get("user", {})
        return TokenReview(
            authenticated=status.get("authenticated") is True,
            username=str(user.get("username", "")),
            audiences=tuple(status.get("audiences") or ()),
            extra={name: tuple(values) for name, values in (user.get("extra") or {}).items()},
        )

    async def _apply(self, kind: Kind, manifest: Manifest, *, subresource: str) -> Manifest:
        metadata = manifest["metadata"]
        path = kind.path(namespace=metadata.get("namespace", ""), name=metadata["name"])
        return await self._call(
            "PATCH",
            path + subresource,
            query={"fieldManager": FIELD_MANAGER, "force": "true"},
            body=manifest,
            content_type=APPLY,
        )

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str = "application/json",
        repeat: bool = True,
    ) -> Manifest:
        """One call; repeated while throttled or away, unless a second one could do harm."""
        for attempt in range(TRIES):
            try:
                return await self._once(method, path, query, body, content_type)
            except UnavailableError as error:
                # 429 and 503 are answers that nothing was done; a lost connection is not.
                if attempt == TRIES - 1 or not (repeat or error.status in (429, 503)):
                    raise
                await asyncio.sleep(0.2 * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
        raise AssertionError  # pragma: no cover - the loop returns or raises

    async def _once(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Manifest | None,
        content_type: str,
    ) -> Manifest:
        if self._session is None:
            raise UnavailableError("the Kubernetes client is not open: use `async with`")
        headers = {**self._connection.headers(), "Accept": "application/json, */*;q=0.5"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = content_type
        try:
            async with self._session.request(
                method, path, params=query, data=data, headers=headers
            ) as response:
                text = await response.text()
                status = response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UnavailableError(
                f"{method} {path}: the API server did not answer"
                f" ({str(error) or type(error).__name__}); is it up?"
            ) from error
        try:
            parsed: Any = json.loads(text) if text else {}
        except ValueError:
            parsed = {}
        answer: Manifest = parsed if isinstance(parsed, dict) else {}
        if status < 400:  # noqa: PLR2004 - HTTP: below 400 is no error
            return answer
        raise _error(method, path, status, answer)


def _error(method: str, path: str, status: int, answer: Mapping[str, Any]) -> KubeError:
    reason = str(answer.get("reason", ""))
    kind = AlreadyExistsError if reason == "AlreadyExists" else _BY_STATUS.get(status, KubeError)
    causes = (answer.get("details") or {}).get("causes") or ()
    if kind is InvalidError and any(cause.get("field") == "metadata.uid" for cause in causes):
        # The object was replaced by another of its name.
        kind = ConflictError
    words = str(answer.get("message", "")) or "the API server gave no reason"
    return kind(f"{method} {path}: {words}", status=status, reason=reason)
