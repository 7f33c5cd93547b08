"""Figures as tables: aligned text for a terminal, Markdown for a page."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from benchmarks.figures import Share, Summary, summarize
from benchmarks.grade import Grade

Cell = Callable[[Summary], str]
Rows = Sequence[Sequence[str]]


def share(value: Share | None, digits: int = 3) -> str:
    """A share with its interval."""
    if value is None or value.value is None:
        return "-"
    low, high = value.interval
    return f"{value.value:.{digits}f} ({low:.2f}-{high:.2f})"


def part(value: Share | None) -> str:
    """A share with the number that it is of."""
    if value is None:
        return "-"
    return f"{'-' if value.value is None else f'{value.value:.2f}'} of {value.n}"


def number(value: float | None, digits: int = 3) -> str:
    """A number, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


COLUMNS: tuple[tuple[str, Cell], ...] = (
    ("n", lambda s: str(s.n)),
    ("top-1 (95 %)", lambda s: share(s.top(1))),
    ("top-3 (95 %)", lambda s: share(s.top(3))),
    ("top-5 (95 %)", lambda s: share(s.top(5))),
    ("Avg@5", lambda s: number(s.avg5)),
    ("kind", lambda s: number(s.kinds, 2)),
    ("step", lambda s: number(s.steps, 2)),
    ("Brier", lambda s: number(s.brier)),
    ("ECE", lambda s: number(s.ece)),
    ("p>=0.95", lambda s: part(s.very_sure)),
    ("median s", lambda s: number(s.median_seconds, 2)),
    ("max s", lambda s: number(s.max_seconds, 2)),
    ("peak MB", lambda s: number(s.peak_mb, 0)),
    ("failed", lambda s: str(s.problems)),
)


def figures(name: str, engines: Mapping[str, Sequence[Grade]]) -> list[list[str]]:
    """A row of cells for each engine, under the columns' names; columns that nobody fills are left out."""
    rows = [(engine, summarize(name, grades, engine)) for engine, grades in engines.items()]
    used = [(head, cell) for head, cell in COLUMNS if any(cell(row) != "-" for _, row in rows)]
    heads = [name, *(head for head, _ in used)]
    return [heads, *([engine, *(cell(row) for _, cell in used)] for engine, row in rows)]


def text(rows: Rows) -> Iterator[str]:
    """Align cells in columns, the first to the left, the others to the right."""
    widths = [max(len(line[place]) for line in rows) for place in range(len(rows[0]))] if rows else []
    for first, *others in rows:
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        yield "  ".join([first.ljust(widths[0]), *cells])


def markdown(rows: Rows, *, words: bool = False) -> Iterator[str]:
    """Tell the same as a Markdown table; words are put to the left as the first column is."""
    for place, line in enumerate(rows):
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
        if place == 0:
            yield "|---|" + ("---|" if words else "---:|") * (len(line) - 1)
