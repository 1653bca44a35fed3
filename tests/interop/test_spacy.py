"""A component of spaCy that says how surprising tokens are, and spaCy's cutting of corpora."""

import shutil
import tomllib
from math import log
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("spacy")

import spacy
from spacy.tokens import Doc, Span

import foretell
import foretell.interop.spacy as door
from foretell import models
from foretell.contracts.errors import DamagedModel, ForetellError
from foretell.evaluation.scoring import score_texts
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
from foretell.models.neural.network import NeuralModel
from foretell.models.ngram import NGram, estimate
from foretell.models.ngram.lines import estimate_lines
from foretell.models.replay import Replay
from foretell.tokenizers import Bytes, Characters, Subwords, Words
from foretell.tokenizers.whitespace import Whitespace

LEARNED = ["the cat sat on the mat, 床前明月光 ok " * 3, "a dog ate the cat's 123 hats\n" * 4]
TEXTS = [
    "The cat's  mat. It sat!\n\n  ok",
    "  a dog ate the cat's hats 🙂 ",
    "",
    " ",
    "床前明月光。疑是地上霜！ok",
]
TOKENIZERS = {
    "bytes": Bytes(),
    "characters": Characters.train(LEARNED),
    "words": Words.train(LEARNED),
    "bpe": Subwords.train(LEARNED, size=280),
    "white space": Whitespace.of([b"the", b"cat", b"mat."]),
}


def ngram(tokenizer):
    tokens = [encoding.tokens for encoding in tokenizer.encode_many(LEARNED)]
    size, boundary = tokenizer.vocabulary_size, tokenizer.boundary
    return NGram(estimate(tokens, vocabulary_size=size, boundary=boundary, order=3), tokenizer)


def gpt2(tokenizer):
    torch.manual_seed(0)
    sizes = GPT2Sizes(tokenizer.vocabulary_size, context=8, width=8, heads=2, layers=1)
    return NeuralModel(GPT2(sizes), tokenizer)


def pipeline(language, model, folder):
    models.save(model, folder)
    nlp = spacy.blank(language)
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("foretell", config={"model": str(folder)})
    return nlp


def bits_of(doc):
    return [token._.surprisal for token in doc]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", TOKENIZERS)
def test_bits_add_up_to_those_of_the_text(name, language, tmp_path):
    model = ngram(TOKENIZERS[name])
    nlp = pipeline(language, model, tmp_path / "model")
    docs = list(nlp.pipe(TEXTS, batch_size=2))
    for doc, evidence in zip(docs, score_texts(model, TEXTS, end_of_text=False), strict=True):
        assert doc._.surprisal == pytest.approx(evidence.nats / log(2), abs=1e-9)
        assert doc._.surprisal == pytest.approx(sum(bits_of(doc)), abs=1e-9)
        sentences = [sentence._.surprisal for sentence in doc.sents]
        assert sum(sentences) == pytest.approx(doc._.surprisal, abs=1e-9)
        assert bits_of(nlp(doc.text)) == pytest.approx(bits_of(doc), abs=1e-5)


def test_a_token_of_the_model_goes_to_the_one_that_holds_its_first_letter():
    nlp = spacy.blank("en")
    words = Words.train(["the cat's mat " * 3])
    model = ngram_of_words(words, "the cat's  mat")
    doc = door.Surprisal(model)(nlp("the cat's  mat"))
    assert [token.text for token in doc] == ["the", "cat", "'s", " ", "mat"]
    tokens = words.encode(doc.text)
    bits = -model.score(tokens.tokens[None])[0] / log(2)
    pieces = [words.decode(tokens.tokens[place : place + 1]) for place in range(len(bits))]
    assert pieces == ["the", " cat", "'", "s", " ", " mat"] or "�" in pieces
    found = dict(zip([token.text for token in doc], bits_of(doc), strict=True))
    assert found["the"] == pytest.approx(bits[0])
    assert found["cat"] == pytest.approx(bits[1])
    assert found["mat"] == pytest.approx(bits[-1])


def ngram_of_words(words, text):
    tokens = [words.encode(text).tokens]
    size, boundary = words.vocabulary_size, words.boundary
    return NGram(estimate(tokens, vocabulary_size=size, boundary=boundary, order=2), words)


def test_of_bytes_a_word_costs_its_letters_and_the_space_after_it():
    model = ngram(Bytes())
    doc = door.Surprisal(model)(spacy.blank("en")("the cat 床"))
    bits = -model.score(Bytes().encode(doc.text).tokens[None])[0].astype(np.float64) / log(2)
    assert bits_of(doc) == pytest.approx([bits[:4].sum(), bits[4:8].sum(), bits[8:].sum()])


def test_texts_longer_than_the_context_are_read():
    model = gpt2(Bytes())
    doc = door.Surprisal(model)(spacy.blank("en")("the cat sat on the mat " * 5))
    expected = foretell.score(model, [doc.text]).total.nats / log(2)
    assert doc._.surprisal == pytest.approx(expected)


def test_what_was_not_read_has_none():
    door.Surprisal(None)
    doc = spacy.blank("en")("a cat")
    assert doc[0]._.surprisal is None
    assert doc._.surprisal is None
    assert doc[:1]._.surprisal is None


@pytest.mark.parametrize("make", [ngram, gpt2])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_saved_pipeline_brings_its_model(language, make, tmp_path):
    nlp = pipeline(language, make(TOKENIZERS["bpe"]), tmp_path / "model")
    expected = [bits_of(doc) for doc in nlp.pipe(TEXTS)]
    nlp.to_disk(tmp_path / "pipeline")
    shutil.rmtree(tmp_path / "model")
    again = spacy.load(tmp_path / "pipeline")
    assert [bits_of(doc) for doc in again.pipe(TEXTS)] == expected
    # Over the very files that its model may still be reading.
    again.to_disk(tmp_path / "pipeline")
    assert [bits_of(doc) for doc in again.pipe(TEXTS)] == expected
    other = spacy.blank(language)
    other.add_pipe("sentencizer")
    other.add_pipe("foretell")
    other.from_bytes(again.to_bytes())
    assert [bits_of(doc) for doc in other.pipe(TEXTS)] == expected
    assert other.get_pipe("foretell").to_bytes() == again.get_pipe("foretell").to_bytes()


def test_no_model_and_no_such_model_are_one_line():
    nlp = spacy.blank("en")
    nlp.add_pipe("foretell")
    with pytest.raises(ForetellError, match="has no model"):
        nlp("a cat")
    nlp = spacy.blank("en")
    nlp.add_pipe("foretell", config={"model": "no/such"})
    with pytest.raises(DamagedModel, match="no/such"):
        nlp("a cat")


def test_a_model_that_cannot_be_saved_says_so(tmp_path):
    inner = ngram(Bytes())

    def forward(tokens):
        return inner.advance(inner.begin(len(tokens)).state, tokens, keep=tokens.shape[1]).logprobs

    component = door.Surprisal(Replay(forward, Bytes()))
    with pytest.raises(ForetellError, match="cannot be saved"):
        component.to_disk(tmp_path / "foretell")


@pytest.mark.parametrize("name", ["../outside", "/outside", ""])
def test_bytes_cannot_write_outside_a_folder(name, tmp_path):
    import srsly

    component = door.Surprisal(None)
    with pytest.raises(DamagedModel, match="no model has"):
        component.from_bytes(srsly.msgpack_dumps({name: b"x"}))


def test_other_bytes_are_refused():
    for data in (b"", b"\xc1", b"\x01"):
        with pytest.raises(DamagedModel):
            door.Surprisal(None).from_bytes(data)


def test_an_attribute_of_someone_else_is_not_taken():
    Doc.set_extension("surprisal", getter=len, force=True)
    try:
        with pytest.raises(ForetellError, match=r"Doc\._\.surprisal"):
            door.Surprisal(None)
    finally:
        Doc.remove_extension("surprisal")
    door.Surprisal(None)
    assert Span.has_extension("surprisal")


def test_the_entry_point_names_the_factory():
    facts = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    named = facts["project"]["entry-points"]["spacy_factories"]
    assert named == {"foretell": "foretell.interop.spacy:make_surprisal"}
    assert door.make_surprisal is getattr(door, named["foretell"].split(":")[1])
    assert spacy.blank("en").has_factory("foretell")


def test_corpora_are_cut_into_sentences_and_words():
    english = ["He said “Go!” and left. He’s fine.\n\nA new line", "\n"]
    assert list(door.prepare(english, door.cutter("en"))) == [
        "He said “ Go ! ”",
        "and left .",
        "He ’s fine .",
        "A new line",
    ]
    chinese = ["床前明月光。疑是地上霜！举头望明月；低头思故乡……\n好？好"]
    lines = list(door.prepare(chinese, door.cutter("zh")))
    assert lines == [
        "床 前 明 月 光 。",
        "疑 是 地 上 霜 ！",
        "举 头 望 明 月 ；",
        "低 头 思 故 乡 … …",
        "好 ？",
        "好",
    ]
    assert isinstance(estimate_lines(lines, order=2), NGram)


def test_an_opening_quotation_mark_begins_a_sentence():
    lines = list(door.prepare(["他说：“好。”“你呢？”（笑。）「走！」“"], door.cutter("zh")))
    assert lines == [
        "他 说 ： “ 好 。 ”",
        "“ 你 呢 ？ ”",
        "（ 笑 。 ）",
        "「 走 ！ 」 “",
    ]


def test_a_pipeline_that_marks_no_sentences_is_refused():
    with pytest.raises(ForetellError, match="sentencizer"):
        list(door.prepare(["a b. c"], spacy.blank("en")))
