"""What a new list does not have any more is told as deleted."""

from typing import Any

from bailiwick_operator.handlers.relisting import Inventory


def event(type_: str | None, name: str, namespace: str | None = "acme-prod") -> dict[str, Any]:
    metadata = {"uid": f"uid-{name}", "name": name}
    if namespace:
        metadata["namespace"] = namespace
    return {"type": type_, "object": {"apiVersion": "v1", "kind": "Thing", "metadata": metadata}}


def test_only_what_vanished_is_told() -> None:
    """Of three objects one is there still, one was seen to go, and one vanished unseen."""
    inventory = Inventory()
    inventory.begin()
    for name in ("stays", "goes", "vanishes"):
        inventory.saw(event(None, name))
    assert inventory.vanished() == []
    inventory.saw(event("DELETED", "goes"))

    inventory.begin()
    inventory.saw(event(None, "stays"))

    assert inventory.vanished() == [event("DELETED", "vanishes")]
    assert list(inventory.known) == ["uid-stays"]


def test_an_object_made_anew_is_another() -> None:
    """The same name with another UID: the old one is told as deleted."""
    inventory = Inventory()
    inventory.begin()
    inventory.saw(event(None, "cluster-wide", namespace=None))
    again = event(None, "cluster-wide", namespace=None)
    again["object"]["metadata"]["uid"] = "other"

    inventory.begin()
    inventory.saw(again)

    assert inventory.vanished() == [event("DELETED", "cluster-wide", namespace=None)]
