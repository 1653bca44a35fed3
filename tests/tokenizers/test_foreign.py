"""Tokenizers that others made keep the contract, or say that they do not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

from foretell.contracts.errors import DamagedModel
from foretell.tokenizers import Foreign, load_tokenizer
from foretell.tokenizers.foreign import _share_out

TEXTS = [
    "the cat sat on the mat, and the dog ate 123 hats\n" * 5,
    "床前明月光，疑是地上霜。 café\n" * 5,
]
SAMPLES = [
    "",
    " ",
    "the cat",
    " the cat  sat\n\n\t.",
    "床前明月光 and 鹅鹅鹅 😀",
    "<s> </s> <unk> <0x41> ▁ Ġ",
    "e\u0301 \u00a0 \u200b ﬁ Ａ",
]


def byte_level() -> Tokenizer:
    """As GPT-2, Llama 3 and SmolLM have it."""
    built = Tokenizer(models.BPE())
    built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    built.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<s>", "</s>"]
    built.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(
            vocab_size=320, initial_alphabet=alphabet, special_tokens=special, show_progress=False
        ),
    )
    built.add_tokens([AddedToken("  ", special=False, normalized=False)])
    return built


def with_prefix() -> Tokenizer:
    built = byte_level()
    built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    return built


def sentence_piece() -> Tokenizer:
    """As Llama 2 has it."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    letters = sorted(set("".join(TEXTS).replace(" ", "▁")) - {"\n"})
    vocabulary = {
        piece: index for index, piece in enumerate([*pieces, *letters, "▁t", "▁th", "at"])
    }
    merges = [("▁", "t"), ("▁t", "h"), ("a", "t")]
    built = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True))
    built.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    built.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    built.add_special_tokens([AddedToken(each, normalized=False) for each in pieces[:3]])
    return built


def unigram() -> Tokenizer:
    built = Tokenizer(models.Unigram())
    built.pre_tokenizer = pre_tokenizers.Metaspace()
    built.normalizer = normalizers.NFKC()
    built.decoder = decoders.Metaspace()
    built.train_from_iterator(
        TEXTS,
        trainers.UnigramTrainer(
            vocab_size=60,
            special_tokens=["<unk>", "<s>", "</s>"],
            unk_token="<unk>",
            show_progress=False,
        ),
    )
    return built


def word_piece() -> Tokenizer:
    built = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    built.normalizer = normalizers.BertNormalizer()
    built.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    built.decoder = decoders.WordPiece()
    built.train_from_iterator(
        TEXTS,
        trainers.WordPieceTrainer(
            vocab_size=200, special_tokens=["[UNK]", "<s>", "</s>"], show_progress=False
        ),
    )
    return built


KINDS = {
    "byte-level": byte_level(),
    "byte-level, space before": with_prefix(),
    "sentence-piece": sentence_piece(),
    "unigram": unigram(),
    "word-piece": word_piece(),
}


def foreign(kind: str, **more: Any) -> Foreign:
    backend = KINDS[kind]
    size = backend.get_vocab_size() + 3
    boundary = backend.token_to_id("</s>")
    return Foreign(backend.to_str(), vocabulary=size, boundary=boundary, **more)


BUILT = {kind: foreign(kind) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=60)
@given(text=st.sampled_from(SAMPLES) | st.text(max_size=40))
def test_bytes_add_up_and_what_is_lossless_comes_back(kind: str, text: str) -> None:
    built = BUILT[kind]
    tokens, lengths = built.encode(text)
    assert tokens.dtype == lengths.dtype == np.int32
    assert tokens.shape == lengths.shape
    if len(tokens):
        assert lengths.sum() == len(text.encode())
    assert (lengths >= 0).all()
    assert built.boundary not in tokens
    if built.lossless:
        assert built.decode(tokens) == text
    (again,) = built.encode_many([text])
    assert (again.tokens == tokens).all()
    assert (again.byte_lengths == lengths).all()


def test_it_knows_what_is_lost() -> None:
    lossless = {kind for kind, built in BUILT.items() if built.lossless}
    # SentencePiece writes ▁ for the space, so one that stands in the text is lost; a space that is
    # put before every text cannot be told from one that was there.
    assert lossless == {"byte-level"}
    assert BUILT["byte-level"].unknown is None
    assert BUILT["sentence-piece"].unknown is None
    assert BUILT["unigram"].unknown == KINDS["unigram"].token_to_id("<unk>")
    assert BUILT["word-piece"].unknown == KINDS["word-piece"].token_to_id("[UNK]")


@pytest.mark.parametrize("kind", KINDS)
def test_it_encodes_as_the_library_does(kind: str) -> None:
    backend = KINDS[kind]
    for text in ("the cat sat", "床前明月光", " a  dog"):
        expected = backend.encode(text, add_special_tokens=False).ids
        assert BUILT[kind].encode(text).tokens.tolist() == expected


def test_special_tokens_decode_to_nothing_and_added_text_to_itself() -> None:
    built = BUILT["byte-level"]
    tokens = built.encode("a  b").tokens
    assert KINDS["byte-level"].token_to_id("  ") in tokens
    edge = np.array([built.boundary], np.int32)
    assert built.decode(np.concatenate([edge, tokens, edge])) == "a  b"


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_saved_with_what_came_beside_it(kind: str, tmp_path: Path) -> None:
    built = foreign(kind, config={"chat_template": "{{ messages }}", "eos_token": "</s>"})
    built.save(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text("utf-8"))
    assert config["chat_template"] == "{{ messages }}"
    back = load_tokenizer(tmp_path)
    assert isinstance(back, Foreign)
    assert back.fingerprint == built.fingerprint
    assert (back.boundary, back.vocabulary_size) == (built.boundary, built.vocabulary_size)
    assert back.config["eos_token"] == "</s>"
    for text in SAMPLES:
        assert back.encode(text).tokens.tolist() == built.encode(text).tokens.tolist()


def test_an_altered_file_is_refused(tmp_path: Path) -> None:
    BUILT["byte-level"].save(tmp_path)
    file = tmp_path / "tokenizer.json"
    file.write_text(
        file.read_text("utf-8").replace('"use_regex": true', '"use_regex": false'), "utf-8"
    )
    with pytest.raises(DamagedModel, match="changed"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"model": {"type": "BPE"}}', "{" * 50])
def test_what_is_no_tokenizer_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(content, "utf-8")
    with pytest.raises(DamagedModel, match=r"tokenizer\.json"):
        Foreign.read(tmp_path, vocabulary=10, boundary=0)


def test_a_vocabulary_that_does_not_fit_is_refused() -> None:
    content = KINDS["byte-level"].to_str()
    with pytest.raises(DamagedModel, match="tokens up to"):
        Foreign(content, vocabulary=100, boundary=1)
    with pytest.raises(DamagedModel, match="boundary"):
        Foreign(content, vocabulary=400, boundary=400)


def test_without_a_file_it_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(DamagedModel, match="AutoTokenizer"):
        Foreign.read(tmp_path, vocabulary=10, boundary=0)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"normalizer": {"type": "Prepend", "prepend": "x" * 10_000}}, "normalizer has a text of"),
        ({"added_tokens": [{"id": 0, "content": "x" * 10_000}]}, "added_tokens has a text of"),
        ({"added_tokens": ["x" * 4000] * 300}, "added_tokens has a text of 4000 letters, and"),
    ],
)
def test_texts_that_would_take_many_times_their_length_are_refused(
    change: dict[str, Any], named: str
) -> None:
    content = {**json.loads(byte_level().to_str()), **change}
    with pytest.raises(DamagedModel, match=f"tokenizer.json: {named}"):
        Foreign(json.dumps(content), vocabulary=400, boundary=0)


def test_where_a_file_is_no_json_is_said() -> None:
    for content, place in (('{"a": 1,, }', "line 1, column 9"), ("[" * 200_000, "nest too deep")):
        with pytest.raises(DamagedModel, match=place):
            Foreign(content, vocabulary=400, boundary=0)


def test_templates_that_are_none_are_passed_over() -> None:
    several = [5, {"template": "x"}, {"name": "default", "template": "a"}]
    assert foreign("byte-level", config={"chat_template": several}).template == "a"
    assert foreign("byte-level", config={"chat_template": [5]}).template is None


def test_a_vocabulary_that_is_only_claimed_takes_no_memory() -> None:
    import tracemalloc

    content = byte_level().to_str()
    tracemalloc.start()
    try:
        assert Foreign(content, vocabulary=2**31 - 1, boundary=0).vocabulary_size == 2**31 - 1
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", [None, 5, "evil"])
def test_a_kind_that_is_none_is_named(kind: Any, tmp_path: Path) -> None:
    config = {"foretell": {"kind": kind, "fingerprint": "x"}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(DamagedModel, match=r"tokenizer_config\.json: foretell: kind is"):
        load_tokenizer(tmp_path)


def test_the_part_that_spoils_a_tokenizer_is_named() -> None:
    facts = json.loads(byte_level().to_str())
    for name in ("pre_tokenizer", "decoder", "normalizer"):
        spoiled = json.dumps({**facts, name: {"type": "Nothing"}})
        with pytest.raises(DamagedModel, match=f"x.json: {name} cannot be read"):
            Foreign(spoiled, vocabulary=400, boundary=0, where="x.json")
    spoiled = json.dumps({**facts, "model": {**facts["model"], "unk_token": "x" * 400 + "\ud800"}})
    with pytest.raises(DamagedModel, match="field of model") as refusal:
        Foreign(spoiled, vocabulary=400, boundary=0, where="x.json")
    # Where it stands is at the end of what the library says.
    assert "column" in str(refusal.value)
    assert len(str(refusal.value)) < 300


def test_letters_that_a_text_does_not_have_are_not_counted() -> None:
    lengths = _share_out([(0, 2), (2, 11), (11, 11)], "a 明")
    assert lengths.tolist() == [2, 3, 0]
