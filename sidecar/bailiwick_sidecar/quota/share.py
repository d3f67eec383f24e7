"""What one replica may take from a counter that several share, without asking the store.

The store's total of a counter is what every replica says it has used, and on top of that what each
holds to use soon. `held` is this replica's part of the second: it may be taken from until `until`.
"""

from typing import Final

FIRST_ASK: Final = 4
"""A counter that was just met holds so many times what was asked of it."""
MOST_HELD: Final = 1 << 10
"""And never more than so many times the largest single amount, however busy."""


class Share:
    """One counter's share. Times are engine time in ms.

    `others` is what all other replicas have used and hold, as last heard; of that, `others_hold` is
    what they only hold. `ceiling` stands in for the store while it is away: use of this replica may
    rise to it; None while the store is there.
    """

    __slots__ = (
        "asked",
        "ceiling",
        "dirty",
        "heard",
        "held",
        "largest",
        "others",
        "others_hold",
        "others_until",
        "promised",
        "taken",
        "until",
        "waits",
    )

    def __init__(self) -> None:
        self.held = 0
        self.until = 0
        self.taken = 0
        """Taken since shares were last given: what sizes the next."""
        self.largest = 0
        self.others = 0
        self.others_hold = 0
        self.others_until = 0
        """When `others` says nothing any more, such as at the end of the month."""
        self.heard = 0
        """When the store last said how the counter stands; 0: never."""
        self.ceiling: int | None = None
        self.waits: int | None = None
        """The store's word on when the amount that it refused would fit (wall ms)."""
        self.promised = 0
        """Granted to calls that have yet to take it."""
        self.asked = False
        """True while a message is under way that asks for some of it."""
        self.dirty = False
        """True while the store has not heard of the newest use."""

    def rests(self, at: int) -> bool:
        """True where nothing is held, promised, asked for or to be told."""
        return not (self.dirty or self.asked or self.promised) and at >= self.until

    def mark(self) -> bool:
        """There is news for the store; true where there was none before."""
        before, self.dirty = self.dirty, True
        return not before

    def take(self, amount: int) -> bool:
        """Use part of what is held, or what was never held; true where news begins with it."""
        self.held = self.held - amount if self.held > amount else 0
        self.taken += amount
        self.largest = max(self.largest, amount)
        before, self.dirty = self.dirty, True
        return not before

    def drop(self) -> None:
        """Hold nothing any more."""
        self.held = 0

    def wanted(self, asked: int) -> int:
        """How much to hold on top of what is asked for: as much again as was used of late."""
        largest = max(self.largest, 1)
        wish = max(2 * self.taken, FIRST_ASK * asked)
        return min(wish, MOST_HELD * largest)

    def given(self, amount: int, until: int) -> None:
        """Hold this from now on."""
        self.held = amount
        self.until = until
        self.taken = 0

    def others_at(self, at: int) -> int:
        """What the others have, as far as it still counts."""
        return self.others if at < self.others_until else 0

    def held_by_others(self, at: int) -> int:
        """What of that they hold and have not used, as last heard."""
        return self.others_hold if at < self.others_until else 0
