"""Providers' keys: where they come from, and where they never go."""

import copy
import json
import logging
import pickle
from pathlib import Path

import pytest

from bailiwick_sidecar.file_keys import FileKeys, KeyFileError, NoKeys, read_keys
from bailiwick_sidecar.secrets import Absent, KeyRef, Secret

REF = KeyRef("secret", "llm/acme/openai", "api_key")


def key_file(path: Path, text: str, mode: int = 0o600) -> Path:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_secret_has_no_text_form(caplog: pytest.LogCaptureFixture) -> None:
    """Printing, formatting, logging, pickling, copying or serialising it never shows the key."""
    secret = Secret("sk-CANARY")
    with caplog.at_level(logging.INFO):
        logging.getLogger("t").info("event=x key=%s %r", secret, [secret])
    shown = [str(secret), repr(secret), f"{secret}", f"{secret:>20}", "%s" % secret, caplog.text]  # noqa: UP031 -- each way is tried

    assert "CANARY" not in "".join(shown)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps, hash):
        with pytest.raises(TypeError):
            attempt(secret)
    assert secret == Secret("sk-CANARY")
    assert secret != Secret("sk-OTHER")
    assert secret != "sk-CANARY"
    assert not hasattr(secret, "__dict__")
    assert secret.reveal() == "sk-CANARY"


def test_keys_are_read_by_path_and_field_and_again_when_the_file_changes(tmp_path: Path) -> None:
    """A rotated key is there with the next look; a path or field that is not there says so."""
    path = key_file(tmp_path / "keys.yaml", "llm/acme/openai: {api_key: sk-one}\n")
    keys = FileKeys(path)
    assert keys.refresh()
    assert not keys.refresh()
    assert keys.get(REF) == Secret("sk-one")
    missing = keys.get(KeyRef("", "llm/acme/openai", "other"))
    assert isinstance(missing, Absent)
    assert "llm/acme/openai" in missing.reason

    fresh = key_file(tmp_path / "fresh.yaml", "llm/acme/openai: {api_key: sk-two}\n")
    fresh.rename(path)
    assert keys.refresh()
    assert keys.get(REF) == Secret("sk-two")


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("llm/a: {k: sk-CANARY}", 0o640, "chmod 600"),
        ("llm/a: {k: sk-CANARY}", 0o604, "chmod 600"),
        ("llm/a: {k: sk-CANARY", 0o600, "no valid YAML"),
        ("sk-CANARY", 0o600, "no mapping"),
        ("llm/a: sk-CANARY", 0o600, "llm/a"),
        ("llm/a: {k: [sk-CANARY]}", 0o600, "llm/a.k"),
        ("llm/a: {k: 12345}", 0o600, "quotes"),
        ('llm/a: {k: "sk-CANARY\\nx: y"}', 0o600, "visible ASCII"),
        ('llm/a: {k: ""}', 0o600, "llm/a.k"),
    ],
)
def test_a_bad_file_is_refused_without_showing_a_key(
    tmp_path: Path, text: str, mode: int, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The message says what to do; what was known before stays in use."""
    path = key_file(tmp_path / "keys.yaml", "llm/acme/openai: {api_key: sk-good}\n")
    keys = FileKeys(path)
    keys.refresh()
    key_file(path, text, mode)
    keys.refresh()
    with pytest.raises(KeyFileError, match=words) as caught:
        read_keys(path)

    assert keys.get(REF) == Secret("sk-good")
    assert words in keys.problem
    assert "CANARY" not in str(caught.value) + caplog.text + keys.problem


def test_a_file_that_is_missing_gives_a_reason(tmp_path: Path) -> None:
    """Neither a missing file nor a missing option stops the agent."""
    keys = FileKeys(tmp_path / "none.yaml")
    keys.refresh()
    absent = [keys.get(REF), NoKeys().get(REF)]

    assert all(isinstance(one, Absent) for one in absent)
    assert "none.yaml" in absent[0].reason
    assert "--secrets" in absent[1].reason
    assert list(tmp_path.iterdir()) == []
