"""TenantBinding: written by the operator alone, one in each tenant namespace."""

from typing import Annotated, ClassVar

from msgspec import Meta, field

from bailiwick_operator.api.v1alpha1.base import (
    API_VERSION,
    BY_NAME,
    Model,
    ObjectMeta,
    Rule,
    Status,
)
from bailiwick_operator.api.v1alpha1.limits import NamedLimits
from bailiwick_operator.api.v1alpha1.scalars import DnsLabel
from bailiwick_operator.api.v1alpha1.serving import OwnProviders

BINDING_NAME = "bailiwick"
"""The one name that a TenantBinding may have: that makes the claim atomic."""


class TenantBindingSpec(Model, frozen=True, kw_only=True):
    """Which tenant a namespace belongs to, and what holds there."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.tenant == oldSelf.tenant && self.tenantUID == oldSelf.tenantUID",
            message="a binding never changes its tenant: the namespace must be released first",
            cure="remove the namespace from the old Tenant and wait until its binding is gone",
        ),
    )

    tenant: Annotated[DnsLabel, Meta(description="Name of the Tenant that claims the namespace.")]
    tenant_uid: Annotated[
        str,
        Meta(
            description="UID of that Tenant; it tells a re-created one from the old one.",
            min_length=1,
            max_length=64,
        ),
    ] = field(name="tenantUID")
    ceilings: Annotated[
        tuple[NamedLimits, ...],
        Meta(
            description="Copy of the Tenant's ceilings, for admission policies.",
            max_length=64,
            extra_json_schema=BY_NAME,
        ),
    ] = ()
    own_providers: Annotated[
        OwnProviders | None,
        Meta(description="Copy of the Tenant's ownProviders, for admission policies."),
    ] = None


class TenantBinding(Model, frozen=True, kw_only=True):
    """The claim of a Tenant on a namespace. Written by the operator alone."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=f"self.metadata.name == '{BINDING_NAME}'",
            message="a TenantBinding is named bailiwick: a namespace has exactly one",
            cure="leave TenantBindings to the operator",
            field=".metadata.name",
        ),
    )

    api_version: str = API_VERSION
    kind: str = "TenantBinding"
    metadata: ObjectMeta
    spec: TenantBindingSpec
    status: Status | None = None
