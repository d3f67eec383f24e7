"""Keys from Secrets as kubelet mounts them: present, replaced, missing; beside those of Vault."""

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bailiwick_contract.v1.tenant_config_pb2 import Vault
from bailiwick_sidecar.file_keys import NoKeys
from bailiwick_sidecar.key_marks import Lent
from bailiwick_sidecar.keyring import KeyTrouble
from bailiwick_sidecar.secret_files import SecretKeys
from bailiwick_sidecar.secrets import Absent, KeyRef, Secret
from bailiwick_sidecar.split_keys import SplitKeys

REF = KeyRef("", "bailiwick-key-own", "api_key")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def mounted(folder: Path, text: str, version: int) -> None:
    """What kubelet does: a folder for each state, and one link that it moves."""
    state = folder / f"..{version}"
    (state / REF.path).mkdir(parents=True)
    (state / REF.path / REF.field).write_text(text)
    fresh = folder / "..data_tmp"
    fresh.symlink_to(state.name)
    fresh.rename(folder / "..data")
    link = folder / REF.path
    if not link.is_symlink():
        link.symlink_to(f"..data/{REF.path}")


def keys(folder: Path, wanted: Collection[KeyRef] = (REF,)) -> SecretKeys:
    made = SecretKeys(folder, wall=lambda: NOW)
    made.configure(wanted, Vault())
    return made


def test_a_mounted_secret_is_used_and_followed(tmp_path: Path) -> None:
    """A trailing line end is none of the key's; a new version is used from the next upkeep on."""
    mounted(tmp_path, "sk-1\n", 1)
    found = keys(tmp_path)
    assert found.get(REF) == Secret("sk-1")
    assert not found.refresh()

    mounted(tmp_path, "sk-2", 2)
    assert found.refresh()
    assert found.get(REF) == Secret("sk-2")
    assert found.facts() == ()


@pytest.mark.parametrize("text", [None, "", "two words", "sk-ü", "a\nb"])
def test_what_is_no_key_is_missing_with_the_cure(tmp_path: Path, text: str | None) -> None:
    """Said once, with the time at which it was first seen; nothing of the content is shown."""
    if text is not None:
        mounted(tmp_path, text, 1)
    found = keys(tmp_path)
    absent = found.get(REF)
    (fact,) = found.facts()

    assert isinstance(absent, Absent)
    assert "bailiwick-key-own" in absent.reason
    assert not text or text not in absent.reason
    assert (fact.trouble, fact.since) == (KeyTrouble.MISSING, "2026-01-01T00:00:00Z")
    assert not found.refresh()
    assert found.facts() == (fact,)


def test_what_nobody_names_is_not_read(tmp_path: Path) -> None:
    """A key goes with the config that named it."""
    mounted(tmp_path, "sk-1", 1)
    found = keys(tmp_path)
    found.configure((), Vault())

    assert isinstance(found.get(REF), Absent)
    assert found.facts() == ()


def test_each_reference_goes_to_its_own_source(tmp_path: Path) -> None:
    """One without a mount is a Secret's, one with a mount never is."""
    mounted(tmp_path, "sk-1", 1)
    vault = KeyRef("secret", REF.path, REF.field)
    both = SplitKeys(NoKeys(), SecretKeys(tmp_path, wall=lambda: NOW))
    both.configure([REF, vault], Vault())

    assert both.get(REF) == Secret("sk-1")
    assert isinstance(both.get(vault), Absent)
    lent = both.lend(("s", 1), REF)
    assert isinstance(lent, Lent)
    assert lent.secret == Secret("sk-1")
    (tmp_path / REF.path).unlink()
    assert both.refresh()
    assert [one.ref for one in both.facts()] == [REF]
