"""Tokenizers in GGUF files: cut as llama.cpp cuts by the name that is written."""

import json
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from foretell.contracts.errors import ForetellError
from foretell.fields import Fields
from foretell.interop.gguf import Texts
from foretell.interop.gguf_tokenizer import PREFIX, WAYS, describe_tokenizer, read_tokenizer
from foretell.tokenizers import Foreign
from foretell.tokenizers.spelling import byte_alphabet

LETTERS = sorted(byte_alphabet())
TOKENS = [*LETTERS, "at", "cat", "<|end|>"]
"""No merges lead to `cat`."""
END = len(TOKENS) - 1


def foreign(way: str, **model: Any) -> Foreign:
    """A byte-level tokenizer that cuts texts in one of the ways."""
    vocabulary = {token: index for index, token in enumerate(TOKENS[:END])}
    backend = Tokenizer(models.BPE(vocabulary, [("a", "t")], **model))
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([TOKENS[END]])
    content = json.loads(backend.to_str())
    content["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": WAYS[way]}
    return Foreign(json.dumps(content), vocabulary=len(TOKENS), boundary=END)


def written(tokenizer: Foreign) -> Fields:
    """Its facts as a reader finds them."""
    facts: dict[str, Any] = dict(describe_tokenizer(tokenizer, END))
    for name in ("tokens", "merges"):
        raw = [text.encode() for text in facts[PREFIX + name]]
        ends = [sum(map(len, raw[: index + 1])) for index in range(len(raw))]
        starts = [end - len(text) for end, text in zip(ends, raw, strict=True)]
        places = np.array([starts, ends], np.int64)
        facts[PREFIX + name] = Texts(memoryview(b"".join(raw)), *places)
    return Fields("model.gguf", facts)


@pytest.mark.parametrize(
    ("way", "whole", "named"),
    [
        ("gpt-2", False, "gpt-2"),
        ("smollm", False, "smollm"),
        ("qwen2", False, "qwen2"),
        ("llama-bpe", True, "llama-bpe"),
        ("llama-bpe", False, "smaug-bpe"),
    ],
)
def test_a_piece_that_is_a_token_is_taken_whole_where_llama_cpp_does(
    way: str, whole: bool, named: str
) -> None:
    tokenizer = foreign(way, ignore_merges=whole)
    facts = written(tokenizer)
    assert facts.facts[PREFIX + "pre"] == named
    back, _ = read_tokenizer(facts)
    found = [TOKENS[token] for token in back.encode("cat").tokens]
    assert found == (["cat"] if whole else ["c", "at"])
    for text in ("cat", "a cat's 1234\n\n  床前"):
        assert back.encode(text).tokens.tolist() == tokenizer.encode(text).tokens.tolist()


def test_what_no_name_says_is_refused() -> None:
    for way in ("gpt-2", "smollm", "qwen2"):
        with pytest.raises(ForetellError, match="cuts texts as this one does"):
            describe_tokenizer(foreign(way, ignore_merges=True), END)


@pytest.mark.parametrize(("normalizer", "kept"), [("Lowercase", False), ("NFC", True)])
def test_texts_that_are_changed_first_are_refused(normalizer: str, kept: bool) -> None:
    backend = Tokenizer.from_str(foreign("gpt-2").backend().to_str())
    backend.normalizer = getattr(normalizers, normalizer)()
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = Foreign(backend.to_str(), vocabulary=len(TOKENS), boundary=END)
    if kept:
        assert describe_tokenizer(tokenizer, END)[PREFIX + "pre"] == "gpt-2"
        return
    with pytest.raises(ForetellError, match="cuts texts as this one does"):
        describe_tokenizer(tokenizer, END)
