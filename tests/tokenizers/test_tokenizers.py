"""All kinds of tokenizers against what `tokenizer.py` and the Hugging Face tools promise."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.contracts.errors import DamagedModel, ForetellError, TextError
from foretell.tokenizers import KINDS, Bytes, Characters, load_tokenizer, train_tokenizer
from foretell.tokenizers.fertility import measure_fertility
from foretell.tokenizers.spelling import BOUNDARY, SpelledTokenizer, byte_alphabet

TEXTS = [
    "the cat sat on the mat, and the dog ate the cat's 123 hats\n" * 3,
    "床前明月光，疑是地上霜。举头望明月，低头思故乡。\n" * 2 + "naïve café — “ok” 😀😀",
    "<unk> <0x41> <|end of text|> the end\r\n\t",
]
SIZES = {"bpe": 300, "unigram": 262}
BUILT = {kind: train_tokenizer(kind, TEXTS, size=SIZES.get(kind)) for kind in KINDS}
SAMPLES = [
    "",
    " ",
    "the cat's hat",
    "  two  spaces\n\n and \t tabs ",
    "床前明月光 and 鹅鹅鹅",
    "ひらがなカタカナ한국어",
    "e\u0301 is not \u00e9",
    "👩‍👩‍👧‍👦 family \u200b\ufeff",
    "<unk> <0x41> <0xFF>",
    "\x00\x01\x7f\x85\u2028",
    "Ġ Ċ â",
]
ANY_TEXT = st.text(max_size=60) | st.text(
    st.sampled_from("the cat床前明月 \n<|>endofx0"), max_size=60
)


@pytest.fixture(params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> SpelledTokenizer:
    return BUILT[request.param]


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=80)
@given(text=ANY_TEXT)
def test_any_text_comes_back_and_its_bytes_add_up(kind: str, text: str) -> None:
    built = BUILT[kind]
    tokens, byte_lengths = built.encode(text)
    assert tokens.dtype == byte_lengths.dtype == np.int32
    assert tokens.shape == byte_lengths.shape
    assert byte_lengths.sum() == len(text.encode())
    assert ((tokens >= 0) & (tokens < built.boundary)).all()
    if built.lossless:
        assert built.decode(tokens) == text
        spelled = b"".join(built.spellings[token] for token in tokens)
        assert spelled == text.encode()
        assert byte_lengths.tolist() == [len(built.spellings[token]) for token in tokens]


@settings(deadline=None, max_examples=80)
@given(text=ANY_TEXT)
def test_words_lose_exactly_their_unknowns(text: str) -> None:
    words = BUILT["words"]
    tokens, byte_lengths = words.encode(text)
    data, at = text.encode(), 0
    for token, length in zip(tokens.tolist(), byte_lengths.tolist(), strict=True):
        if token != words.unknown:
            assert data[at : at + length] == words.spellings[token]
        assert length > 0
        at += length
    decoded = words.decode(tokens)
    if words.unknown not in tokens:
        assert decoded == text
    else:
        assert "\ufffd" in decoded


@settings(deadline=None, max_examples=80)
@given(text=ANY_TEXT.filter(lambda text: BOUNDARY not in text))
@pytest.mark.parametrize("kind", ["bytes", "characters"])
def test_the_fast_encode_is_the_backends(kind: str, text: str) -> None:
    built = BUILT[kind]
    assert built.encode(text).tokens.tolist() == _backend(kind).encode(text).ids
    assert _backend(kind).decode(built.encode(text).tokens.tolist()) == text


_BACKENDS: dict[str, Any] = {}


def _backend(kind: str) -> Any:
    if kind not in _BACKENDS:
        _BACKENDS[kind] = BUILT[kind].backend()
    return _BACKENDS[kind]


@settings(deadline=None, max_examples=60)
@given(letters=st.sets(st.characters(exclude_categories=["Cs"]), max_size=8), text=st.text())
def test_characters_of_any_alphabet_equal_their_backend(letters: set[str], text: str) -> None:
    text = text + "".join(letters)
    built = Characters(list(letters))
    assert built.encode(text).tokens.tolist() == built.backend().encode(text).ids
    assert built.decode(built.encode(text).tokens) == text


def test_many_are_encoded_as_each_alone(tokenizer: SpelledTokenizer) -> None:
    texts = [*SAMPLES, *TEXTS]
    for text, encoding in zip(texts, tokenizer.encode_many(texts), strict=True):
        alone = tokenizer.encode(text)
        assert encoding.tokens.tolist() == alone.tokens.tolist()
        assert encoding.byte_lengths.tolist() == alone.byte_lengths.tolist()
    assert tokenizer.encode_many([]) == []


@pytest.mark.parametrize("text", [BOUNDARY, f"one{BOUNDARY}two {BOUNDARY}", f" {BOUNDARY}\n"])
def test_the_boundarys_name_in_a_text_is_text(tokenizer: SpelledTokenizer, text: str) -> None:
    for encoding in (tokenizer.encode(text), tokenizer.encode_many([text])[0]):
        assert tokenizer.boundary not in encoding.tokens
        assert encoding.byte_lengths.sum() == len(text.encode())
        if tokenizer.lossless:
            assert tokenizer.decode(encoding.tokens) == text


def test_it_stays_text_after_training_on_it_and_loading(tmp_path: Path) -> None:
    text = f"a{BOUNDARY}b " * 40
    for kind in KINDS:
        size = {"bpe": 262, "unigram": 257}.get(kind)
        built = train_tokenizer(kind, [text], size=size)
        (tmp_path / kind).mkdir()
        built.save(tmp_path / kind)
        for each in (built, load_tokenizer(tmp_path / kind)):
            tokens = each.encode(text).tokens
            assert each.boundary not in tokens
            assert not each.lossless or each.decode(tokens) == text


def test_the_boundary_is_last_and_spells_nothing(tokenizer: SpelledTokenizer) -> None:
    assert tokenizer.boundary == tokenizer.vocabulary_size - 1
    assert tokenizer.decode(np.array([tokenizer.boundary], np.int32)) == ""
    assert tokenizer.backend().token_to_id(BOUNDARY) == tokenizer.boundary
    assert tokenizer.backend().get_vocab_size() == tokenizer.vocabulary_size
    assert tokenizer.lossless == (tokenizer.unknown is None)


def test_saved_and_loaded_it_is_the_same(tokenizer: SpelledTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert type(loaded) is type(tokenizer)
    assert loaded.fingerprint == tokenizer.fingerprint
    assert loaded.name == tokenizer.name
    assert loaded.spellings == tokenizer.spellings
    assert loaded.unknown == tokenizer.unknown
    for text in [*SAMPLES, *TEXTS, BOUNDARY]:
        assert loaded.encode(text).tokens.tolist() == tokenizer.encode(text).tokens.tolist()
    again = tmp_path / "again"
    again.mkdir()
    loaded.save(again)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (again / name).read_bytes() == (tmp_path / name).read_bytes()


@settings(deadline=None, max_examples=30)
@given(letters=st.sets(st.characters(exclude_categories=["Cs"]), max_size=6))
def test_characters_of_any_alphabet_come_back_from_a_folder(letters: set[str]) -> None:
    from tempfile import TemporaryDirectory

    built = Characters(list(letters))
    with TemporaryDirectory() as name:
        built.save(Path(name))
        assert load_tokenizer(Path(name)).spellings == built.spellings


def test_fingerprints_tell_tokenizers_apart() -> None:
    different = [*BUILT.values(), train_tokenizer("bpe", TEXTS, size=299), Characters(["a"])]
    assert len({each.fingerprint for each in different}) == len(different)
    assert train_tokenizer("bpe", TEXTS, size=300).fingerprint == BUILT["bpe"].fingerprint


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["bytes", "characters", "bpe", "unigram"])
def test_transformers_reads_the_folder(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers = pytest.importorskip("transformers")
    built = BUILT[kind]
    built.save(tmp_path)
    theirs = transformers.PreTrainedTokenizerFast.from_pretrained(tmp_path)
    assert theirs.bos_token_id == theirs.eos_token_id == built.boundary
    assert len(theirs) == built.vocabulary_size
    for text in [*SAMPLES, *TEXTS]:
        tokens = built.encode(text).tokens.tolist()
        assert theirs.encode(text, add_special_tokens=False) == tokens
        assert theirs.decode(tokens) == text


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_vocabulary_larger_than_the_text_is_refused(kind: str) -> None:
    with pytest.raises(TextError, match="ask for a vocabulary of at most"):
        train_tokenizer(kind, ["a few words of a text"], size=5000)


def test_the_size_that_the_refusal_names_can_be_had() -> None:
    with pytest.raises(TextError) as refusal:
        train_tokenizer("bpe", TEXTS, size=5000)
    most = int(str(refusal.value).split("at most ")[1].split(",")[0])
    assert train_tokenizer("bpe", TEXTS, size=most).vocabulary_size == most


def test_wrong_calls_are_refused() -> None:
    with pytest.raises(TextError, match="257 or more"):
        train_tokenizer("bpe", TEXTS, size=256)
    with pytest.raises(ForetellError, match="needs a size"):
        train_tokenizer("bpe", TEXTS)
    with pytest.raises(ForetellError, match="choose one of bytes"):
        train_tokenizer("syllables", TEXTS)
    with pytest.raises(TextError, match="give more text"):
        train_tokenizer("words", ["each word stands here once"])


def test_vocabularies_have_the_size_asked_for() -> None:
    assert BUILT["bytes"].vocabulary_size == 257
    assert BUILT["bpe"].vocabulary_size == 300
    assert BUILT["unigram"].vocabulary_size == 262
    assert train_tokenizer("bpe", [], size=257).vocabulary_size == 257


def test_chinese_by_each_kind() -> None:
    text = "床前明月光"
    lengths = {kind: built.encode(text).byte_lengths.tolist() for kind, built in BUILT.items()}
    assert lengths["bytes"] == [1] * 15
    assert lengths["characters"] == [3] * 5
    assert lengths["words"] == [3] * 5
    assert sum(lengths["bpe"]) == sum(lengths["unigram"]) == 15
    rare = BUILT["characters"].encode("鹅")
    assert rare.tokens.tolist() == list("鹅".encode())
    assert BUILT["words"].encode("鹅明").tokens[0] == BUILT["words"].unknown
    assert BUILT["words"].encode("鹅鹅").byte_lengths.tolist() == [3, 3]


def test_minimum_count_of_characters() -> None:
    built = Characters.train(["aab", "bc"], minimum_count=2)
    assert built.characters == ["a", "b"]
    assert built.encode("abc").tokens.tolist() == [256, 257, ord("c")]


def test_half_a_character_decodes_to_a_mark() -> None:
    tokens = Bytes().encode("深a").tokens
    assert Bytes().decode(tokens[1:]) == "\ufffd\ufffda"


def test_the_byte_alphabet_is_gpt2s() -> None:
    letters = byte_alphabet()
    assert len(set(letters)) == 256
    assert letters[ord(" ")] == "Ġ"
    assert letters[ord("\n")] == "Ċ"
    assert letters[ord("a")] == "a"
    assert letters[0xAD] == chr(323)


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("how", ["missing", "cut", "empty", "other", "list", "bytes"])
def test_a_damaged_folder_is_refused(
    tokenizer: SpelledTokenizer, tmp_path: Path, name: str, how: str
) -> None:
    tokenizer.save(tmp_path)
    file = tmp_path / name
    whole = file.read_bytes()
    if how == "missing":
        file.unlink()
    else:
        content = {
            "cut": whole[: len(whole) // 2],
            "empty": b"",
            "other": b"{}",
            "list": b"[1]",
            "bytes": b"\xff\xfe",
        }
        file.write_bytes(content[how])
    with pytest.raises(DamagedModel, match="tokenizer"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("kind", ["characters", "words", "bpe", "unigram"])
def test_a_changed_vocabulary_is_noticed(kind: str, tmp_path: Path) -> None:
    BUILT[kind].save(tmp_path)
    other = train_tokenizer(kind, [*TEXTS, "zebra zoo 龙龙" * 9], size=SIZES.get(kind))
    assert other.fingerprint != BUILT[kind].fingerprint
    (tmp_path / "tokenizer.json").write_text(other.backend().to_str(), encoding="utf-8")
    with pytest.raises(DamagedModel, match="changed after it was saved"):
        load_tokenizer(tmp_path)


def test_special_names_seen_in_training_are_plain_words() -> None:
    words = train_tokenizer("words", ["<unk> and <|endoftext|> " * 5])
    tokens, byte_lengths = words.encode("<unk> and <|endoftext|> ")
    assert words.boundary not in tokens
    assert byte_lengths.sum() == 24
    assert words.unknown not in tokens[1:-1]


def test_a_byte_tokenizer_whose_file_is_anothers_is_refused(tmp_path: Path) -> None:
    """transformers would read other tokens from the folder than foretell does."""
    BUILT["bytes"].save(tmp_path)
    (tmp_path / "tokenizer.json").write_text(BUILT["bpe"].backend().to_str(), encoding="utf-8")
    with pytest.raises(DamagedModel):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("key", ["kind", "fingerprint"])
def test_a_config_without_our_part_is_refused(key: str, tmp_path: Path) -> None:
    BUILT["bpe"].save(tmp_path)
    file = tmp_path / "tokenizer_config.json"
    config = json.loads(file.read_text("utf-8"))
    config["foretell"][key] = "unheard of"
    file.write_text(json.dumps(config))
    with pytest.raises(DamagedModel):
        load_tokenizer(tmp_path)
    del config["foretell"]
    file.write_text(json.dumps(config))
    with pytest.raises(DamagedModel):
        load_tokenizer(tmp_path)


def test_fertility_counts() -> None:
    found = measure_fertility(BUILT["bytes"], ["aab ", "深"])
    assert (found.tokens, found.bytes, found.words, found.unknown, found.used) == (7, 7, 2, 0, 6)
    assert found.bytes_per_token == 1
    assert measure_fertility(BUILT["bytes"], ["abcd" * 5]).unigram_bits_per_byte == pytest.approx(2)
    words = measure_fertility(BUILT["words"], ["the zebra"])
    assert (words.tokens, words.unknown, words.bytes) == (2, 1, 9)
