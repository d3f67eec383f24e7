"""The certificate of the config stream: from files, or made and renewed by the operator."""

import base64
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bailiwick_contract.errors import BailiwickError
from bailiwick_operator.kube.kinds import SECRET
from bailiwick_operator.kube.model import AlreadyExistsError, Kube, Manifest
from bailiwick_operator.publish.server import KeyPair

log = logging.getLogger(__name__)

CA_DAYS = 3650
LEAF_DAYS = 90
RENEW_DAYS = 30
"""A certificate with less than this left is renewed."""


class CertificateError(BailiwickError):
    """There is no usable certificate for the config stream."""


class Certificates(Protocol):
    """Where the server's certificate and the agents' trust come from."""

    def key_pair(self) -> KeyPair:
        """The newest certificate and key."""
        ...

    def ca(self) -> str:
        """The PEM bundle that agents verify with."""
        ...

    async def refresh(self) -> None:
        """Renew what is due; called now and then."""
        ...


class FileCertificates:
    """Files that something else renews, such as cert-manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def key_pair(self) -> KeyPair:
        """See Certificates; raises CertificateError where a file can't be read."""
        return KeyPair(certificate=self._read("tls.crt"), key=self._read("tls.key"))

    def ca(self) -> str:
        """See Certificates."""
        return self._read("ca.crt").decode()

    async def refresh(self) -> None:
        """See Certificates: the files are read at each handshake."""

    def _read(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except OSError as error:
            raise CertificateError(
                f"{self._folder / name} can't be read ({error.strerror}): is the certificate's"
                " Secret mounted?"
            ) from error


@dataclass(frozen=True, slots=True)
class Issued:
    """A CA and a certificate that it signed, in PEM."""

    ca_certificate: bytes
    ca_key: bytes = field(repr=False)
    certificate: bytes
    key: bytes = field(repr=False)


class OwnCertificates:
    """A CA of the operator's own, kept in a Secret so that a restart changes no trust."""

    def __init__(
        self,
        kube: Kube,
        *,
        namespace: str,
        secret: str,
        names: Sequence[str],
        now: Callable[[], datetime],
        others: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """`others` maps further Secrets to the names in their certificates, of the same CA."""
        self._kube = kube
        self._namespace = namespace
        self._secret = secret
        self._names = tuple(names)
        self._now = now
        self._others = dict(others or {})
        self._issued: Issued | None = None

    def key_pair(self) -> KeyPair:
        """See Certificates; `refresh` comes first."""
        issued = self._current()
        return KeyPair(certificate=issued.certificate, key=issued.key)

    def ca(self) -> str:
        """See Certificates."""
        return self._current().ca_certificate.decode()

    async def refresh(self) -> None:
        """Read the Secret; make it where there is none, renew what is due."""
        found = await self._kube.get(SECRET, namespace=self._namespace, name=self._secret)
        if found is None:
            manifest = self._manifest(issue(self._names, now=self._now()))
            try:
                found = await self._kube.create(SECRET, manifest)
            except AlreadyExistsError:
                found = await self._kube.get(SECRET, namespace=self._namespace, name=self._secret)
            log.info("certificate made secret=%s/%s", self._namespace, self._secret)
        issued = _read_secret(found or {}, f"{self._namespace}/{self._secret}")
        if due(issued, self._names, now=self._now()):
            issued = renew(issued, self._names, now=self._now())
            await self._kube.apply(SECRET, self._manifest(issued))
            log.info("certificate renewed secret=%s/%s", self._namespace, self._secret)
        self._issued = issued
        for secret, names in self._others.items():
            await self._refresh_other(secret, names, issued)

    async def _refresh_other(self, secret: str, names: Sequence[str], own: Issued) -> None:
        """Make or renew another server's certificate; the CA's key is not given away with it."""
        found = await self._kube.get(SECRET, namespace=self._namespace, name=secret)
        data = {k: base64.b64decode(v) for k, v in ((found or {}).get("data") or {}).items()}
        held = Issued(
            ca_certificate=data.get("ca.crt", b""),
            ca_key=b"",
            certificate=data.get("tls.crt", b""),
            key=data.get("tls.key", b""),
        )
        if held.ca_certificate == own.ca_certificate and not due(held, names, now=self._now()):
            return
        made = renew(own, names, now=self._now())
        manifest = self._manifest(made)
        manifest["metadata"]["name"] = secret
        del manifest["data"]["ca.key"]
        if found is None:
            await self._kube.create(SECRET, manifest)
        else:
            await self._kube.apply(SECRET, manifest)
        log.info("certificate made secret=%s/%s", self._namespace, secret)

    def _current(self) -> Issued:
        if self._issued is None:
            raise CertificateError("the certificate was not read yet: call refresh() first")
        return self._issued

    def _manifest(self, issued: Issued) -> Manifest:
        content = {
            "ca.crt": issued.ca_certificate,
            "ca.key": issued.ca_key,
            "tls.crt": issued.certificate,
            "tls.key": issued.key,
        }
        return {
            "apiVersion": SECRET.api_version,
            "kind": SECRET.kind,
            "type": "kubernetes.io/tls",
            "metadata": {
                "name": self._secret,
                "namespace": self._namespace,
                "labels": {"app.kubernetes.io/managed-by": "bailiwick-operator"},
            },
            "data": {name: base64.b64encode(pem).decode() for name, pem in content.items()},
        }


def issue(names: Sequence[str], *, now: datetime) -> Issued:
    """A new CA and a certificate for these DNS names."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bailiwick-operator-ca")])
    ca = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(ca_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    bare = Issued(
        ca_certificate=ca.public_bytes(serialization.Encoding.PEM),
        ca_key=_private(ca_key),
        certificate=b"",
        key=b"",
    )
    return renew(bare, names, now=now)


def renew(issued: Issued, names: Sequence[str], *, now: datetime) -> Issued:
    """A new certificate and key from the same CA; a new CA too where the old one ends soon."""
    ca = x509.load_pem_x509_certificate(issued.ca_certificate)
    if _ends_soon(ca, now=now):
        return issue(names, now=now)
    ca_key = serialization.load_pem_private_key(issued.ca_key, password=None)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise CertificateError("the CA's key is not an EC key: delete the Secret, it is made anew")
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bailiwick-operator")]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=LEAF_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()),
            critical=False,
        )
        .sign(ca_key, hashes.SHA256())
    )
    return Issued(
        ca_certificate=issued.ca_certificate,
        ca_key=issued.ca_key,
        certificate=leaf.public_bytes(serialization.Encoding.PEM),
        key=_private(key),
    )


def due(issued: Issued, names: Sequence[str], *, now: datetime) -> bool:
    """True where the certificate or its CA ends soon, or it is for other names."""
    ca = x509.load_pem_x509_certificate(issued.ca_certificate)
    if _ends_soon(ca, now=now):
        return True
    leaf = x509.load_pem_x509_certificate(issued.certificate)
    said = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    if set(said.get_values_for_type(x509.DNSName)) != set(names):
        return True
    return leaf.not_valid_after_utc.astimezone(UTC) - now < timedelta(days=RENEW_DAYS)


def _ends_soon(ca: x509.Certificate, *, now: datetime) -> bool:
    """True where a certificate that is made now could outlive its CA."""
    return ca.not_valid_after_utc - now < timedelta(days=LEAF_DAYS + RENEW_DAYS)


def _read_secret(found: Manifest, where: str) -> Issued:
    data = found.get("data") or {}
    try:
        content = {
            name: base64.b64decode(data[name])
            for name in ("ca.crt", "ca.key", "tls.crt", "tls.key")
        }
    except (KeyError, ValueError) as error:
        raise CertificateError(
            f"Secret {where} is not as the operator made it ({error!r}): delete it, it is made anew"
        ) from error
    return Issued(
        ca_certificate=content["ca.crt"],
        ca_key=content["ca.key"],
        certificate=content["tls.crt"],
        key=content["tls.key"],
    )


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
