"""The operator's beginning and end, and kopf's settings: here and nowhere else."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import kopf

from bailiwick_operator.children.naming import OWNED
from bailiwick_operator.kube import kinds

PREFIX = "operator.bailiwick.dev"
"""Of the names that kopf would use on objects; it marks none with the handlers we have."""


def register_lifecycle(
    registry: kopf.OperatorRegistry,
    *,
    start: Callable[[], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
    probe: Callable[[], Mapping[str, Any]],
) -> None:
    """Add start-up, clean-up, log-in and liveness to the registry."""

    async def startup(*, settings: kopf.OperatorSettings, **_: object) -> None:
        configure(settings)
        await start()

    async def cleanup(**_: object) -> None:
        await stop()

    async def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    async def alive(**_: object) -> Mapping[str, Any]:
        return probe()

    kopf.on.startup(id="start", registry=registry)(startup)
    kopf.on.cleanup(id="stop", registry=registry)(cleanup)
    kopf.on.login(id="login", registry=registry, errors=kopf.ErrorsMode.PERMANENT)(login)
    kopf.on.probe(id="work", registry=registry)(alive)


def configure(settings: kopf.OperatorSettings) -> None:
    """Set kopf up: own names, no Events of its own, watches that notice silence."""
    settings.persistence.finalizer = f"{PREFIX}/finalizer"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=PREFIX)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=PREFIX)
    settings.posting.enabled = False
    settings.networking.request_timeout = 20
    settings.networking.connect_timeout = 10
    settings.watching.connect_timeout = 10
    settings.watching.chunk_size = 500
    settings.scanning.disabled = False
    for kind in (*kinds.CHILDREN, kinds.POD):
        # Only own objects: what else there is never reaches the operator.
        settings.watching.label_selectors[kind.group, kind.version, kind.plural] = f"{OWNED}=true"
