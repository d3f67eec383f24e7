"""What is known of the objects of one kind: values by place and by what they name. No copies.

Kept instead of kopf's indices, which hold several times the memory of what is in them and run a
task with a dozen objects for each event (kopf 1.45; `make scale`).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class Groups(Mapping[str, Collection[T]], Generic[T]):
    """Values by key and, under it, by the UID of the object that they are of."""

    __slots__ = ("_groups",)

    def __init__(self) -> None:
        self._groups: dict[str, dict[str, T]] = {}

    def __getitem__(self, key: str) -> Collection[T]:
        """A view: it changes under the reader's hands."""
        return self._groups[key].values()

    def __contains__(self, key: object) -> bool:
        return key in self._groups

    def __iter__(self) -> Iterator[str]:
        return iter(self._groups)

    def __len__(self) -> int:
        return len(self._groups)

    def put(self, key: str, uid: str, value: T) -> T | None:
        """Keep the value; returns the one before."""
        group = self._groups.setdefault(key, {})
        before = group.get(uid)
        group[uid] = value
        return before

    def pop(self, key: str, uid: str) -> T | None:
        """Forget the value and return it; a key without values is no key."""
        group = self._groups.get(key)
        if group is None:
            return None
        before = group.pop(uid, None)
        if not group:
            del self._groups[key]
        return before


Pairs = Callable[[T], Iterable[tuple[str, str]]]
"""What a value says to be found by: keys, and what is found there."""


class Table(Generic[T]):
    """One kind's values by place, and groups that follow from them."""

    __slots__ = ("_derived", "values")

    def __init__(self, *derived: tuple[Groups[str], Pairs[T]]) -> None:
        """Each of `derived` is kept in step with the values, by pairs that a value always gives."""
        self.values: Groups[T] = Groups()
        self._derived = derived

    def put(self, place: str, uid: str, value: T) -> None:
        """Keep this as the object's newest value."""
        before = self.values.put(place, uid, value)
        for groups, pairs in self._derived:
            now = dict(pairs(value))
            if before is not None:
                for key, _ in pairs(before):
                    if key not in now:
                        groups.pop(key, uid)
            for key, found in now.items():
                groups.put(key, uid, found)

    def pop(self, place: str, uid: str) -> None:
        """Forget the object."""
        before = self.values.pop(place, uid)
        if before is None:
            return
        for groups, pairs in self._derived:
            for key, _ in pairs(before):
                groups.pop(key, uid)
