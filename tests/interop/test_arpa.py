import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from foretell.contracts.errors import ForetellError, OutputExists, TextError
from foretell.interop.arpa import MISSING_UNKNOWN, read_arpa, write_arpa
from foretell.models.ngram import NGram, estimate
from foretell.models.ngram.lines import estimate_lines
from foretell.tokenizers import Bytes

LN10 = np.log(10.0)
SMALL = """\
# a comment may stand here

\\data\\
ngram 1=5
ngram 2=4
ngram 3=1

\\1-grams:
-1.0\t<unk>
-99\t<s>\t-0.30103
-0.7\t</s>\t0
-0.5\tthe\t-0.2
-0.6\tcat

\\2-grams:
-0.1\t<s> the\t-0.4
-0.2\tthe cat
-0.3\tcat </s>
-0.25\tcat cat\t0

\\3-grams:
-0.05\t<s> the cat

\\end\\
"""


def text_of(lines: int = 400, seed: int = 0) -> bytes:
    rng = np.random.default_rng(seed)
    words = [f"w{n}" for n in range(60)] + ["床前", "naïve"]
    weights = 1 / np.arange(1, len(words) + 1)
    weights /= weights.sum()
    made = [
        " ".join(rng.choice(words, rng.integers(0, 12), p=weights).tolist()) for _ in range(lines)
    ]
    return ("\n".join(made) + "\n").encode()


@pytest.fixture(scope="module")
def model() -> NGram:
    return estimate_lines(text_of(), order=4, prune=(0, 0, 1))


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_what_stands_there(tmp_path: Path) -> None:
    model = read_arpa(write(tmp_path / "m.arpa", SMALL))
    tokens = model.tokenizer.encode("the cat").tokens
    the, cat = (int(token) for token in tokens)
    line = np.array([[the, cat, model.tokenizer.boundary, the, the, 0]])
    found = model.score(line)[0] / LN10
    expected = [-0.1, -0.05, -0.3, -0.1, -0.5 - 0.2 - 0.4, -1.0 - 0.2]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert model.matched_orders(line)[0].tolist() == [2, 3, 2, 2, 1, 1]


def test_a_written_model_reads_back_to_the_last_bit(model: NGram, tmp_path: Path) -> None:
    for name in ("m.arpa", "m.arpa.gz", "m.arpa.bz2", "m.arpa.xz"):
        write_arpa(model, tmp_path / name)
        again = read_arpa(tmp_path / name)
        assert list(again.tokenizer.words()) == list(model.tokenizer.words())
        for mine, theirs in zip(model.trie.orders, again.trie.orders, strict=True):
            np.testing.assert_array_equal(mine.tokens, theirs.tokens)
            np.testing.assert_array_equal(mine.logprobs, theirs.logprobs)
            np.testing.assert_array_equal(mine.backoffs, theirs.backoffs)
            np.testing.assert_array_equal(mine.children, theirs.children)
    plain = (tmp_path / "m.arpa").read_bytes()
    assert gzip.decompress((tmp_path / "m.arpa.gz").read_bytes()) == plain
    assert bz2.decompress((tmp_path / "m.arpa.bz2").read_bytes()) == plain
    assert lzma.decompress((tmp_path / "m.arpa.xz").read_bytes()) == plain


def test_ngrams_stand_in_the_order_of_lmplz(model: NGram, tmp_path: Path) -> None:
    write_arpa(model, tmp_path / "m.arpa")
    numbers = {word: n for n, word in enumerate(model.tokenizer.words())} | {b"<s>": 1}
    sections = (tmp_path / "m.arpa").read_bytes().split(b"-grams:\n")[2:]
    for section in sections:
        rows = [line.split(b"\t")[1].split(b" ") for line in section.splitlines() if b"\t" in line]
        keys = [[numbers[word] for word in reversed(row)] for row in rows]
        assert keys == sorted(keys)
        assert len(keys) > 30


def test_what_srilm_leaves_out_is_put_in(tmp_path: Path) -> None:
    text = SMALL.replace("ngram 2=4", "ngram 2=3").replace("-0.2\tthe cat\n", "")
    pruned = read_arpa(write(tmp_path / "m.arpa", text))
    the, cat = (int(token) for token in pruned.tokenizer.encode("the cat").tokens)
    row = pruned.trie.find(np.array([[the, cat]]))
    assert row.there.all()
    found = pruned.trie.orders[1].logprobs[row.rows[0]] / LN10
    np.testing.assert_allclose(found, -0.6 - 0.2, atol=1e-6)
    scores = pruned.score(np.array([[the, cat], [cat, the]]))[:, 1] / LN10
    np.testing.assert_allclose(scores, [-0.05, -0.5], atol=1e-6)


def test_an_unknown_word_that_is_not_listed_is_said(tmp_path: Path) -> None:
    text = SMALL.replace("ngram 1=5", "ngram 1=4").replace("-1.0\t<unk>\n", "")
    model = read_arpa(write(tmp_path / "m.arpa", text))
    (notice,) = model.trie.recipe.notices
    assert "<unk>" in notice
    np.testing.assert_allclose(model.trie.unigrams[0], MISSING_UNKNOWN * LN10, rtol=1e-6)


def test_capital_unknown_is_the_unknown_word_only_alone(tmp_path: Path) -> None:
    alone = read_arpa(write(tmp_path / "a.arpa", SMALL.replace("<unk>", "<UNK>")))
    assert alone.tokenizer.encode("zebra").tokens.tolist() == [0]
    np.testing.assert_allclose(alone.trie.unigrams[0] / LN10, -1.0, rtol=1e-6)
    both = SMALL.replace("ngram 1=5", "ngram 1=6").replace("<unk>\n", "<unk>\n-2\t<UNK>\n")
    word = read_arpa(write(tmp_path / "b.arpa", both))
    assert word.tokenizer.encode("<UNK>").tokens.tolist() == [2]


WRONG: dict[str, tuple[Callable[[str], str], str]] = {
    "a count too high": (lambda t: t.replace("2=4", "2=5"), "line 16: 4 n-grams of order 2"),
    "a count too low": (lambda t: t.replace("3=1", "3=0"), "line 22: 1 n-grams of order 3"),
    "an immense count": (lambda t: t.replace("3=1", "3=99999999999"), "line 22: 1 n-grams"),
    "a missing order": (lambda t: t.replace("ngram 2=4\n", ""), "line 5: expected the count of"),
    "no header": (lambda t: t.replace("\\data\\", "data"), "line 3: expected \\data\\"),
    "a positive logarithm": (lambda t: t.replace("-0.2\tthe", "0.2\tthe"), "line 17"),
    "no number": (lambda t: t.replace("-0.2\tthe", "x\tthe"), "line 17: a probability is no"),
    "not a number": (lambda t: t.replace("-0.2\tthe", "nan\tthe"), "line 17: a probability is no"),
    "a back-off that is none": (lambda t: t.replace("the\t-0.4", "the\t-0,4"), "line 16"),
    "a back-off at the top": (
        lambda t: t.replace("the cat\n\n\\end", "the cat\t-1\n\n\\end"),
        "22",
    ),
    "too many words": (lambda t: t.replace("-0.2\tthe cat", "-0.2\tthe cat cat 1"), "line 17"),
    "too few words": (lambda t: t.replace("-0.2\tthe cat", "-0.2\tthe"), "line 17: expected a"),
    "a word from nowhere": (lambda t: t.replace("-0.2\tthe cat", "-0.2\tthe dog"), "line 17"),
    "a word twice": (lambda t: t.replace("cat\n\n\\2", "the\n\n\\2"), "line 13: 'the' is listed"),
    "an n-gram twice": (lambda t: t.replace("-0.25\tcat cat", "-1\tthe cat"), "line 19: this"),
    "no beginning": (lambda t: t.replace("-0.05\t<s> the cat", "-1\tcat the cat"), "line 22"),
    "no start": (lambda t: t.replace("<s>\t-0.3", "<z>\t-0.3"), "<s> is missing"),
    "no end": (lambda t: t.replace("</s>\t0", "<z>\t0"), "</s> is missing"),
    "a start inside": (lambda t: t.replace("-0.2\tthe cat", "-0.2\tthe <s>"), "line 17: <s>"),
    "an end inside": (lambda t: t.replace("-0.2\tthe cat", "-0.2\t</s> cat"), "line 17: <s>"),
    "a byte 0": (lambda t: t.replace("-0.2\tthe cat", "-0.2\tthe c\0t"), "line 17: a byte 0"),
    "no last line": (lambda t: t.replace("\\end\\\n", ""), "the file ends before \\end\\"),
    "cut in a section": (lambda t: t[: t.index("-0.25")], "the file is cut"),
    "cut in the header": (lambda t: t[: t.index("ngram 2")], "ends before"),
    "only a title": (lambda t: "\\data\\\n", "before any count"),
}


@pytest.mark.parametrize("name", WRONG)
def test_refuses_in_one_line(name: str, tmp_path: Path) -> None:
    change, said = WRONG[name]
    path = write(tmp_path / "m.arpa", change(SMALL))
    with pytest.raises(TextError) as caught:
        read_arpa(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    for name, content in (
        ("e.arpa", b""),
        ("d.gz", b"\x1f\x8b\x08"),
        ("d.xz", b"no"),
        ("d.bz2", b""),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(TextError):
            read_arpa(tmp_path / name)
    with pytest.raises(TextError, match="does not exist"):
        read_arpa(tmp_path / "nothing.arpa")
    with pytest.raises(TextError, match="folder"):
        read_arpa(tmp_path)


def test_mutated_files_never_crash(model: NGram, tmp_path: Path) -> None:
    write_arpa(model, tmp_path / "m.arpa")
    whole = (tmp_path / "m.arpa").read_bytes()
    rng = np.random.default_rng(0)
    read = 0
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(int(rng.integers(1, 4))):
            at = int(rng.integers(len(data)))
            if rng.random() < 0.3:
                del data[at : at + int(rng.integers(1, 40))]
            else:
                data[at] = int(rng.choice(list(b"0123456789w.-\t\n \0\xff")))
        (tmp_path / "x.arpa").write_bytes(data)
        try:
            found = read_arpa(tmp_path / "x.arpa")
        except TextError:
            continue
        assert np.isfinite(found.trie.unigrams).all()
        read += 1
    assert 0 < read < 300


def test_only_words_between_white_space_are_written(tmp_path: Path) -> None:
    tokens = [np.array([97, 98, 97], np.int32)] * 3
    tokenizer = Bytes()
    size, boundary = tokenizer.vocabulary_size, tokenizer.boundary
    letters = NGram(estimate(tokens, vocabulary_size=size, boundary=boundary, order=2), tokenizer)
    with pytest.raises(ForetellError, match="whitespace"):
        write_arpa(letters, tmp_path / "m.arpa")
    assert not (tmp_path / "m.arpa").exists()


def test_never_overwrites(model: NGram, tmp_path: Path) -> None:
    path = write(tmp_path / "m.arpa", "mine")
    with pytest.raises(OutputExists):
        write_arpa(model, path)
    assert path.read_text() == "mine"


def test_a_unigram_model_goes_both_ways(tmp_path: Path) -> None:
    model = estimate_lines(text_of(50), order=1)
    write_arpa(model, tmp_path / "m.arpa")
    again = read_arpa(tmp_path / "m.arpa")
    np.testing.assert_array_equal(again.trie.unigrams, model.trie.unigrams)
