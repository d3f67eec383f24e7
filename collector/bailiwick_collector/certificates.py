"""The collector's certificate, from files that something else renews."""

import logging
from pathlib import Path

import grpc

from bailiwick_collector.errors import SettingsError

log = logging.getLogger(__name__)


class Certificates:
    """`tls.crt` and `tls.key` of a folder, as a Secret is mounted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._given = (b"", b"")

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """The newest certificate and key.

        Raises:
            SettingsError: they can't be read.
        """
        self._given = self._read()
        return grpc.ssl_server_certificate_configuration([self._given])

    def newer(self) -> grpc.ServerCertificateConfiguration | None:
        """Asked at each handshake: a configuration only where the files have changed."""
        try:
            if self._read() == self._given:
                return None
            return self.configuration()
        except SettingsError as error:
            log.warning("event=certificate_unreadable error=%r", str(error))
            return None

    def _read(self) -> tuple[bytes, bytes]:
        try:
            key, certificate = (
                (self._folder / name).read_bytes() for name in ("tls.key", "tls.crt")
            )
        except OSError as error:
            raise SettingsError(
                f"the certificate in {self._folder} can't be read ({error.strerror}): is its"
                " Secret mounted?"
            ) from error
        return key, certificate
