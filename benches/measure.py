"""Alternating runs, medians and spread, and the table of results."""

import statistics
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Budget:
    """What must hold: of the ratio ours / peer, or, where there is no peer, of our value."""

    sign: str
    value: float

    def is_met_by(self, value):
        """Whether it holds."""
        return value >= self.value if self.sign == "≥" else value <= self.value


def at_least(value):
    """A budget from below."""
    return Budget("≥", value)


def at_most(value):
    """A budget from above."""
    return Budget("≤", value)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    bench: str
    what: str
    unit: str
    ours: list
    budget: Budget | None
    peer: str = ""
    theirs: list = field(default_factory=list)

    @property
    def value(self):
        """What the budget speaks of."""
        ours = statistics.median(self.ours)
        return ours / statistics.median(self.theirs) if self.theirs else ours

    @property
    def verdict(self):
        """Whether the budget is met."""
        if self.budget is None:
            return "for information"
        return "met" if self.budget.is_met_by(self.value) else "**missed**"

    def cells(self):
        """The line."""
        of = " ×" if self.theirs else f" {self.unit}"
        return [
            self.bench,
            self.what,
            self.unit,
            spread(self.ours),
            self.peer or "–",
            spread(self.theirs) if self.theirs else "–",
            f"{self.value:.2f}" if self.theirs else "–",
            f"{self.budget.sign} {show(self.budget.value)}{of}" if self.budget else "–",
            self.verdict,
        ]


HEADER = ["bench", "what", "unit", "ours (min–max)", "peer", "peer's (min–max)", "ratio", "budget", ""]


def show(number):
    """A number with three significant digits, or all of its whole digits."""
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.3g}"


def spread(values):
    """Median, smallest and greatest."""
    if len(values) == 1:
        return show(values[0])
    return f"{show(statistics.median(values))} ({show(min(values))}–{show(max(values))})"


def alternate(rounds, **sides):
    """Runs all sides once unmeasured and then `rounds` times in turns: A B A B …. Each side answers its own measure."""
    for side in sides.values():
        side()
    measured = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            measured[name].append(side())
    return measured


def table(rows, header=HEADER):
    """A table in Markdown, with columns of equal width so that it can also be read as it is."""
    lines = [header, *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(header))]

    def write(line):
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"

    return "\n".join([write(header), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(write, rows)])
