"""Vault over HTTP, by hvac. Blocks: only the agent's Vault thread may call it.

API: https://developer.hashicorp.com/vault/api-docs (auth/jwt, auth/kubernetes, auth/token,
secret/kv); OpenBao speaks the same.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import hvac
import requests
from hvac import exceptions as hvac_errors

from bailiwick_sidecar.key_marks import id_beside
from bailiwick_sidecar.secrets import KeyRef, Secret, is_sendable
from bailiwick_sidecar.vault.errors import VaultError
from bailiwick_sidecar.vault.outcomes import Cause, Found, Missing
from bailiwick_sidecar.vault.settings import Method, VaultSettings
from bailiwick_sidecar.vault.timing import Lease

LONGEST_WORDS: Final = 200
TOKEN_BYTES: Final = 64 << 10
KV_2: Final = 2
LOGIN: Final = "login"
RENEWAL: Final = "renewal of a lease"


class VaultClient:
    """One Vault. `clock` gives seconds that only go forward."""

    def __init__(self, settings: VaultSettings, *, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._engines: dict[str, int] = {}
        session = requests.Session()
        # Neither a proxy of the environment nor a .netrc has a part in this.
        session.trust_env = False
        session.verify = str(settings.ca_file) if settings.ca_file else True
        self._hvac = hvac.Client(
            url=settings.address.rstrip("/"),
            token="",  # not None: hvac would look for one in the environment and in ~/.vault-token
            namespace=settings.namespace or None,
            timeout=(settings.connect_timeout, settings.read_timeout),  # type: ignore[arg-type]  # requests takes a pair
            session=session,
            # A redirect would take the token along, whereever it points.
            allow_redirects=False,
        )

    def login(self, *, mount: str, role: str) -> Lease:
        """A lease on a new token, which later calls use.

        Raises:
            VaultError: there is none; `refused` where Vault says no.
        """
        self._engines.clear()
        given = self._given_token()
        if self._settings.method is Method.TOKEN:
            self._hvac.token = given
            return Lease(Secret(given), ttl=0, renewable=False, since=self._clock())
        self._hvac.token = ""
        # The two methods take the same call.
        path = f"/v1/auth/{mount.strip('/')}/login"
        said = self._call(
            f"{LOGIN} at {mount}",
            lambda: self._hvac.adapter.post(path, json={"role": role, "jwt": given}),
        )
        return self._lease(said)

    def renew(self) -> Lease:
        """The lease after its renewal.

        Raises:
            VaultError: as `login`.
        """
        return self._lease(
            self._call(
                "token renewal", lambda: self._hvac.adapter.post("/v1/auth/token/renew-self")
            )
        )

    def revoke(self) -> None:
        """Give the token back.

        Raises:
            VaultError: Vault did not take it; it ends with its time.
        """
        if self._hvac.token and self._settings.method is not Method.TOKEN:
            self._call(
                "token revocation",
                lambda: self._hvac.adapter.post("/v1/auth/token/revoke-self", timeout=(1, 1)),
            )
        self._hvac.token = ""

    def make_login(self, path: str) -> dict[str, Any]:
        """What an engine that makes logins answers (`database/creds/ROLE`): data and lease.

        Raises:
            VaultError: as `read`; also where there is no such role.
        """
        try:
            return dict(self._call("a new login", lambda: self._get(f"/v1/{path}")))
        except _NotThere:
            raise VaultError(
                Cause.FAILING, f"there is nothing at {path}: write the role there"
            ) from None

    def renew_lease(self, lease_id: str) -> dict[str, Any]:
        """What is left of a lease after its renewal.

        Raises:
            VaultError: as `read`; `refused` where the lease is over.
        """
        path = "/v1/sys/leases/renew"
        try:
            said = self._call(
                RENEWAL, lambda: self._hvac.adapter.put(path, json={"lease_id": lease_id})
            )
        except _NotThere:
            raise VaultError(Cause.FAILING, "the lease is over", refused=True) from None
        return dict(said)

    def read(self, ref: KeyRef) -> Found | Missing:
        """The key, or what is missing.

        Raises:
            VaultError: Vault does not say; `refused` where it says no.
        """
        if self._engine(ref.mount) == KV_2:
            return self._read_2(ref)
        try:
            said = self._call("read", lambda: self._get(f"/v1/{ref.mount}/{ref.path}"))
        except _NotThere:
            return Missing(f"there is nothing at {_shown(ref)}: write the key there")
        return _field(ref, _mapping(said.get("data")), version=0, created=None)

    def _read_2(self, ref: KeyRef) -> Found | Missing:
        try:
            said = self._call("read", lambda: self._get(f"/v1/{ref.mount}/data/{ref.path}"))
        except _NotThere as error:
            metadata = _mapping(_mapping(_mapping(error.said).get("data")).get("metadata"))
            if metadata.get("deletion_time") or metadata.get("destroyed"):
                return Missing(
                    f"version {metadata.get('version')} of {_shown(ref)} is deleted: undelete it,"
                    " or write a new one"
                )
            return Missing(f"there is nothing at {_shown(ref)}: write the key there")
        data = _mapping(said.get("data"))
        metadata = _mapping(data.get("metadata"))
        version = metadata.get("version")
        return _field(
            ref,
            _mapping(data.get("data")),
            version=version if isinstance(version, int) else 0,
            created=_time(metadata.get("created_time")),
        )

    def _engine(self, mount: str) -> int:
        """Version of the KV engine at this mount; 2 where Vault does not tell this token."""
        if mount not in self._engines:
            try:
                said = self._call(
                    "mount lookup", lambda: self._get(f"/v1/sys/internal/ui/mounts/{mount}")
                )
            except (_NotThere, VaultError) as error:
                if isinstance(error, VaultError) and not error.refused:
                    raise
                # Not kept: a new policy may tell.
                return KV_2
            options = _mapping(_mapping(said.get("data")).get("options"))
            self._engines[mount] = KV_2 if str(options.get("version")) == "2" else 1
        return self._engines[mount]

    def _get(self, path: str) -> Any:
        return self._hvac.adapter.get(path)

    def _given_token(self) -> str:
        path = self._settings.token_file
        try:
            with path.open("rb") as file:
                text = file.read(TOKEN_BYTES).decode("ascii").strip()
        except OSError as error:
            raise VaultError(
                Cause.LOGIN_REFUSED,
                f"the token file {path} cannot be read ({error.strerror}): is it mounted?",
            ) from error
        except UnicodeDecodeError:
            text = ""
        if not text or not text.isprintable():
            raise VaultError(Cause.LOGIN_REFUSED, f"the token file {path} holds no token")
        return text

    def _lease(self, said: Mapping[str, Any]) -> Lease:
        auth = _mapping(said.get("auth"))
        token, ttl = auth.get("client_token"), auth.get("lease_duration")
        if not isinstance(token, str) or not token or not isinstance(ttl, int):
            raise VaultError(Cause.FAILING, "Vault's answer to the login holds no token")
        self._hvac.token = token
        return Lease(
            Secret(token),
            ttl=float(ttl),
            renewable=auth.get("renewable") is True,
            since=self._clock(),
        )

    def _call(self, what: str, call: Callable[[], Any]) -> Mapping[str, Any]:
        """The JSON object of an answer; every foreign exception ends here."""
        try:
            said = call()
        except hvac_errors.InvalidPath as error:
            raise _NotThere(error.json) from None
        except hvac_errors.VaultError as error:
            raise _of_vault(what, error) from None
        except requests.exceptions.Timeout:
            raise VaultError(Cause.SLOW, f"Vault did not answer in time ({what})") from None
        except requests.exceptions.SSLError as error:
            raise VaultError(
                Cause.UNREACHABLE,
                f"Vault's certificate is not trusted ({_words(error)}): give its CA",
            ) from None
        except (requests.exceptions.RequestException, OSError) as error:
            # `from None`: the exceptions of requests hold the request with its headers.
            raise VaultError(
                Cause.UNREACHABLE,
                f"Vault cannot be reached at {self._settings.address} ({type(error).__name__})",
            ) from None
        if isinstance(said, Mapping):
            return said
        if getattr(said, "status_code", 0) == HTTPStatus.NO_CONTENT:
            return {}
        raise VaultError(Cause.FAILING, f"Vault's answer cannot be read ({what})")


class _NotThere(Exception):  # noqa: N818 -- no error: an answer that one caller expects
    """Vault says 404."""

    def __init__(self, said: object) -> None:
        super().__init__("nothing there")
        self.said = said


def _of_vault(what: str, error: hvac_errors.VaultError) -> VaultError:
    words = f"{what}: {_words(', '.join(error.errors or ()) or type(error).__name__)}"
    match error:
        case hvac_errors.Forbidden() | hvac_errors.Unauthorized():
            return VaultError(Cause.LOGIN_REFUSED, f"Vault says no ({words})", refused=True)
        case hvac_errors.InvalidRequest():
            # A login with a bad role, and one whose keys Vault cannot fetch, are both 400.
            cause = Cause.LOGIN_REFUSED if what.startswith(LOGIN) else Cause.FAILING
            # A lease that is over is a bad request, too.
            over = what == RENEWAL
            return VaultError(cause, f"Vault does not take it ({words})", refused=over)
        case hvac_errors.VaultDown():
            return VaultError(Cause.SEALED, f"Vault is sealed or has no active node ({words})")
        case _:
            return VaultError(Cause.FAILING, f"Vault fails ({words})")


def _field(
    ref: KeyRef, fields: Mapping[str, Any], *, version: int, created: float | None
) -> Found | Missing:
    value = fields.get(ref.field)
    if value is None:
        return Missing(f"{_shown(ref)} has no field {ref.field}: add it")
    if not isinstance(value, str) or not is_sendable(value):
        return Missing(
            f"field {ref.field} of {_shown(ref)} is no key: it must be visible ASCII characters,"
            " without a line end"
        )
    secret = Secret(value)
    return Found(secret, version, created, id_beside(fields, ref.field, secret))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _time(value: object) -> float | None:
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return None


def _shown(ref: KeyRef) -> str:
    return f"{ref.mount}/{ref.path}"


def _words(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST_WORDS else f"{text[:LONGEST_WORDS]}…"
