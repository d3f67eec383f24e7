"""Providers: where models are served, and what is known about each model there."""

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bailiwick_contract.v1.tenant_config_pb2 import Credential
from bailiwick_contract.v1.tenant_config_pb2 import Provider as ProviderConfig
from bailiwick_operator.api.v1alpha1 import ClusterModelProvider, ModelProvider, Tenant
from bailiwick_operator.api.v1alpha1.provider import CredentialType, Price, Protocol, Tls
from bailiwick_operator.compile.address import AddressError, Endpoint, host_of, parse_url
from bailiwick_operator.compile.findings import Report
from bailiwick_operator.compile.vault import check_prefix, compile_credential
from bailiwick_operator.conditions import Reason

_PROTOCOL = {Protocol.OPENAI: ProviderConfig.PROTOCOL_OPENAI}


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One model of a provider; sizes of 0 are not known."""

    tier: str
    max_output_tokens: int
    context_window: int
    price: Price | None


@dataclass(frozen=True, slots=True)
class ResolvedProvider:
    """A provider as one tenant namespace sees it.

    `allowed_tenants` is None where every tenant may use it. `book_name` is what PriceBooks call
    it, empty for a tenant's own: their prices are nobody's to name but the catalogue's.
    """

    config: ProviderConfig
    base_url: str
    models: Mapping[str, ModelFacts]
    currency: str
    book_name: str
    allowed_tenants: frozenset[str] | None
    report: Report


def resolve_cluster_provider(
    provider: ClusterModelProvider, tenant: Tenant, namespace: str, out: Report
) -> ResolvedProvider:
    """The cluster's provider for one tenant; what is wrong with it stands in `out`."""
    spec = provider.spec
    for index, model in enumerate(spec.models):
        if model.tier is None and spec.tier is None:
            out.refuse(
                f"spec.models[{index}].tier",
                Reason.INVALID,
                "every model needs a tier: set spec.tier, or tier on each model",
                cure="name a tier that Tenant.spec.modelAccess uses",
            )
        if model.price is not None and spec.currency is None:
            out.refuse(
                "spec.currency",
                Reason.INVALID,
                "currency is required where a model has a price",
                cure="add spec.currency, such as USD",
            )
    return ResolvedProvider(
        config=_config(provider, tenant, namespace, out, region=spec.region),
        base_url=spec.base_url,
        models={
            model.name: ModelFacts(
                tier=model.tier or spec.tier or "",
                max_output_tokens=model.max_output_tokens or 0,
                context_window=model.context_window or 0,
                price=model.price,
            )
            for model in spec.models
        },
        currency=spec.currency or "",
        book_name=provider.metadata.name,
        allowed_tenants=frozenset(spec.allowed_tenants.names) if spec.allowed_tenants else None,
        report=out,
    )


def check_own_hosts(tenant: Tenant, out: Report) -> None:
    """Refuse hosts that no ModelProvider could ever name."""
    own = tenant.spec.own_providers
    for index, allowed in enumerate(own.hosts if own is not None else ()):
        try:
            _authority(allowed.host, 443)
        except AddressError as error:
            out.refuse(
                f"spec.ownProviders.hosts[{index}].host",
                Reason.INVALID,
                str(error),
                cure=error.cure,
            )


def resolve_own_provider(
    provider: ModelProvider, tenant: Tenant, namespace: str, out: Report
) -> ResolvedProvider:
    """The tenant's own provider, within what its Tenant allows."""
    own = tenant.spec.own_providers
    if own is None:
        out.refuse(
            "spec",
            Reason.OWN_PROVIDERS_NOT_ALLOWED,
            f"tenant {tenant.metadata.name} may have no providers of its own",
            cure="ask the platform team for ownProviders on the Tenant, "
            "or use a ClusterModelProvider",
        )
    config = _config(provider, tenant, namespace, out, region="")
    if own is not None:
        if config.host:
            config.region = _region(config, tenant, out)
        if config.credential.type == Credential.TYPE_VAULT and config.credential.path:
            check_prefix(config.credential.path, own.vault_prefix, out)
    return ResolvedProvider(
        config=config,
        base_url=provider.spec.base_url,
        models={
            model.name: ModelFacts(
                tier=own.tier if own is not None else "",
                max_output_tokens=model.max_output_tokens or 0,
                context_window=model.context_window or 0,
                price=None,
            )
            for model in provider.spec.models
        },
        currency="",
        book_name="",
        allowed_tenants=None,
        report=out,
    )


def _config(
    provider: ClusterModelProvider | ModelProvider,
    tenant: Tenant,
    namespace: str,
    out: Report,
    *,
    region: str,
) -> ProviderConfig:
    spec = provider.spec
    config = ProviderConfig(
        name=f"{type(provider).__name__}/{provider.metadata.name}",
        protocol=_PROTOCOL[spec.protocol],
        region=region,
        credential=compile_credential(
            spec.credentials,
            tenant,
            namespace,
            out,
            own=isinstance(provider, ModelProvider),
        ),
    )
    try:
        endpoint = parse_url(spec.base_url)
    except AddressError as error:
        out.refuse("spec.baseURL", Reason.INVALID, str(error), cure=error.cure)
    else:
        config.tls, config.host = endpoint.tls, endpoint.host
        config.port, config.path = endpoint.port, endpoint.path
        _check_transport(endpoint, spec.credentials.type, spec.tls, out)
    if spec.tls is not None:
        config.ca_bundle = _certificates(spec.tls.ca_bundle, out)
    return config


def _check_transport(
    endpoint: Endpoint, credential: CredentialType, tls: Tls | None, out: Report
) -> None:
    if endpoint.tls:
        return
    if credential != CredentialType.NONE and not endpoint.loopback:
        out.refuse(
            "spec.baseURL",
            Reason.KEY_OVER_PLAIN_HTTP,
            "a key may not travel over plain http: use https or credentials.type None",
            cure="plain http is for loopback addresses and for providers that take no key",
        )
    if tls is not None:
        out.refuse(
            "spec.tls",
            Reason.INVALID,
            "tls.caBundle has no effect with a plain http baseURL",
            cure="use an https baseURL, or remove tls",
        )


def _region(config: ProviderConfig, tenant: Tenant, out: Report) -> str:
    own = tenant.spec.own_providers
    default = 443 if config.tls else 80
    for allowed in own.hosts if own is not None else ():
        try:
            if _authority(allowed.host, default) == (config.host, config.port):
                return allowed.region
        except AddressError:
            # The Tenant says so.
            continue
    out.refuse(
        "spec.baseURL",
        Reason.HOST_NOT_ALLOWED,
        f"{config.host} with port {config.port} is not one of the hosts that tenant "
        f"{tenant.metadata.name} may use",
        cure="ask the platform team to add it to ownProviders.hosts of the Tenant",
    )
    return ""


def _authority(text: str, default_port: int) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if colon and port.isdecimal() and (":" not in host or host.endswith("]")):
        return host_of(host), int(port)
    return host_of(text), default_port


def _certificates(bundle: str, out: Report) -> str:
    """The bundle's certificates alone: nothing that stands between them gets into a config."""
    if "PRIVATE KEY" in bundle:
        out.refuse(
            "spec.tls.caBundle",
            Reason.SECRET_IN_SPEC,
            "it holds a private key",
            cure="give the certificates alone, and replace that key: it has been seen",
        )
        return ""
    try:
        certificates = x509.load_pem_x509_certificates(bundle.encode())
    except ValueError:
        certificates = []
    if not certificates:
        out.refuse(
            "spec.tls.caBundle",
            Reason.INVALID,
            "it holds no certificate that can be read",
            cure="paste the certificates in PEM, from BEGIN CERTIFICATE to END CERTIFICATE",
        )
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in certificates)
