"""What a row may say of a key: enough to tell it from others, nothing that leads back to it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick_contract.v1.tenant_config_pb2 import Vault
from bailiwick_sidecar.file_keys import FileKeys
from bailiwick_sidecar.key_marks import KeyMark, Lent, id_beside, lent
from bailiwick_sidecar.secret_files import SecretKeys
from bailiwick_sidecar.secrets import KeyRef, Secret, is_sendable

REF = KeyRef("secret", "llm/acme/openai", "api_key")
KEY = "sk-proj-0123456789abcdef"
visible = st.text(st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), min_size=12)


def test_a_version_of_vault_is_said() -> None:
    """Where the key lies, and which version of it."""
    assert lent(REF, Secret(KEY), version=3, key_id="key_1").mark == KeyMark(
        "secret/llm/acme/openai#api_key@3", "key_1"
    )


@given(visible, visible)
def test_without_versions_two_keys_are_told_apart(one: str, other: str) -> None:
    """By a digest that is the same each time, is short, and holds no piece of the key."""
    marks = [lent(REF, Secret(text)).mark.name for text in (one, one, other)]
    digest = marks[0].rpartition("@~")[2]

    assert (marks[0] == marks[1], marks[0] == marks[2]) == (True, one == other)
    assert len(digest) == 8
    assert one not in marks[0]


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("key_9f3a", "key_9f3a"),
        (123456789012, "123456789012"),
        ("apikey_01/ws:x@y.z", "apikey_01/ws:x@y.z"),
        (None, ""),
        ("", ""),
        (["key_1"], ""),
        ("two words", ""),
        ("k" * 200, ""),
        (KEY, ""),
        (KEY[:9], ""),
        (KEY + "0", ""),
    ],
)
def test_an_id_is_an_id(said: object, taken: str) -> None:
    """The key, a piece of it, or what no provider calls a key stands on no row."""
    assert id_beside({"api_key": KEY, "api_key_id": said}, "api_key", Secret(KEY)) == taken


@given(st.text() | st.integers(), visible)
def test_whatever_stands_beside_it_the_key_does_not_get_out(said: str | int, key: str) -> None:
    """Neither whole nor as a part of something."""
    found = id_beside({"f_id": said}, "f", Secret(key))
    assert key not in found
    assert not found or (is_sendable(found) and found not in key)


def test_a_file_has_ids_beside_its_keys(tmp_path: Path) -> None:
    """A field of the key's name and `_id`; a new key has another mark at once."""
    path = tmp_path / "keys.yaml"
    path.touch(0o600)
    path.write_text("llm/acme/openai: {api_key: sk-one-one-one, api_key_id: key_1}")
    keys = FileKeys(path)
    keys.refresh()
    first = keys.lend(("s", 1), REF)
    path.write_text("llm/acme/openai: {api_key: sk-two-two-two-two}")
    keys.refresh()
    second = keys.lend(("s", 2), REF)

    assert isinstance(first, Lent)
    assert isinstance(second, Lent)
    assert (first.mark.id, second.mark.id) == ("key_1", "")
    assert first.mark.name != second.mark.name
    assert "sk-" not in repr(first) + repr(second)


def test_a_secret_has_an_entry_beside_its_key(tmp_path: Path) -> None:
    """As kubelet mounts it: one file each."""
    ref = KeyRef("", "bailiwick-key-own", "api_key")
    folder = tmp_path / ref.path
    folder.mkdir()
    (folder / "api_key").write_text("sk-1\n")
    (folder / "api_key_id").write_text("key_1\n")
    keys = SecretKeys(tmp_path)
    keys.configure([ref], Vault())
    lent_ = keys.lend(("s", 1), ref)

    assert isinstance(lent_, Lent)
    assert lent_.mark.id == "key_1"
    assert lent_.mark.name.startswith("bailiwick-key-own#api_key@~")
