from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from foretell.contracts.errors import ForetellError, TextError
from foretell.models.ngram.lines import estimate_lines
from foretell.models.ngram.model import NGram
from foretell.models.ngram.trie import Trie
from foretell.tokenizers.whitespace import Whitespace

TEXT = b"".join(
    b" ".join(b"w%d" % (n * n % k) for k in range(2, 2 + n % 7)) + b"\n" for n in range(200)
)


def total(model: NGram, sentence: str) -> float:
    tokens = model.tokenizer.encode(sentence).tokens
    return float(np.exp(model.advance(model.begin().state, tokens[None]).logprobs).sum())


def test_a_line_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes(TEXT)
    from_file = estimate_lines(tmp_path / "t.txt", order=3)
    for other in (TEXT, TEXT.decode().splitlines()):
        again = estimate_lines(other, order=3)
        for mine, theirs in zip(from_file.trie.orders, again.trie.orders, strict=True):
            np.testing.assert_array_equal(mine.rows, theirs.rows)


def test_rare_words_become_unknown() -> None:
    model = estimate_lines(TEXT, order=3, prune=(20, 20, 30))
    counts = Counter(TEXT.split())
    wanted = [word for word, count in counts.items() if count > 20]
    assert 0 < len(wanted) < len(counts)
    assert sorted(list(model.tokenizer.words())[2:]) == sorted(wanted)
    assert model.trie.recipe.prune == (20, 20, 30)
    assert abs(total(model, "w1 w0") - 1) < 1e-5
    whole = estimate_lines(TEXT, order=3)
    assert model.trie.recipe.discounts == whole.trie.recipe.discounts


def test_a_given_vocabulary_is_all_there_is() -> None:
    wanted = [b"w0", b"w1", b"w4", b"elsewhere"]
    model = estimate_lines(TEXT, order=3, vocabulary=wanted)
    assert sorted(list(model.tokenizer.words())[2:]) == [b"w0", b"w1", b"w4"]
    assert (model.trie.grams(3) < model.tokenizer.vocabulary_size).all()
    for history in ("", "w0", "w0 w1", "w3 w1"):
        assert abs(total(model, f"w0 {history}") - 1) < 1e-5


def test_without_interpolation_the_unknown_word_gets_it_all() -> None:
    model = estimate_lines(TEXT, order=2, interpolate_unigrams=False)
    whole = estimate_lines(TEXT, order=2)
    mine, theirs = np.exp(model.trie.unigrams), np.exp(whole.trie.unigrams)
    assert abs(mine.sum() - 1) < 1e-6
    np.testing.assert_allclose(mine[0], theirs[0] * len(mine), rtol=1e-5)


def test_a_padded_vocabulary_leaves_the_rest_to_others() -> None:
    size = estimate_lines(TEXT, order=2).tokenizer.vocabulary_size
    model = estimate_lines(TEXT, order=2, vocabulary_pad=4 * size)
    unknown = np.exp(model.trie.unigrams[0])
    np.testing.assert_allclose(np.exp(model.trie.unigrams).sum() + 3 * size * unknown, 1, rtol=1e-5)


def test_given_discounts_are_for_orders_that_have_none() -> None:
    model = estimate_lines(b"a b\nb a\n", order=2, fallback=(0.4, 0.4, 0.4))
    assert model.trie.recipe.discounts == ((0.4, 0.4, 0.4),) * 2
    assert "0.4" in model.trie.recipe.notices[0]
    with pytest.raises(ForetellError, match="taken off"):
        estimate_lines(b"a b\nb a\n", order=2, fallback=(1.5, 1.0, 1.0))


def test_kenlm_counts_no_end_of_a_last_line_without_a_newline() -> None:
    def ends(text: bytes, compat: str) -> float:
        model = estimate_lines(text, order=1, compat=compat)  # type: ignore[arg-type]
        return float(model.trie.unigrams[Whitespace.boundary])

    text = TEXT + b"a b"
    assert ends(text, "exact") == ends(text + b"\n", "exact")
    assert ends(text, "kenlm") < ends(text + b"\n", "kenlm")


@pytest.mark.parametrize("word", ["<s>", "</s>", "<unk>"])
def test_reserved_words(word: str) -> None:
    with pytest.raises(TextError, match="line 2"):
        estimate_lines(["a", f"a {word} b"])
    skipped = estimate_lines(["a", f"a {word} b"], order=2, skip_reserved=True)
    assert list(skipped.tokenizer.words())[2:] == [b"a", b"b"]


def test_odd_texts_are_words_too() -> None:
    text = b"a\xc2\xa0b \xff\xfe\r\nc\0d\te\x0bf\n\n" + b"x" * 10_000 + b"\n"
    model = estimate_lines(text, order=2)
    words = list(model.tokenizer.words())[2:]
    assert words == [b"a\xc2\xa0b", b"\xff\xfe", b"c", b"d", b"e\x0bf", b"x" * 10_000]


def test_a_text_without_spaces_is_noticed() -> None:
    (notice,) = [
        n
        for n in estimate_lines(
            ["床前明月光疑是地上霜", "举头望明月低头思故乡"]
        ).trie.recipe.notices
        if "spaces" in n
    ]
    assert "--tokenizer characters" in notice
    spaced = estimate_lines(["床 前 明 月 光", "疑 是 地 上 霜"]).trie.recipe.notices
    assert not [n for n in spaced if "spaces" in n]


def test_what_cannot_be_used_is_said(tmp_path: Path) -> None:
    with pytest.raises(ForetellError, match="list of sentences"):
        estimate_lines("the cat")
    with pytest.raises(TextError, match="not a file"):
        estimate_lines(tmp_path / "none.txt")
    (tmp_path / "empty.txt").write_bytes(b"")
    with pytest.raises(TextError, match="empty"):
        estimate_lines(tmp_path / "empty.txt")


def test_white_space_without_a_newline_is_nothing_to_count() -> None:
    with pytest.raises(TextError, match="no word and no newline"):
        estimate_lines(b" ", order=2, compat="kenlm")


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("prune", [(0,), (0, 0, 1), (0, 1), (1, 1, 2)])
def test_links_that_counting_knows_are_those_that_a_trie_finds(
    order: int, prune: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(order)
    lines = [b" ".join(b"w%d" % w for w in rng.zipf(1.5, 9) % 30) for _ in range(200)]
    for vocabulary in (None, [b"w%d" % w for w in range(12)]):
        trie = estimate_lines(
            b"\n".join(lines) + b"\n", order=order, prune=prune[:order], vocabulary=vocabulary
        ).trie
        assert isinstance(trie, Trie)
        found = replace(trie, known_links=None).links
        assert (trie.known_links is None) == (order == 1)
        assert trie.links is not None
        assert found is not None
        assert len(trie.links) == len(found) == max(0, order - 2)
        for mine, theirs in zip(trie.links, found, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_backoffs_stay_in_place_where_nothing_follows() -> None:
    # `lmplz` counts no end of this text, so nothing follows "a c", and it moves its back-offs.
    model = estimate_lines(b"c\na c", order=3, compat="kenlm")
    a, c = (model.tokenizer.encode(word).tokens[0] for word in "ac")
    begun = model.trie.recipe.boundary
    found = model.trie.find(np.array([[a, c], [begun, a]]))
    assert found.there.all()
    backoffs = model.trie.orders[1].backoffs[found.rows]
    np.testing.assert_allclose(backoffs, [0.0, np.log(0.5)], atol=1e-6)
    for sentence in ("a", "a c", "c"):
        assert abs(total(model, sentence) - 1) < 1e-5
