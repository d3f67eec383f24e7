"""What a check says: figures for the table, and what is wrong."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. `wrong` names each case that breaks it; empty: it holds."""

    check: str
    figure: str
    wrong: tuple[str, ...] = ()


@dataclass(slots=True)
class Verdict:
    """All lines of a run."""

    lines: list[Line] = field(default_factory=list)

    def add(self, check: str, figure: object, wrong: list[str] | None = None) -> None:
        """One more line. Without `wrong` it only informs."""
        self.lines.append(Line(check, str(figure), tuple(wrong or ())))

    def line(self, check: str) -> Line:
        """The line of this check."""
        return next(line for line in self.lines if line.check == check)

    @property
    def holds(self) -> bool:
        """True where nothing is wrong."""
        return not any(line.wrong for line in self.lines)

    @property
    def broken(self) -> frozenset[str]:
        """The checks that do not hold."""
        return frozenset(line.check for line in self.lines if line.wrong)
