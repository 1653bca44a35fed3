"""Whether the comparison with `lmplz` sees what it is for. Needs no `lmplz`."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.index.arpa_columns import compare_arpa
from benchmarks.index.lmplz_corpora import characters_of, misfiled_lines, zipf_lines
from benchmarks.index.lmplz_peer import compare_discounts, compare_with_lmplz, rounding_of
from foretell.interop.arpa import write_arpa
from foretell.models.ngram.lines import estimate_lines

ORDERS = (1, 2, 3)


@pytest.fixture
def files(tmp_path: Path) -> dict[int, Path]:
    """One model an order, in files that a test may change."""
    for order in ORDERS:
        write_arpa(estimate_lines(misfiled_lines(), order=order), tmp_path / f"{order}.arpa")
    return {order: tmp_path / f"{order}.arpa" for order in ORDERS}


def changed(file: Path, old: str, new: str) -> Path:
    text = file.read_text()
    assert text.count(old) == 1
    out = file.with_suffix(".changed")
    out.write_text(text.replace(old, new))
    return out


@pytest.mark.parametrize("order", ORDERS)
def test_a_file_equals_itself(files: dict[int, Path], order: int) -> None:
    found = compare_arpa(files[order], files[order])
    lines = files[order].read_text().count("\n") - 2 * order - 4 - order
    assert found.agrees(0.0)
    assert abs(found.ngrams - lines) <= 1


def test_each_difference_is_seen(files: dict[int, Path]) -> None:
    file = files[3]
    lines = file.read_text().splitlines()
    first = lines.index("\\2-grams:") + 1
    one, two = lines[first], lines[first + 1]

    swapped = changed(file, f"{one}\n{two}\n", f"{two}\n{one}\n")
    found = compare_arpa(swapped, file)
    assert found.orders_out_of_order == [2]
    assert (found.missing, found.extra, found.largest_log10) == (0, 0, 0.0)
    assert not found.agrees(1e-4)

    found = compare_arpa(changed(file, f"{one}\n", ""), file)
    assert (found.missing, found.extra) == (1, 0)
    assert not found.agrees(1e-4)

    logprob, gram, backoff = one.split("\t")
    found = compare_arpa(changed(file, one, f"{logprob}\tno such\t{backoff}"), file)
    assert (found.missing, found.extra) == (1, 1)
    assert "extra: b'no such'" in found.examples

    found = compare_arpa(changed(file, one, f"{float(logprob) - 1}\t{gram}\t{backoff}"), file)
    assert found.largest_log10 == pytest.approx(1)
    assert found.largest_backoff_log10 == 0

    found = compare_arpa(changed(file, one, f"{logprob}\t{gram}\t{float(backoff) - 1}"), file)
    assert found.largest_backoff_log10 == pytest.approx(1)
    assert found.largest_log10 == 0
    assert not found.agrees(1e-4)

    assert not compare_arpa(changed(file, one, f"nan\t{gram}\t{backoff}"), file).agrees(1e-4)
    header = next(line for line in lines if line.startswith("ngram 2="))
    assert not compare_arpa(changed(file, header, "ngram 2=1"), file).same_header
    assert not compare_arpa(files[2], file).same_header


def test_impossible_is_impossible_however_it_is_written(files: dict[int, Path]) -> None:
    lines = files[3].read_text().splitlines()
    one = lines[lines.index("\\2-grams:") + 1]
    rest = one.partition("\t")[2]
    theirs = changed(files[3], one, f"-inf\t{rest}").rename(files[3].with_name("inf"))
    assert compare_arpa(changed(files[3], one, f"-99\t{rest}"), theirs).agrees(0.0)


def test_lines_that_are_no_arpa_are_refused(files: dict[int, Path]) -> None:
    lines = files[3].read_text().splitlines()
    one = lines[lines.index("\\2-grams:") + 1]
    with pytest.raises(ValueError, match="tabs"):
        compare_arpa(changed(files[3], one, one.rpartition("\t")[0]), files[3])


def test_discounts_may_differ_by_what_printing_rounds() -> None:
    assert rounding_of(0.638345) == pytest.approx(5e-7)
    assert rounding_of(1.5) == pytest.approx(5e-6)
    mine = [(0.6383451, 1.0, 1.358723)]
    assert compare_discounts(mine, [["0.638345", "1", "1.35872"]])[1]
    assert not compare_discounts(mine, [["0.638343", "1", "1.35872"]])[1]
    assert not compare_discounts(mine, [["0.638345", "1", "1.35871"]])[1]
    assert not compare_discounts(mine, [])[1]


def test_a_text_tells_the_two_modes_apart() -> None:
    kenlm, exact = (
        estimate_lines(misfiled_lines(), order=3, compat=compat).trie.recipe
        for compat in ("kenlm", "exact")
    )
    assert kenlm.notices == exact.notices == ()
    assert np.abs(np.subtract(kenlm.discounts, exact.discounts)).max() > 0.01


def test_texts() -> None:
    assert characters_of(["ab  c", "d", "e"], 5) == ["a b \N{OPEN BOX} c", "d"]
    lines = zipf_lines(100, seed=1)
    assert sum(len(line.split()) for line in lines) == 100
    assert lines == zipf_lines(100, seed=1) != zipf_lines(100, seed=2)


def test_without_lmplz_there_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LMPLZ", raising=False)
    monkeypatch.setenv("PATH", "")
    found = compare_with_lmplz(quick=True)
    assert found.agrees is None
    assert "LMPLZ" in found.missing["lmplz"]
    assert found.figures["compared"] == {}
