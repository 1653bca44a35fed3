"""A comparison for the terminal, and as plain values for JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from foretell.evaluation.results import Comparison, RungResult
from foretell.report.words import (
    align_points,
    languages_said,
    one_line,
    words,
    write_bits,
    write_clock,
    write_p,
    write_percent,
    write_signed,
    write_significant,
    write_size,
)

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

GAP = 2
"""Spaces between columns."""
SAMPLE_LEAST = 24
"""A sample in fewer cells than this says nothing, so the column goes."""
RUNG_LEAST = 17
"""Rung names may fold at this width, not before."""
DROP_ORDER = ("sample", "p", "laws", "size", "trained", "speed")
"""What goes first when the terminal is narrow."""


def half_width(rung: RungResult) -> float:
    return (rung.bits_per_byte.high - rung.bits_per_byte.low) / 2


def write_difference(rung: RungResult, floor_word: str) -> str:
    """`−0.187 [−0.201, −0.172]`, or the word for the floor."""
    if rung.difference is None:
        return floor_word
    low, high = write_signed(rung.difference.low), write_signed(rung.difference.high)
    return f"{write_signed(rung.difference.value)} [{low}, {high}]"


def text_line(comparison: Comparison, language: str) -> str:
    """Documents, bytes, languages, copies set aside."""
    say = words(language)
    count = comparison.documents
    documents = say["document"] if count == 1 else say["documents"].format(n=f"{count:,}")
    languages = languages_said(comparison.languages, language)
    line = say["join"].join([documents, write_size(comparison.bytes), languages])
    if comparison.set_aside:
        line += say["aside"] + say["set_aside"].format(n=f"{comparison.set_aside:,}")
    return line


def split_line(comparison: Comparison, language: str) -> str:
    """The parts and their shares of the bytes; of the held-out part, also how much that is."""
    say = words(language)
    whole = sum(part["bytes"] for part in comparison.split.values())
    shares = []
    for name, part in comparison.split.items():
        share = write_percent(part["bytes"] / whole) if whole else "0%"
        shown = f"{say.get(name, name)} {share}"
        if name == "held_out":
            count = part["documents"]
            documents = say["document"] if count == 1 else say["documents"].format(n=f"{count:,}")
            size = write_size(part["bytes"])
            shown += say["held_out_size"].format(size=size, documents=documents)
        shares.append(shown)
    by = say["by_passage" if comparison.passages else "by_document"]
    return "  ".join(shares) + say["join"] + by


def leak_line(comparison: Comparison, language: str) -> str:
    return words(language)["leak_sentence"].format(share=write_percent(comparison.leak_share))


def laws_line(comparison: Comparison, language: str) -> str:
    """One phrase for all rungs if all passed all laws; else the rungs that did not."""
    say = words(language)
    short = [r for r in comparison.rungs if r.laws_passed < r.laws_checked]
    if not short:
        checked = max((r.laws_checked for r in comparison.rungs), default=0)
        return say["laws_all"].format(n=checked)
    return say["aside"].join(
        say["laws_some"].format(name=r.name, passed=r.laws_passed, checked=r.laws_checked)
        for r in short
    )


def recommendation(comparison: Comparison, language: str) -> str:
    """The sentences that answer the question; English where there are none in the language."""
    said = comparison.recommendation
    return said.get(language) or said.get("en", "")


@dataclass(frozen=True)
class Column:
    key: str
    head: str
    cells: tuple[str, ...]
    right: bool = True

    def width(self) -> int:
        from rich.cells import cell_len

        lines = [line for text in (self.head, *self.cells) for line in text.split("\n")]
        return max(cell_len(line) for line in lines)


def build_columns(comparison: Comparison, say: Mapping[str, str], *, short: bool) -> list[Column]:
    """All columns, in order; `short` takes the headings that are made for narrow terminals."""

    def column(
        key: str, cell: Callable[[RungResult], str], *, right: bool = True, short_key: str = ""
    ) -> Column:
        head = say[short_key] if short and short_key else say[key]
        return Column(key, head, tuple(cell(rung) for rung in comparison.rungs), right)

    speeds = align_points([write_significant(r.milliseconds_per_token) for r in comparison.rungs])
    speed = Column("speed", say["speed_short" if short else "speed"], tuple(speeds))
    return [
        column("rung", lambda r: one_line(r.name), right=False),
        column(
            "bits", lambda r: f"{write_bits(r.bits_per_byte.value)} ±{write_bits(half_width(r))}"
        ),
        column("against", lambda r: write_difference(r, say["floor"])),
        column("p", lambda r: write_p(r.p_value)),
        column("size", lambda r: write_size(r.bytes_on_disk)),
        column("trained", lambda r: write_clock(r.train_seconds), short_key="trained_short"),
        speed,
        column("laws", lambda r: f"{r.laws_passed}/{r.laws_checked}"),
        column("sample", lambda r: one_line(r.samples[0]) if r.samples else "", right=False),
    ]


def fit_columns(comparison: Comparison, say: Mapping[str, str], width: int) -> list[Column]:
    """The columns that stand in `width` cells, the least useful dropped first."""
    dropped: set[str] = set()
    remaining = list(DROP_ORDER)
    while True:
        # Short headings come after dropping the sample and p, before dropping anything dearer.
        for short in (False, True) if {"sample", "p"} <= dropped else (False,):
            columns = [
                c for c in build_columns(comparison, say, short=short) if c.key not in dropped
            ]
            needed = GAP * (len(columns) - 1)
            for column in columns:
                if column.key == "sample":
                    needed += SAMPLE_LEAST
                elif column.key == "rung":
                    needed += min(column.width(), RUNG_LEAST if short else column.width())
                else:
                    needed += column.width()
            if needed <= width or (not remaining and short):
                return columns
        dropped.add(remaining.pop(0))


@dataclass(frozen=True)
class ComparisonTable:
    """Lays itself out for the width of the console that prints it."""

    comparison: Comparison
    language: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.table import Table
        from rich.text import Text

        comparison, say = self.comparison, words(self.language)
        head = Table.grid(padding=(0, GAP))
        head.add_column(no_wrap=True, style="dim")
        head.add_column(overflow="fold")
        title = Text(one_line(comparison.title), style="bold")
        title.append("  " + text_line(comparison, self.language), style="not bold")
        head.add_row(say["text"], title)
        head.add_row(say["split"], Text(split_line(comparison, self.language)))
        head.add_row(say["leak"], Text(leak_line(comparison, self.language)))
        yield head
        yield Text()
        columns = fit_columns(comparison, say, options.max_width)
        yield self._rungs(columns, options.max_width)
        yield Text()
        answer = recommendation(comparison, self.language)
        if answer:
            yield Text(answer, style="bold")
        yield Text(say["resolution"].format(bits=write_bits(comparison.resolution)))
        tail = Table.grid(padding=(0, GAP))
        tail.add_column(no_wrap=True, style="dim")
        tail.add_column(overflow="fold")
        kept = {column.key for column in columns}
        if "laws" not in kept or any(rung.laws_failed for rung in comparison.rungs):
            tail.add_row(say["laws_line"], Text(laws_line(comparison, self.language)))
            for rung in comparison.rungs:
                for failure in rung.laws_failed:
                    shown = f"✗ {rung.name}{say['colon']}{failure}"
                    tail.add_row("", Text(one_line(shown), style="red"))
        for position, (name, reason) in enumerate(comparison.skipped.items()):
            shown = one_line(f"{name}{say['colon']}{reason}")
            tail.add_row(say["skipped"] if position == 0 else "", Text(shown))
        if tail.row_count:
            yield Text()
            yield tail

    def _rungs(self, columns: list[Column], width: int) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        fixed = sum(c.width() for c in columns if c.key not in ("rung", "sample"))
        spare = width - fixed - GAP * (len(columns) - 1)
        table = Table(
            box=None,
            padding=(0, GAP, 0, 0),
            pad_edge=False,
            header_style="dim",
            collapse_padding=True,
        )
        for column in columns:
            room = column.width()
            if column.key == "sample":
                room = spare - columns[0].width()
            elif column.key == "rung":
                room = max(1, min(room, spare))
            table.add_column(
                Text(column.head),
                justify="right" if column.right else "left",
                vertical="top",
                width=room,
                no_wrap=column.key != "rung",
                overflow="ellipsis" if column.key == "sample" else "fold",
            )
        for row, rung in enumerate(self.comparison.rungs):
            cells = []
            for column in columns:
                style = "bold" if row == 0 and column.key in ("rung", "bits") else ""
                if column.key == "sample":
                    style = "dim italic"
                elif column.key == "laws" and rung.laws_passed < rung.laws_checked:
                    style = "red"
                cells.append(Text(column.cells[row], style=style))
            table.add_row(*cells)
        return table


def comparison_table(comparison: Comparison, language: str = "en") -> RenderableType:
    """The table of `foretell compare`, to be printed with rich; fits 80 columns and more.

    Columns drop out where the terminal is narrow; numbers are never cut.
    """
    words(language)  # an unknown language is refused here, not in the middle of printing
    return ComparisonTable(comparison, language)


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """All of a comparison as dicts, lists, strings and numbers; floats are not rounded."""
    return {key: make_plain(value) for key, value in asdict(comparison).items()}


def make_plain(value: object) -> Any:
    """numpy scalars become numbers, tuples lists, and whatever JSON does not know its string."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, Mapping):
        return {str(key): make_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [make_plain(item) for item in value]
    return str(value)
