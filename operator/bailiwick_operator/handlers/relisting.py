"""What vanished while a watch was away, as the deletions that nobody saw.

After 410 Gone kopf lists anew, and tells of what is there; of what is not there any more it says
nothing, and its indices keep that until the operator's next start (kopf 1.45, `continuous_watch`).
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from kopf._cogs.clients import watching

_original = watching.continuous_watch

Known = tuple[str, str, str | None, str]
"""API version, kind, namespace (None: cluster-scoped) and name."""


@dataclass(slots=True)
class Inventory:
    """What one watch has told of, by UID."""

    known: dict[str, Known] = field(default_factory=dict)
    _unseen: set[str] = field(default_factory=set)

    def begin(self) -> None:
        """A new list or watch begins; what it does not tell of until `vanished` is gone."""
        self._unseen = set(self.known)

    def saw(self, event: Any) -> None:
        """Take note of one raw event."""
        body = event["object"]
        metadata = body.get("metadata", {})
        uid = metadata.get("uid")
        if not uid:
            return
        self._unseen.discard(uid)
        if event["type"] == "DELETED":
            self.known.pop(uid, None)
        else:
            self.known[uid] = (
                body.get("apiVersion", ""),
                body.get("kind", ""),
                metadata.get("namespace"),
                metadata["name"],
            )

    def vanished(self) -> list[dict[str, Any]]:
        """Deletions of all that was known before and was not seen since `begin`."""
        gone = [(uid, self.known.pop(uid)) for uid in self._unseen]
        self._unseen = set()
        return [_deleted(uid, *known) for uid, known in gone]


def _deleted(
    uid: str, api_version: str, kind: str, namespace: str | None, name: str
) -> dict[str, Any]:
    metadata = {"uid": uid, "name": name, **({"namespace": namespace} if namespace else {})}
    body = {"apiVersion": api_version, "kind": kind, "metadata": metadata}
    return {"type": "DELETED", "object": body}


class Watcher:
    """kopf's continuous watch with an inventory for each resource; one for each operator."""

    def __init__(self) -> None:
        self._inventories: dict[Any, Inventory] = {}

    async def watch(self, **said: Any) -> AsyncIterator[Any]:
        """See kopf; deletions that were missed come before the mark that the list is whole."""
        inventory = self._inventories.setdefault((said["resource"], said["namespace"]), Inventory())
        inventory.begin()
        async for event in _original(**said):
            if event is watching.Bookmark.LISTED:
                for missed in inventory.vanished():
                    yield missed
            elif not isinstance(event, watching.Bookmark) and event.get("type") != "BOOKMARK":
                inventory.saw(event)
            yield event


def notice_what_vanished() -> None:
    """Let kopf's watches use it, with nothing known yet; before an operator is run."""
    watching.continuous_watch = Watcher().watch  # looked up at each use
