import random

import numpy as np
import pytest

from foretell.contracts.errors import ForetellError
from foretell.decoding.stopping import StopStrings, WholeCharacters
from foretell.testing.toys import ToyTokenizer

BYTES = ToyTokenizer(None)


def read_all(reader, tokens):
    pieces = []
    for token in tokens:
        text, reader = reader.read(int(token))
        pieces.append(text)
    return pieces


class CountingTokenizer(ToyTokenizer):
    decoded = 0

    def decode(self, tokens):
        self.decoded += len(tokens)
        return super().decode(tokens)


class SpacingTokenizer(ToyTokenizer):
    """Words that bring a space, except in front: as word-level decoders do."""

    def decode(self, tokens):
        return " ".join("abcdefgh"[int(token)] for token in tokens)


class FallbackTokenizer(ToyTokenizer):
    """A run of bytes is text or, byte by byte, is not: as decoders that fall back to bytes do."""

    def decode(self, tokens):
        data = bytes(int(token) for token in tokens)
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return "\ufffd" * len(data)


@pytest.mark.parametrize("tokenizer", [BYTES, FallbackTokenizer(None)])
def test_characters_come_out_whole(tokenizer):
    text = "a深海é😀b深"
    pieces = read_all(WholeCharacters(tokenizer), BYTES.encode(text).tokens)
    assert "".join(pieces) == text
    assert not any("\ufffd" in piece for piece in pieces)
    assert pieces[:4] == ["a", "", "", "深"]


def test_after_a_prompt_only_what_is_new_comes_out():
    prompt, text = BYTES.encode("海深").tokens, BYTES.encode("海a").tokens
    assert "".join(read_all(WholeCharacters.after(BYTES, prompt), text)) == "海a"
    fallback = FallbackTokenizer(None)
    assert "".join(read_all(WholeCharacters.after(fallback, prompt), text)) == "海a"


def test_spaces_that_come_from_neighbours_are_kept():
    tokenizer = SpacingTokenizer("abcdefgh")
    assert "".join(read_all(WholeCharacters(tokenizer), [0, 1, 2])) == "a b c"
    reader = WholeCharacters.after(tokenizer, np.array([0, 1], np.int32))
    assert "".join(read_all(reader, [2, 3])) == " c d"


def test_broken_bytes_come_out_as_replacements_and_nothing_is_lost():
    source = random.Random(0)
    for _ in range(300):
        # Lead bytes, continuations and letters in any order, then a letter to close.
        data = bytes(source.choice([0x61, 0xE6, 0xB7, 0xB1, 0xF0, 0x9F, 0xC3]) for _ in range(40))
        data += b"z"
        assert "".join(read_all(WholeCharacters(BYTES), data)) == data.decode("utf-8", "replace")


def test_an_unfinished_character_is_held_for_ever():
    assert "".join(read_all(WholeCharacters(BYTES), "a深".encode()[:-1])) == "a"


@pytest.mark.parametrize("data", [b"a" * 4000, "深".encode() * 1400, b"\xb7" * 4000])
def test_long_texts_cost_a_fixed_amount_for_each_token(data):
    tokenizer = CountingTokenizer(None)
    read_all(WholeCharacters(tokenizer), data)
    assert tokenizer.decoded < 16 * len(data)


def stop_slowly(text, stops):
    """Character by character: the first stop string that is complete."""
    for end in range(len(text) + 1):
        starts = [end - len(s) for s in stops if text[:end].endswith(s)]
        if starts:
            return text[: min(starts)], True
    return text, False


def test_stop_strings_agree_with_the_slow_twin_however_the_text_is_cut():
    source = random.Random(1)
    for _ in range(2000):
        text = "".join(source.choice("ab") for _ in range(12))
        stops = tuple(
            "".join(source.choice("ab") for _ in range(source.randint(1, 5)))
            for _ in range(source.randint(1, 3))
        )
        want, stopped = stop_slowly(text, stops)
        reader, out, rest = StopStrings(stops), "", text
        while rest:
            cut = source.randint(1, 4)
            heard = reader.read(rest[:cut])
            rest, reader, out = rest[cut:], heard.next, out + heard.text
            assert want.startswith(out)  # never emits what may belong to a stop string
            if heard.stopped:
                break
        assert heard.stopped == stopped
        assert (out if stopped else out + reader.held) == want


def test_only_what_may_become_a_stop_string_is_held():
    heard = StopStrings(("\nQ:",)).read("yes\n")
    assert (heard.text, heard.next.held) == ("yes", "\n")
    assert heard.next.read("no").text == "\nno"
    assert heard.next.read("Q:").stopped


def test_wrong_calls():
    with pytest.raises(ForetellError, match="as a tuple"):
        StopStrings("Q:")
    with pytest.raises(ForetellError, match="not empty"):
        StopStrings(("",))
    # The wrong loop of WholeCharacters: one token at a time.
    assert "\ufffd" in "".join(BYTES.decode([token]) for token in BYTES.encode("深").tokens)
