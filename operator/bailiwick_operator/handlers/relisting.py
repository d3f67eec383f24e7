"""kopf's watches, made to tell us of each object at once, and of what vanished meanwhile.

After 410 Gone kopf lists anew, and tells of what is there; of what is not there any more it says
nothing, and its indices keep that until the operator's next start (kopf 1.45, `continuous_watch`).
"""

from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, cast

from kopf._cogs.clients import watching

from bailiwick_operator.handlers.lean import lean

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


Take = Callable[[Any, Any], bool]
"""Resource and raw event → whether it was taken: kopf does nothing more with it."""


class Watcher:
    """kopf's continuous watch with an inventory for each resource."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._inventories: dict[Any, Inventory] = {}

    async def watch(self, **said: Any) -> AsyncIterator[Any]:
        """See kopf; deletions that were missed come before the mark that the list is whole."""
        resource = said["resource"]
        inventory = self._inventories.setdefault((resource, said["namespace"]), Inventory())
        inventory.begin()
        async for event in _original(**said):
            if event is watching.Bookmark.LISTED:
                for missed in inventory.vanished():
                    if not self._take(resource, missed):
                        yield missed
            elif not isinstance(event, watching.Bookmark) and event.get("type") != "BOOKMARK":
                lean(cast("dict[str, Any]", event["object"]))
                inventory.saw(event)
                if self._take(resource, event):
                    continue
            yield event


_watcher: ContextVar[Watcher] = ContextVar("watcher")
"""Of the operator whose task it is: several may live in one process."""


def take_watches(take: Take) -> None:
    """Let the watches of the operator that this task runs use it, with nothing known yet."""
    _watcher.set(Watcher(take))
    watching.continuous_watch = _watch  # looked up at each use


def _watch(**said: Any) -> AsyncIterator[Any]:
    return _watcher.get().watch(**said)
