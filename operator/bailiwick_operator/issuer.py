"""The cluster's issuer of service-account tokens, as the API server publishes it."""

import json
import logging

from bailiwick_operator.compile.inputs import ServiceAccountIssuer
from bailiwick_operator.kube.model import Kube, KubeError

log = logging.getLogger(__name__)

DISCOVERY = "/.well-known/openid-configuration"
KEYS = "/openid/v1/jwks"
"""Served by the API server itself (KEP-1393); `jwks_uri` may name an address only it can reach."""


async def read_issuer(kube: Kube) -> ServiceAccountIssuer | None:
    """Issuer and keys; None where the API server does not publish them.

    The keys go inline, sorted, so that the same keys give the same config.
    """
    try:
        discovery = await kube.document(DISCOVERY)
        keys = await kube.document(KEYS)
    except KubeError as error:
        log.warning("no service-account issuer error=%r", str(error))
        return None
    issuer = discovery.get("issuer")
    listed = keys.get("keys")
    if not isinstance(issuer, str) or not isinstance(listed, list):
        log.warning("no service-account issuer error='the documents are not as expected'")
        return None
    listed = sorted(listed, key=lambda key: str(key.get("kid", "")))
    inline = json.dumps({"keys": listed}, sort_keys=True, separators=(",", ":"))
    return ServiceAccountIssuer(issuer=issuer, jwks_inline=inline)
