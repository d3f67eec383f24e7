"""The figures as one SVG, drawn without a library."""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

WIDTH, LEFT, ROW, GAP = 760, 190, 22, 14
PLAIN, ENVOY, AGENT, BOUND, INK = "#b9c0c9", "#3f6fb5", "#e08a2e", "#b3261e", "#24292f"


class Drawing:
    """Shapes and texts, and how far down they go."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.y = 24.0

    def text(
        self, x: float, y: float, words: str, *, bold: bool = False, end: bool = False
    ) -> None:
        """Words at a place; `end`: they end there."""
        style = ' font-weight="600"' if bold else ""
        style += ' text-anchor="end"' if end else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}"{style}>{escape(words)}</text>')

    def bar(self, x: float, width: float, colour: str) -> None:
        """A part of this row's bar."""
        self.parts.append(
            f'<rect x="{x:.1f}" y="{self.y:.1f}" width="{width:.1f}" height="{ROW}" '
            f'fill="{colour}"/>'
        )

    def line(self, points: Sequence[tuple[float, float]], colour: str) -> None:
        """A line through these points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )

    def svg(self) -> str:
        """All of it."""
        height = round(self.y + 16)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'font-family="system-ui, sans-serif" font-size="13" fill="{INK}">\n'
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n'
            + "\n".join(self.parts)
            + "\n</svg>\n"
        )


def costs(drawing: Drawing, found: Mapping[str, Mapping[str, float]]) -> None:
    """Processor time per request as multiples of plain proxying."""
    drawing.text(16, drawing.y, "Processor time per request; plain Envoy proxying = 1", bold=True)
    drawing.y += GAP
    widest = max(max(one["ratio"], one["bound"]) for one in found.values())
    unit = (WIDTH - LEFT - 90) / widest
    for name, one in found.items():
        share = one["envoy_us"] / (one["envoy_us"] + one["agent_us"])
        drawing.text(LEFT - 10, drawing.y + 15, name, end=True)
        drawing.bar(LEFT, one["ratio"] * share * unit, ENVOY)
        drawing.bar(LEFT + one["ratio"] * share * unit, one["ratio"] * (1 - share) * unit, AGENT)
        drawing.text(LEFT + one["ratio"] * unit + 6, drawing.y + 15, f"{one['ratio']:.1f}")
        for value, colour in ((1.0, PLAIN), (one["bound"], BOUND)):
            x = LEFT + value * unit
            drawing.line([(x, drawing.y - 3), (x, drawing.y + ROW + 3)], colour)
        drawing.y += ROW + GAP / 2
    drawing.y += 16
    x = float(LEFT)
    for words, colour in (
        ("Envoy", ENVOY),
        ("agent", AGENT),
        ("plain = 1", PLAIN),
        ("bound", BOUND),
    ):
        drawing.parts.append(
            f'<rect x="{x:.1f}" y="{drawing.y - 10:.1f}" width="11" height="11" fill="{colour}"/>'
        )
        drawing.text(x + 16, drawing.y, words)
        x += 100
    drawing.y += 34


def memory(drawing: Drawing, title: str, samples: Sequence[Mapping[str, float]], unit: str) -> None:
    """Memory of Envoy and agent together over requests or seconds."""
    drawing.text(16, drawing.y, title, bold=True)
    drawing.y += GAP
    height, top = 90.0, 250.0
    right, last = WIDTH - 90, samples[-1]["after"] or 1

    def place(sample: Mapping[str, float]) -> tuple[float, float]:
        share = (sample["envoy"] + sample["agent"]) / top
        return LEFT + sample["after"] / last * (right - LEFT), drawing.y + height * (1 - share)

    drawing.line([(LEFT, drawing.y), (right, drawing.y)], BOUND)
    drawing.line([(LEFT, drawing.y + height), (right, drawing.y + height)], PLAIN)
    drawing.text(LEFT - 10, drawing.y + 5, f"{top:.0f} MB", end=True)
    drawing.text(LEFT - 10, drawing.y + height + 5, "0", end=True)
    drawing.line([place(sample) for sample in samples], ENVOY)
    end = samples[-1]["envoy"] + samples[-1]["agent"]
    drawing.text(right + 6, place(samples[-1])[1] + 5, f"{end:.0f} MB")
    drawing.y += height + 18
    drawing.text(right, drawing.y, f"{last:,.0f} {unit}", end=True)
    drawing.y += 30


def plotted(results: Mapping[str, Any]) -> str:
    """The SVG of a run's results."""
    drawing = Drawing()
    costs(drawing, results["cost"])
    memory(drawing, "Memory, Envoy and agent, over requests", results["requests"], "requests")
    memory(
        drawing, "Memory with streams open (first and last sample: none)", results["streams"],
        "seconds",
    )  # fmt: skip
    drawing.y -= 14
    return drawing.svg()
