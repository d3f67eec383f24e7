"""Where the counters are that all gateways of a tenant share."""

from typing import Annotated

from msgspec import Meta

from bailiwick_operator.api.v1alpha1.base import Model
from bailiwick_operator.api.v1alpha1.provider import VaultReference


class QuotaStore(Model, frozen=True, kw_only=True):
    """A Redis 6.2 or Valkey 7.2, or newer, in which gateways count together."""

    address: Annotated[
        str,
        Meta(
            description="Host and port, such as valkey.quota.svc:6379.",
            min_length=3,
            max_length=260,
            pattern=r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]):[0-9]{1,5}$",
        ),
    ]
    tls: Annotated[bool, Meta(description="Whether to speak TLS. Default: true.")] = True
    ca_bundle: Annotated[
        str,
        Meta(
            description="Authorities that sign the store's certificate, PEM. Default: the image's.",
            max_length=65536,
        ),
    ] = ""
    key_prefix: Annotated[
        str,
        Meta(
            description=(
                "What all keys begin with; the tenant's own part follows. Default: bailiwick."
            ),
            min_length=1,
            max_length=63,
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        ),
    ] = "bailiwick"
    user: Annotated[
        str,
        Meta(
            description="User to log in as, with a password. Default: bailiwick-<tenant>.",
            max_length=128,
            pattern=r"^[A-Za-z0-9._-]*$",
        ),
    ] = ""
    password: Annotated[
        VaultReference | None,
        Meta(description="Where in Vault the password lies. Absent: the store asks for none."),
    ] = None
