"""Where the counters are that all gateways of a tenant share."""

from typing import Annotated, Final

from msgspec import Meta

from bailiwick_operator.api.v1alpha1.base import Model
from bailiwick_operator.api.v1alpha1.provider import VaultReference

_HOST: Final = r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])"
_ONE: Final = _HOST + r":[0-9]{1,5}"
_SEVERAL: Final = f"{_ONE}(,{_ONE})*"
_SENTINELS: Final = rf"redis\+sentinel://{_SEVERAL}/[A-Za-z0-9._-]+(\?port=[0-9]{{1,5}})?"
ADDRESS: Final = rf"^({_ONE}|redis\+cluster://{_SEVERAL}|{_SENTINELS})$"


class QuotaStore(Model, frozen=True, kw_only=True):
    """A Redis 6.2 or Valkey 7.2, or newer, in which gateways count together."""

    address: Annotated[
        str,
        Meta(
            description=(
                "Host and port, such as valkey.quota.svc:6379. Or Sentinels and what they call the"
                " primary: redis+sentinel://s1:26379,s2:26379/NAME, with ?port=PORT where its"
                " servers do not listen on 6379. Or nodes of a cluster: redis+cluster://n1:6379,"
                "n2:6379."
            ),
            min_length=3,
            max_length=2048,
            pattern=ADDRESS,
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
