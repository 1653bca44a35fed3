import re
from pathlib import Path

import numpy as np
import pytest

from foretell.contracts.errors import DamagedModel, TextError
from foretell.contracts.tokenizer import Tokenizer
from foretell.tokenizers import load_tokenizer, whitespace
from foretell.tokenizers.whitespace import Whitespace, learn_lines


def data(text: bytes) -> np.ndarray:
    return np.frombuffer(text, np.uint8)


def test_words_are_numbered_as_they_appear() -> None:
    words, stream = learn_lines(data(b"the cat\nsat on  the\tmat\n\ncat"))
    assert isinstance(words, Tokenizer)
    assert list(words.words()) == [b"<unk>", b"</s>", b"the", b"cat", b"sat", b"on", b"mat"]
    assert stream.tolist() == [1, 2, 3, 1, 4, 5, 2, 6, 1, 1, 3, 1]
    assert words.encode_lines(data(b"a cat\nmat")).tolist() == [1, 0, 3, 1, 6, 1]


def test_what_separates_and_what_does_not() -> None:
    words, _ = learn_lines(data(b"a\0b\rc\vd\xa0e \xff\xfe\n"))
    assert list(words.words())[2:] == [b"a", b"b", b"c\vd\xa0e", b"\xff\xfe"]
    assert words.token(b"\xff\xfe") == 5
    assert words.token(b"nowhere") == words.unknown


def test_pieces_give_what_one_reader_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    lines = [b" ".join(b"w%d" % w for w in rng.zipf(1.3, 12) % 5000) for _ in range(3000)]
    text = data(b"\n".join(lines) + b"\n")
    one, stream = learn_lines(text)
    again = one.encode_lines(text)
    monkeypatch.setattr(whitespace, "PIECE", 1000)
    many, cut = learn_lines(text)
    np.testing.assert_array_equal(stream, cut)
    np.testing.assert_array_equal(stream, again)
    np.testing.assert_array_equal(stream, many.encode_lines(text))
    assert one.fingerprint == many.fingerprint
    met = dict.fromkeys(word for line in lines for word in line.split())
    assert list(one.words())[2:] == list(met)


def test_long_words_and_an_empty_text() -> None:
    words, stream = learn_lines(data(b"x" * 100_000 + b" y\n"))
    assert [len(word) for word in words.words()] == [5, 4, 100_000, 1]
    assert stream.tolist() == [1, 2, 3, 1]
    words, stream = learn_lines(data(b""))
    assert (words.vocabulary_size, stream.tolist()) == (2, [1])


@pytest.mark.parametrize("word", ["<s>", "</s>", "<unk>"])
def test_reserved_words_are_refused_or_skipped(word: str) -> None:
    text = data(f"a b\nc {word} d\n".encode())
    with pytest.raises(TextError, match="line 2 holds"):
        learn_lines(text)
    words, stream = learn_lines(text, skip_reserved=True)
    assert stream.tolist() == [1, 2, 3, 1, 4, 5, 1]
    assert words.encode(f"a {word}").tokens.tolist() == [2, 0]
    assert list(words.words())[2:] == [b"a", b"b", b"c", b"d"]


@pytest.mark.parametrize("text", ["", "  ", " a  b ", "a\n", "海 a 海\u3000b", "x <s> </s> y"])
def test_byte_lengths_add_up(text: str) -> None:
    words = Whitespace.of([b"a", "海".encode()])
    tokens, lengths = words.encode(text)
    assert lengths.sum() == len(text.encode())
    assert len(tokens) == len(lengths)
    assert words.boundary not in tokens


def test_decoding_joins_by_spaces() -> None:
    words = Whitespace.of([b"a", "海".encode()])
    assert words.decode(words.encode("a  海 z").tokens) == "a 海 \ufffd"
    assert not words.lossless


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    words, _ = learn_lines(data("海 sea \udcff".encode("utf-8", "surrogateescape") + b"\n"))
    words.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert loaded.fingerprint == words.fingerprint
    assert isinstance(loaded, Whitespace)
    assert list(loaded.words()) == list(words.words())
    (tmp_path / "vocabulary.ends.bin").write_bytes(b"\0" * 16)
    with pytest.raises(DamagedModel, match="damaged"):
        load_tokenizer(tmp_path)


def test_words_of_any_bytes_and_lengths_are_those_that_splitting_gives() -> None:
    rng = np.random.default_rng(0)
    letters = np.frombuffer(bytes(range(1, 256)).translate(None, b"\t\n\r "), np.uint8)
    # Words that differ in their last byte alone, of every length around 8, 16 and 24 bytes.
    words = [rng.choice(letters, size).tobytes() for size in range(1, 28) for _ in range(20)]
    words += [word[:-1] + bytes([word[-1] ^ 1 or 1]) for word in words]
    words = [word for word in words if not set(word) & set(b"\t\n\r \0")]
    for trial in range(20):
        chosen = [words[k] for k in rng.integers(0, len(words), 300)]
        ends = [b" ", b"\t", b"\0", b"\r", b"  ", b"\n"]
        text = b"".join(word + ends[rng.integers(0, 6)] for word in chosen)
        text = text[: len(text) - trial % 2]
        vocabulary, stream = learn_lines(data(text))
        known = list(vocabulary.words())
        assert len(set(known)) == len(known)
        expected = [vocabulary.boundary]
        for line in text.split(b"\n")[: -1 if text.endswith(b"\n") else None]:
            found = [word for word in re.split(rb"[ \t\r\0]", line) if word]
            expected += [*(known.index(word) for word in found), vocabulary.boundary]
        assert stream.tolist() == expected
        assert [vocabulary.token(word) for word in known[2:]] == list(range(2, len(known)))
        np.testing.assert_array_equal(vocabulary.encode_lines(data(text)), stream)


def test_a_word_with_a_zero_is_not_taken_for_the_letters_before_it() -> None:
    vocabulary = Whitespace.of([b"a\0", b"a", b"\0", b"aaaaaaaa\0"])
    assert [vocabulary.token(word) for word in (b"a\0", b"a", b"\0", b"aaaaaaaa")] == [2, 3, 4, 0]
