"""Providers' keys from a local YAML file with the same paths as Vault's KV."""

import logging
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml

from bailiwick_contract.errors import BailiwickError
from bailiwick_sidecar.key_marks import ID_SUFFIX, id_beside
from bailiwick_sidecar.keyring import Unattended
from bailiwick_sidecar.secrets import Absent, KeyRef, Secret, is_sendable

MAX_BYTES: Final = 1 << 20

log = logging.getLogger(__name__)


class KeyFileError(BailiwickError):
    """The key file cannot be used; the message says which file and how to mend it."""


class FileKeys(Unattended):
    """The keys of one file, read again whenever it changes.

    A file that turns bad leaves the keys as they were: a typo must not stop a running gateway.
    `problem` says what is wrong with it meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: dict[tuple[str, str], Secret] = {}
        self._ids: dict[tuple[str, str], str] = {}
        self._seen: tuple[int, int, int] | None = None
        self.problem = ""

    def get(self, ref: KeyRef) -> Secret | Absent:
        """The key at `ref.path` and `ref.field`; the file has no mounts."""
        found = self._keys.get((ref.path, ref.field))
        if found is not None:
            return found
        if self.problem:
            return Absent(self.problem)
        return Absent(f"{self._path} has no field {ref.field} at {ref.path}: add it")

    def key_id(self, ref: KeyRef) -> str:
        """What the field beside the key says, which is the key's own and `_id`."""
        return self._ids.get((ref.path, ref.field), "")

    def refresh(self) -> bool:
        """Read the file if it changed; true where the keys may have changed."""
        try:
            status = self._path.stat()
            mark = (status.st_mtime_ns, status.st_size, status.st_ino)
        except OSError as error:
            mark, problem = None, f"{self._path} cannot be read ({error.strerror}): create it"
            changed = self.problem != problem
            self.problem, self._seen = problem, mark
            return changed
        if mark == self._seen:
            return False
        self._seen = mark
        try:
            self._keys = read_keys(self._path)
            self._ids = _ids(self._keys)
            self.problem = ""
            log.info("event=keys_loaded paths=%d", len({path for path, _ in self._keys}))
        except KeyFileError as error:
            self.problem = str(error)
            log.error("event=keys_refused reason=%r", str(error))  # noqa: TRY400 -- the message is complete, and a traceback could show the file's text
        return True


class NoKeys(Unattended):
    """What there is where no source of keys was given."""

    problem = ""

    def refresh(self) -> bool:
        """Nothing to read."""
        return False

    def get(self, ref: KeyRef) -> Secret | Absent:
        """Absent, with the cure."""
        return Absent(f"no key file was given: start with --secrets FILE that has {ref.path}")


def read_keys(path: Path) -> dict[tuple[str, str], Secret]:
    """The keys of a file `PATH: {FIELD: KEY}`, by path and field.

    Raises:
        KeyFileError: others than the owner may read it, or it is no such mapping.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise KeyFileError(
                    f"{path} is open to others (mode {mode:04o}): run chmod 600 {path}"
                )
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read ({error.strerror}): check the path") from error
    if len(text) > MAX_BYTES:
        raise KeyFileError(f"{path} is larger than {MAX_BYTES} bytes: is it the right file?")
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        # The parser's own message quotes the text around the mistake, which may be a key.
        raise KeyFileError(f"{path} is no valid YAML: write PATH: {{FIELD: KEY}}") from None
    return _keys(path, content if content is not None else {})


def _keys(path: Path, content: object) -> dict[tuple[str, str], Secret]:
    keys: dict[tuple[str, str], Secret] = {}
    if not isinstance(content, Mapping):
        raise KeyFileError(f"{path} is no mapping: write PATH: {{FIELD: KEY}}")
    for where, fields in content.items():
        if not isinstance(where, str) or not isinstance(fields, Mapping):
            raise KeyFileError(f"{path}: {where}: write {{FIELD: KEY}} after the path")
        for field, value in fields.items():
            if not isinstance(value, str) or not is_sendable(value):
                raise KeyFileError(
                    f"{path}: {where}.{field} must be a string of visible ASCII characters:"
                    " put it into quotes"
                )
            keys[where, str(field)] = Secret(value)
    return keys


def _ids(keys: Mapping[tuple[str, str], Secret]) -> dict[tuple[str, str], str]:
    """What their providers call the keys, of those that have such a field beside them."""
    found = {}
    for (where, field), secret in keys.items():
        beside = keys.get((where, field + ID_SUFFIX))
        said = {field + ID_SUFFIX: beside.reveal()} if beside is not None else {}
        if key_id := id_beside(said, field, secret):
            found[where, field] = key_id
    return found
