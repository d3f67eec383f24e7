"""Edits of the files while they are served."""

from typing import Any

import openai
import pytest

MESSAGES: Any = [{"role": "user", "content": "hello"}]

OTHER = """
apiVersion: bailiwick.dev/v1alpha1
kind: Tenant
metadata:
  name: other
spec:
  namespaces: [{name: another}]
  currency: USD
  teams: [{name: search}]
  modelAccess: [{tier: shared}]
---
apiVersion: bailiwick.dev/v1alpha1
kind: ModelRoute
metadata:
  name: echo
  namespace: another
spec:
  backends:
    - {name: echo, provider: {kind: ClusterModelProvider, name: echo}, model: echo}
"""


def models(up: Any) -> set[str]:
    with up.client() as client:
        return {model.id for model in client.models.list()}


def test_an_edit_takes_effect_without_a_dropped_request(up: Any, wait: Any) -> None:
    """A new alias can soon be called; calls meanwhile and a stream from before all succeed."""
    up.start()
    before = up.served()["demo"]
    text = (up.files / "demo.yaml").read_text()
    with up.client() as client:
        slow = client.chat.completions.create(
            model="slow", messages=[{"role": "user", "content": "w " * 30}], stream=True
        )
        words = iter(slow)
        next(words)
        up.write("demo.yaml", text.replace("aliases: [echo, default]", "aliases: [echo, fresh]"))
        calls = 0
        while "fresh" not in models(up):
            client.chat.completions.create(model="echo", messages=MESSAGES)
            calls += 1
            assert calls < 200
        answer = client.chat.completions.create(model="fresh", messages=MESSAGES)
        assert answer.choices[0].message.content == "hello"
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="default", messages=MESSAGES)
        rest = [c.choices[0].delta.content for c in words if c.choices[0].delta.content]
        slow.close()
    assert len(rest) == 30
    assert up.served()["demo"] == before


def test_a_wrong_edit_changes_nothing_and_says_why(up: Any, wait: Any) -> None:
    """File, resource, field and cure are named; what was served goes on, whole.

    What the same edit changed rightly does not count either. A corrected edit takes effect.
    """
    up.start()
    right = (up.files / "demo.yaml").read_text()
    edited = right.replace("aliases: [echo, default]", "aliases: [echo, fresh]")
    up.write("demo.yaml", edited.replace("name: echo}, model: echo}", "name: gone}, model: echo}"))
    wait("the report", lambda: "edit refused" in up.said())
    said = up.said()
    assert "demo.yaml" in said
    assert "ModelRoute demo/echo · spec.backends[0].provider.name" in said
    assert "fix: " in said
    assert models(up) == {
        "default", "echo", "embedding", "fallback", "image", "picture", "slow",
    }  # fmt: skip
    with up.client() as client:
        client.chat.completions.create(model="default", messages=MESSAGES)
    up.write("demo.yaml", edited)
    wait("the correction", lambda: "fresh" in models(up))
    wait("the end of the report", lambda: "valid again" in up.said())


def test_broken_yaml_is_a_wrong_edit_too(up: Any, wait: Any) -> None:
    """A file that is no YAML, or is gone with its tenant, changes nothing."""
    up.start()
    up.write("platform.yaml", "a: [")
    wait("the report", lambda: "edit refused" in up.said())
    assert "platform.yaml" in up.said()
    (up.files / "platform.yaml").unlink()
    wait("another report", lambda: up.said().count("edit refused") >= 2)
    assert "default" in models(up)


def test_namespaces_come_and_go(up: Any, wait: Any) -> None:
    """A new namespace gets the next port, whatever its name; one that goes is not served.

    The others do not notice.
    """
    up.start()
    before = up.served()["demo"]
    up.write("other.yaml", OTHER)
    wait("the new gateway", lambda: up.ready(1))
    wait("its entry", lambda: "another" in up.served())
    assert up.served()["another"]["url"] == up.url(1)
    with up.client(1, api_key=up.token(tenant="other")) as client:
        answer = client.chat.completions.create(model="echo", messages=MESSAGES)
        assert answer.choices[0].message.content == "hello"
    (up.files / "other.yaml").unlink()
    wait("its end", lambda: "another" not in up.served())
    assert not up.ready(1)
    assert up.served()["demo"] == before
    assert up.ready()
