"""Our estimator beside KenLM's `lmplz`, on the same texts: two ARPA files, and the discounts.

Orders 1 to 6 on each text; pruning; discounts that the counts do not give. `lmplz` gets
`--discount_fallback` only where it refuses without, and ours has to fall back for the same orders.
What is missing is None, with the reason.
"""

from __future__ import annotations

import math
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.index.arpa_columns import ArpaDifference, compare_arpa
from benchmarks.index.kenlm_peer import all_agree, estimate, find_tool
from benchmarks.index.lmplz_corpora import write_corpora
from benchmarks.result import say
from foretell.contracts.errors import ForetellError
from foretell.interop.arpa import write_arpa
from foretell.models.ngram.lines import estimate_lines
from foretell.models.ngram.smoothing import FALLBACK, Discounts

ORDERS = (1, 2, 3, 4, 5, 6)
QUICK_ORDERS = (2, 3)
PRUNED = "words"
PRUNING_ORDERS = (3, 5)
PRUNING = ((0, 0, 1), (0, 1, 2), (1, 1, 1))
FALLBACKS: dict[tuple[float, ...], Discounts] = {
    (): FALLBACK,
    (0.4,): (0.4, 0.4, 0.4),
    (0.4, 0.9): (0.4, 0.9, 0.9),
    (0.4, 0.9, 1.3): (0.4, 0.9, 1.3),
}
"""What `--discount_fallback` is given, and what it means: the last number repeats."""
FALLING = (("1,000 lines", 5), ("one line", 3), ("issue 427", 3))
"""Texts and orders whose counts give no discounts: at the first, orders 4 and 5 alone."""
EXTRAS = ("interpolate_unigrams 0", "vocab_pad", "limit_vocab_file")
EXTRA_CORPUS, EXTRA_ORDERS = "1,000 lines", (2, 3, 5)
PADDED = 100_000
TOLERANCE, DISCOUNT_TOLERANCE = 1e-4, 1e-6
DIGITS = 6
"""Significant, of the discounts that `lmplz` prints."""
STATISTICS = re.compile(r"^(\d+) \d+(?:/\d+)? D1=(\S+) D2=(\S+) D3\+=(\S+)$", re.MULTILINE)
SUBSTITUTED = re.compile(r"^Substituting fallback discounts for order (\d+):", re.MULTILINE)
REFUSED = re.compile(r"\b(\d+)-grams?\b")


@dataclass(frozen=True)
class Case:
    corpus: str
    order: int
    prune: tuple[int, ...] = ()
    fallback: tuple[float, ...] = ()
    extra: str = ""
    """One of EXTRAS."""

    def __str__(self) -> str:
        name = f"{self.corpus}, order {self.order}"
        for what, numbers in (("prune", self.prune), ("fallback", self.fallback)):
            name += f", {what} {' '.join(map(str, numbers))}" if numbers else ""
        return name + (f", {self.extra}" if self.extra else "")


@dataclass(frozen=True)
class Said:
    """What `lmplz` printed."""

    discounts: list[list[str]]
    """(order, 3) as they are spelled."""
    fallen: list[int]
    """Orders whose discounts are the fallback."""
    refused: int | None
    """The order for which it refused, without `--discount_fallback`."""


@dataclass
class Difference:
    """What both made of one text."""

    arpa: ArpaDifference
    largest_discount: float
    """As `lmplz` prints them, so the last printed digit is rounded."""
    same_discounts: bool
    fallen: list[int]
    same_fallen: bool
    same_refusal: bool

    @property
    def agrees(self) -> bool:
        same = self.same_discounts and self.same_fallen and self.same_refusal
        return same and self.arpa.agrees(TOLERANCE)


@dataclass
class Comparison:
    differences: dict[Case, Difference] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def agrees(self) -> bool | None:
        return all_agree([each.agrees for each in self.differences.values()])

    @property
    def figures(self) -> dict[str, Any]:
        groups: dict[str, list[tuple[Case, Difference]]] = {}
        for case, found in self.differences.items():
            group = case.corpus + (", pruned" if case.prune else "")
            group += f", {case.extra}" if case.extra else ""
            groups.setdefault(group, []).append((case, found))
        return {
            "agrees": self.agrees,
            "compared": {name: _summarise(group) for name, group in groups.items()},
            "disagree": {
                str(case): asdict(found)
                for case, found in self.differences.items()
                if not found.agrees
            },
            "missing": self.missing,
            "seconds": round(self.seconds, 1),
        }


def _summarise(group: Sequence[tuple[Case, Difference]]) -> dict[str, Any]:
    found = [each for _, each in group]
    return {
        "models": len(group),
        "agree": sum(each.agrees for each in found),
        "orders": sorted({case.order for case, _ in group}),
        "ngrams": sum(each.arpa.ngrams for each in found),
        "largest_log10": max(each.arpa.largest_log10 for each in found),
        "largest_backoff_log10": max(each.arpa.largest_backoff_log10 for each in found),
        "largest_discount": max(each.largest_discount for each in found),
        "orders_fallen_back": {str(case): each.fallen for case, each in group if each.fallen},
    }


def compare_with_lmplz(*, quick: bool) -> Comparison:
    """All cases; quick: the small texts alone, at few orders."""
    found = Comparison()
    tool = find_tool("LMPLZ")
    if tool.peer is None:
        found.missing["lmplz"] = tool.reason
        return found
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        corpora = write_corpora(scratch, quick=quick)
        paths, found.missing = corpora.paths, corpora.missing
        for case in _cases(paths, quick=quick):
            found.differences[case] = compare_case(tool.peer, paths[case.corpus], case, scratch)
            verdict = "same" if found.differences[case].agrees else "DIFFERENT"
            say(f"lmplz: {case}: {verdict}, {time.perf_counter() - began:.0f} s")
    found.seconds = time.perf_counter() - began
    return found


def _cases(corpora: dict[str, Path], *, quick: bool) -> Iterator[Case]:
    for corpus in corpora:
        for order in QUICK_ORDERS if quick else ORDERS:
            yield Case(corpus, order)
    for fallback in FALLBACKS:
        if fallback and not quick:
            for corpus, order in FALLING:
                yield Case(corpus, order, fallback=fallback)
    if EXTRA_CORPUS in corpora:
        for order in EXTRA_ORDERS:
            for extra in EXTRAS:
                yield Case(EXTRA_CORPUS, order, extra=extra)
    if PRUNED in corpora:
        for order in PRUNING_ORDERS:
            for prune in PRUNING:
                yield Case(PRUNED, order, prune=prune)


def compare_case(lmplz: Path, text: Path, case: Case, scratch: Path) -> Difference:
    """Both estimate and write a file, and the two are compared. Raises CalledProcessError if
    `lmplz` fails in another way than for want of discounts."""
    theirs, mine = scratch / "theirs.arpa", scratch / "mine.arpa"
    said = run_lmplz(lmplz, text, theirs, case)
    model = estimate_lines(
        text,
        order=case.order,
        prune=case.prune or (0,),
        fallback=FALLBACKS[case.fallback],
        compat="kenlm",
        interpolate_unigrams=case.extra != EXTRAS[0],
        vocabulary_pad=PADDED if case.extra == EXTRAS[1] else 0,
        vocabulary=every_second_word(text) if case.extra == EXTRAS[2] else None,
    )
    write_arpa(model, mine, replace=True)
    recipe = model.trie.recipe
    fallen = [int(match[1]) for each in recipe.notices if (match := re.match(r"order (\d+)", each))]
    largest, same = compare_discounts(recipe.discounts, said.discounts)
    refused = fallen[0] if fallen else None
    return Difference(
        arpa=compare_arpa(mine, theirs),
        largest_discount=largest,
        same_discounts=same,
        fallen=fallen,
        same_fallen=fallen == said.fallen,
        # Discounts come from what is there before anything is left out.
        same_refusal=refused == said.refused
        and (bool(case.extra) or _refuses(text, case, said.refused)),
    )


def run_lmplz(lmplz: Path, text: Path, arpa: Path, case: Case) -> Said:
    """`lmplz` without `--discount_fallback`, and with it if it asks for it."""
    arguments = ["-S", "1G", "-T", str(arpa.parent)]
    if case.prune:
        arguments += ["--prune", *map(str, case.prune)]
    if case.extra == EXTRAS[0]:
        arguments += ["--interpolate_unigrams", "0"]
    elif case.extra == EXTRAS[1]:
        arguments += ["--vocab_pad", str(PADDED)]
    elif case.extra == EXTRAS[2]:
        words = arpa.with_name("limit.vocab")
        words.write_bytes(b" ".join(every_second_word(text)))
        arguments += ["--limit_vocab_file", str(words)]
    refused = None
    try:
        printed = estimate(lmplz, text, arpa, case.order, *arguments)
    except subprocess.CalledProcessError as failed:
        problem = failed.stderr.decode("utf-8", "replace")
        named = REFUSED.search(problem.partition("BadDiscountException")[2])
        if named is None:
            raise
        refused = int(named[1])
        arguments += ["--discount_fallback", *map(str, case.fallback)]
        printed = estimate(lmplz, text, arpa, case.order, *arguments)
    return Said(
        discounts=[list(found) for _, *found in STATISTICS.findall(printed)],
        # They count these orders from 0.
        fallen=[int(order) + 1 for order in SUBSTITUTED.findall(printed)],
        refused=refused,
    )


def every_second_word(text: Path) -> list[bytes]:
    """Half of the different words of a text, in the order of their appearance."""
    return list(dict.fromkeys(text.read_bytes().split()))[::2]


def compare_discounts(
    mine: Sequence[Discounts], theirs: Sequence[Sequence[str]]
) -> tuple[float, bool]:
    """The largest difference, and whether none is more than their rounding explains."""
    if len(mine) != len(theirs):
        return math.inf, False
    largest, same = 0.0, True
    for ours, spelled in zip(mine, theirs, strict=True):
        for value, text in zip(ours, spelled, strict=True):
            off = abs(value - float(text))
            largest = max(largest, off)
            same &= off <= DISCOUNT_TOLERANCE + rounding_of(float(text))
    return largest, same


def rounding_of(value: float) -> float:
    """The most that DIGITS significant digits take off a number."""
    return 0.0 if value == 0 else 0.5 * 10.0 ** (math.floor(math.log10(abs(value))) + 1 - DIGITS)


def _refuses(text: Path, case: Case, order: int | None) -> bool:
    """Whether our strict discounts refuse a small text for the same order as `lmplz`."""
    if text.stat().st_size > 1 << 20:
        return True
    try:
        estimate_lines(
            text, order=case.order, prune=case.prune or (0,), compat="kenlm", discounts="strict"
        )
    except ForetellError as refusal:
        return order is not None and str(refusal).startswith(f"order {order}:")
    return order is None
