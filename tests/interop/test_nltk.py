"""NLTK's models as ours, ours as NLTK's, tokenizers and corpora, on English and Chinese words."""

import json
import math

import numpy as np
import pytest
import torch

pytest.importorskip("nltk")

import nltk
from nltk import lm as nltk_lm
from nltk.corpus.reader import PlaintextCorpusReader
from nltk.lm.preprocessing import pad_both_ends, padded_everygram_pipeline
from nltk.tokenize import (
    LineTokenizer,
    PunktSentenceTokenizer,
    RegexpTokenizer,
    TreebankWordTokenizer,
)
from nltk.util import ngrams

import foretell
from foretell import models
from foretell.contracts.errors import DamagedModel, ForetellError
from foretell.interop.nltk import (
    FromNLTK,
    ModifiedKneserNey,
    NoCounts,
    as_nltk,
    documents_of,
    from_nltk,
    lines_of,
    load_nltk,
    prepare,
    save_nltk,
    tokenizer_of,
)
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
from foretell.models.neural.network import NeuralModel, UnlimitedModel
from foretell.models.neural.recurrent import RecurrentNetwork, RecurrentSizes
from foretell.models.ngram import NGram, estimate
from foretell.models.ngram.lines import estimate_lines
from foretell.testing.laws import check_laws
from foretell.tokenizers import Bytes, Characters, Subwords
from foretell.tokenizers.whitespace import Whitespace

SENTENCES = [
    ["the", "cat", "sat"],
    ["the", "dog", "ate", "the", "cat"],
    ["明月", "几时", "有"],
    ["把", "酒", "问", "明月"],
    ["a", "cat"],
]
NEW = [["the", "cat", "ate"], ["明月", "问", "酒"], ["a", "parrot", "sat"]]
WHOLE = {
    "MLE": nltk_lm.MLE,
    "Laplace": nltk_lm.Laplace,
    "Lidstone": lambda order: nltk_lm.Lidstone(0.3, order),
    "WittenBell": nltk_lm.WittenBellInterpolated,
    "AbsoluteDiscounting": nltk_lm.AbsoluteDiscountingInterpolated,
    "KneserNey": lambda order: nltk_lm.KneserNeyInterpolated(order, discount=0.5),
}


def fitted(make, order):
    model = make(order)
    model.fit(*padded_everygram_pipeline(order, SENTENCES))
    return model


def broken(model):
    return [result.law for result in check_laws(model, width=6) if not result.passed]


def padded(sentence, order):
    """(word, context) as documented: n-grams of a padded text, without the padding itself."""
    for gram in ngrams(pad_both_ends(sentence, n=order), order):
        yield gram[-1], gram[:-1]


def ngram(order=3):
    return estimate_lines([" ".join(sentence) for sentence in SENTENCES], order=order)


def lstm(tokenizer):
    torch.manual_seed(0)
    sizes = RecurrentSizes("lstm", tokenizer.vocabulary_size, width=6, hidden=8)
    return UnlimitedModel(RecurrentNetwork(sizes), tokenizer)


def gpt2(tokenizer):
    torch.manual_seed(0)
    sizes = GPT2Sizes(tokenizer.vocabulary_size, context=8, width=8, heads=2, layers=1)
    return NeuralModel(GPT2(sizes), tokenizer)


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("name", WHOLE)
def test_scores_are_nltks_own(name, order):
    theirs = fitted(WHOLE[name], order)
    ours = from_nltk(theirs)
    for sentence in [*SENTENCES, *NEW]:
        words = [*sentence, "</s>"]
        tokens = ours.tokenizer.encode(" ".join(sentence)).tokens
        tokens = np.append(tokens, ours.tokenizer.boundary).astype(np.int32)
        expected = [
            theirs.score(word, (["<s>"] * (order - 1) + words)[place : place + order - 1])
            for place, word in enumerate(words)
        ]
        np.testing.assert_allclose(np.exp(ours.score(tokens[None])[0]), expected, rtol=1e-5)


@pytest.mark.parametrize("name", WHOLE)
def test_laws_that_fail_say_that_it_does_not_add_up(name):
    ours = from_nltk(fitted(WHOLE[name], 3))
    assert broken(ours) == ["normalised"]


@pytest.mark.parametrize("name", WHOLE)
def test_renormalised_it_obeys_the_laws(name):
    assert broken(from_nltk(fitted(WHOLE[name], 3), renormalise=True)) == []


def test_what_is_missing_is_what_padding_gets():
    theirs = fitted(nltk_lm.Laplace, 3)
    ours = from_nltk(theirs)
    total = np.exp(ours.begin().logprobs[0, 0].astype(np.float64)).sum()
    assert total == pytest.approx(1 - theirs.score("<s>", ["<s>", "<s>"]), abs=1e-6)
    assert from_nltk(theirs, renormalise=True).begin().logprobs[0, 0] == pytest.approx(
        ours.begin().logprobs[0, 0] - np.log(total), abs=1e-5
    )


def test_in_mid_text_there_is_no_padding():
    theirs = fitted(nltk_lm.WittenBellInterpolated, 3)
    ours = from_nltk(theirs)
    cat = ours.tokenizer.token(b"cat")
    state = ours.begin(mid_text=True).state
    assert np.exp(ours.distributions(state)[0, cat]) == pytest.approx(theirs.score("cat"))
    step = ours.advance(state, ours.tokenizer.encode("the").tokens[None])
    assert np.exp(step.logprobs[0, 0, cat]) == pytest.approx(theirs.score("cat", ["the"]))


def test_a_model_of_single_words_never_ends_a_text():
    ours = from_nltk(fitted(nltk_lm.MLE, 1))
    assert ours.begin().logprobs[0, 0, ours.tokenizer.boundary] == -np.inf
    assert broken(ours) == []


def test_it_can_be_scored_and_compared():
    ours = from_nltk(fitted(nltk_lm.Laplace, 2))
    texts = ["the cat sat", "明月 有 酒"]
    versus = foretell.score(ngram(), texts).against(foretell.score(ours, texts))
    assert math.isfinite(foretell.score(ours, texts).total.bits_per_byte)
    assert versus is not None


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: fitted(lambda order: nltk_lm.StupidBackoff(order=order), 2), "StupidBackoff"),
        (lambda: nltk_lm.MLE(2), "not fitted"),
        (lambda: fitted(nltk_lm.KneserNeyInterpolated, 1), "order 1 divides by zero"),
        (lambda: "a text", "str is no language model"),
    ],
)
def test_refuses_by_name(make, said):
    with pytest.raises(ForetellError, match=said):
        from_nltk(make())


def test_refuses_words_that_hold_white_space():
    theirs = nltk_lm.MLE(2)
    theirs.fit(*padded_everygram_pipeline(2, [["new york", "sleeps"]]))
    with pytest.raises(ForetellError, match="'new york'"):
        from_nltk(theirs)


@pytest.mark.parametrize("name", WHOLE)
def test_counts_are_saved_and_come_back(name, tmp_path):
    theirs = fitted(WHOLE[name], 3)
    save_nltk(from_nltk(theirs), tmp_path / "lm.json")
    again = load_nltk(tmp_path / "lm.json")
    assert type(again) is type(theirs)
    assert again.vocab == theirs.vocab
    for sentence in [*SENTENCES, *NEW]:
        for word, context in padded(sentence, 3):
            assert again.score(word, context) == theirs.score(word, context)
            assert again.score(word) == theirs.score(word)


def test_saved_counts_are_opened_by_every_door(tmp_path):
    theirs = fitted(nltk_lm.WittenBellInterpolated, 2)
    save_nltk(theirs, tmp_path / "lm.json")
    ours = foretell.load(tmp_path / "lm.json")
    tokens = ours.tokenizer.encode("the cat ate").tokens[None]
    np.testing.assert_array_equal(ours.score(tokens), from_nltk(theirs).score(tokens))


def test_a_folder_is_refused_and_says_what_to_do(tmp_path):
    with pytest.raises(ForetellError, match="save_nltk"):
        models.save(from_nltk(fitted(nltk_lm.MLE, 2)), tmp_path / "model")
    with pytest.raises(ForetellError, match=r"foretell\.models\.save"):
        save_nltk(as_nltk(ngram()), tmp_path / "lm.json")


@pytest.mark.parametrize("content", ["", "[]", '{"format": "other"}'])
def test_a_damaged_file_of_counts_is_named(content, tmp_path):
    path = tmp_path / "lm.json"
    path.write_text(content)
    with pytest.raises(DamagedModel, match=r"lm\.json"):
        load_nltk(path)


def test_a_file_of_counts_names_no_other_class(tmp_path):
    path = tmp_path / "lm.json"
    save_nltk(fitted(nltk_lm.MLE, 2), path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "kind": "Vocabulary"}))
    with pytest.raises(DamagedModel):
        load_nltk(path)


@pytest.mark.parametrize("name", WHOLE)
def test_there_and_back_are_nltks_scores(name):
    theirs = fitted(WHOLE[name], 3)
    again = as_nltk(from_nltk(theirs))
    assert again.order == 3
    assert again.counts is theirs.counts
    assert sorted(again.vocab) == sorted(theirs.vocab)
    for sentence in [*SENTENCES, *NEW]:
        for word, context in padded(sentence, 3):
            if context[-1] == "</s>":
                # What follows an end is NLTK's padding, of which ours knows nothing.
                assert again.score(word, context) == 1
                continue
            assert again.score(word, context) == pytest.approx(theirs.score(word, context))
            assert again.score(word) == pytest.approx(theirs.score(word))
            if "<s>" not in context:
                shorter = context[1:]
                assert again.score(word, shorter) == pytest.approx(theirs.score(word, shorter))


def test_there_and_back_writes_what_nltk_writes():
    theirs = fitted(nltk_lm.MLE, 2)
    again = as_nltk(from_nltk(theirs))
    for seed in range(20):
        mine = again.generate(4, text_seed=["the"], random_seed=seed)
        other = theirs.generate(4, text_seed=["the"], random_seed=seed)
        # After an end of a text NLTK goes back to single words, ours begins the next text.
        until = other.index("</s>") + 1 if "</s>" in other else 4
        assert mine[:until] == other[:until]


def test_back_and_there_are_ours():
    ours = ngram()
    assert from_nltk(as_nltk(ours)) is ours
    # Not taken apart, but asked word by word.
    again = FromNLTK(as_nltk(ours))
    assert again.tokenizer.fingerprint == ours.tokenizer.fingerprint
    for sentence in [*SENTENCES, *NEW]:
        tokens = ours.tokenizer.encode(" ".join(sentence)).tokens[None]
        np.testing.assert_allclose(again.score(tokens), ours.score(tokens), atol=1e-5)
    assert broken(again) == []


def test_the_code_of_nltks_page_runs():
    """`nltk.lm`'s own documentation, with a model of ours in the place of MLE."""
    text = [["a", "b", "c"], ["a", "c", "d", "c", "e", "f"]]
    train, vocab = padded_everygram_pipeline(2, text)
    lm = ModifiedKneserNey(2)
    assert len(lm.vocab) == 0
    lm.fit(train, vocab)
    assert str(lm.vocab) == "<Vocabulary with cutoff=1 unk_label='<UNK>' and 9 items>"
    assert lm.vocab.lookup(text[0]) == ("a", "b", "c")
    assert lm.vocab.lookup(["aliens", "from", "Mars"]) == ("<UNK>", "<UNK>", "<UNK>")
    assert str(lm.counts) == "<NgramCounter with 2 ngram orders and 24 ngrams>"
    assert lm.counts["a"] == 2
    assert lm.counts[["a"]]["b"] == 1
    assert 0 < lm.score("a") < 1
    assert lm.score("<UNK>") == lm.score("aliens") > 0
    assert lm.score("b", ["a"]) > lm.score("b")
    assert lm.logscore("a") == pytest.approx(math.log2(lm.score("a")))
    test = [("a", "b"), ("c", "d")]
    assert lm.perplexity(test) == pytest.approx(2 ** lm.entropy(test))
    assert lm.entropy(test) == pytest.approx(
        -(lm.logscore("b", ["a"]) + lm.logscore("d", ["c"])) / 2
    )
    assert lm.generate(1, random_seed=3) in lm.vocab
    assert len(lm.generate(5, random_seed=3)) == 5
    assert lm.generate(5, text_seed=["c"], random_seed=3) == lm.generate(
        5, text_seed=["c"], random_seed=3
    )


def test_fitted_by_nltks_pipeline_it_is_the_model_of_the_lines():
    lm = fitted(ModifiedKneserNey, 3)
    ours = ngram()
    for sentence in [*SENTENCES, *NEW]:
        text = " ".join(sentence)
        a, b = (m.score(m.tokenizer.encode(text).tokens[None]) for m in (lm.model, ours))
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_rare_words_are_unknown_as_in_nltk():
    lm = ModifiedKneserNey(2, nltk_lm.Vocabulary(unk_cutoff=2))
    lm.fit(*padded_everygram_pipeline(2, SENTENCES))
    assert "dog" not in lm.vocab
    assert lm.score("dog", ["the"]) == lm.score("parrot", ["the"])
    assert lm.score("dog", ["the"]) > lm.score("明月", ["the"])


def test_unfitted_and_ill_fitted_are_refused():
    lm = ModifiedKneserNey(2)
    with pytest.raises(ForetellError, match="not fitted"):
        lm.score("a")
    with pytest.raises(ForetellError, match="everygrams"):
        lm.fit([[("a", "b")]], ["a", "b"])
    with pytest.raises(ForetellError, match="learned already"):
        as_nltk(ngram()).fit([], [])


@pytest.mark.parametrize(
    "make", [ngram, lambda: lstm(ngram().tokenizer), lambda: gpt2(ngram().tokenizer)]
)
def test_words_of_any_family(make):
    ours = make()
    lm = as_nltk(ours, order=3)
    for context in (["<s>"], ["<s>", "the"], ["the", "cat"], ["把", "酒"], ["a"] * 12):
        assert sum(lm.score(word, context) for word in lm.vocab) == pytest.approx(1, abs=1e-4)
    assert lm.score("<s>", ["the"]) == 0
    tokens = ours.tokenizer.encode("the dog ate").tokens[None]
    expected = ours.score(tokens)[0]
    found = [
        lm.score(w, ["<s>", "the", "dog"][: n + 1]) for n, w in enumerate(["the", "dog", "ate"])
    ]
    np.testing.assert_allclose(np.log(found), expected, atol=1e-4)
    assert set(lm.generate(6, random_seed=1)) <= set(lm.vocab)


def test_a_network_needs_an_order_and_has_no_counts():
    ours = lstm(ngram().tokenizer)
    with pytest.raises(ForetellError, match="as_nltk\\(model, order=3\\)"):
        as_nltk(ours)
    lm = as_nltk(ours, order=3)
    with pytest.raises(NoCounts, match="recurrent keeps no counts"):
        lm.context_counts(("the",))
    with pytest.raises(NotImplementedError):
        _ = lm.counts


@pytest.mark.parametrize(
    ("tokenizer", "joiner", "words"),
    [
        (Bytes(), " ", ["the", "cat's", "hat"]),
        (Subwords.train(["the cat sat on the mat " * 9], size=264), " ", ["the", "cat", "ate"]),
        (Characters.train(["明月几时有，把酒问青天" * 2]), "", ["明月", "几时", "有"]),
    ],
)
def test_parts_of_words_multiply(tokenizer, joiner, words):
    ours = lstm(tokenizer)
    lm = as_nltk(ours, order=3, joiner=joiner)
    product = math.prod(lm.score(w, ["<s>", *words[:n]]) for n, w in enumerate(words))
    whole = ours.score(tokenizer.encode(joiner.join(words)).tokens[None]).sum()
    assert math.log(product) == pytest.approx(whole, abs=1e-3)
    assert lm.vocab.lookup(words) == tuple(words)
    assert 0 < lm.score("</s>", ["<s>", *words]) < 1
    with pytest.raises(ForetellError, match=r"foretell\.generate"):
        lm.generate(2)


def test_our_tokenizers_as_nltks():
    text = "The cat's  hat, 床前明月光 ok\n"
    for tokenizer in (
        Bytes(),
        Characters.train([text * 2]),
        Subwords.train([text * 9], size=262),
        Whitespace.of([b"cat", b"ok"]),
    ):
        theirs = tokenizer_of(tokenizer)
        pieces = theirs.tokenize(text)
        assert pieces == [text[low:high] for low, high in theirs.span_tokenize(text)]
        assert "".join(pieces) == "".join(text.split())
        assert theirs.tokenize_sents([text, ""]) == [pieces, []]
        assert "".join(tokenizer_of(tokenizer, keep_spaces=True).tokenize(text)) == text
    assert pieces == ["The", "cat's", "hat,", "床前明月光", "ok"]
    assert tokenizer_of(Bytes()).tokenize("床 a") == ["床", "a"]


def test_nltks_tokenizers_prepare_lines():
    english = "The cat sat. It didn't purr.\n\nA dog!"
    lines = list(prepare([english], TreebankWordTokenizer(), PunktSentenceTokenizer()))
    assert lines == ["The cat sat .", "It did n't purr .", "A dog !"]
    characters = RegexpTokenizer(r"[一-鿿]|\w+|[^\w\s]")
    cut = RegexpTokenizer(r"[^。！？]+[。！？]?")
    assert list(prepare(["床前明月光。疑是地上霜！"], characters, cut)) == [
        "床 前 明 月 光 。",
        "疑 是 地 上 霜 ！",
    ]
    assert list(prepare(["a b\n\nc"], RegexpTokenizer(r"\S+"))) == ["a b", "c"]


def test_corpora_of_nltk(tmp_path, monkeypatch):
    # NLTK reads only below places that it was told of.
    monkeypatch.setattr(nltk.data, "path", [*nltk.data.path, str(tmp_path)])
    (tmp_path / "en.txt").write_text("The cat sat.\nIt purred.\n\nA dog.\n", "utf-8")
    (tmp_path / "zh.txt").write_text("明月 几时 有？\n", "utf-8")
    reader = PlaintextCorpusReader(str(tmp_path), r".*\.txt", sent_tokenizer=LineTokenizer())
    whole = list(documents_of(reader))
    assert [document.name for document in whole] == ["en.txt", "zh.txt"]
    assert whole[1].text == "明月 几时 有？\n"
    assert [(d.name, d.text) for d in documents_of(reader, paragraphs=True)][:2] == [
        ("en.txt#1", "The cat sat .\nIt purred ."),
        ("en.txt#2", "A dog ."),
    ]
    lines = list(lines_of(reader))
    assert lines == ["The cat sat .", "It purred .", "A dog .", "明月 几时 有 ？"]
    assert " ".join(lines).split() == list(reader.words())
    assert isinstance(estimate_lines(lines, order=2), NGram)


def test_an_estimate_from_other_tokens_is_a_language_model_of_words_too():
    """Word-level models of ours whose vocabulary was given, not learned."""
    words = Whitespace.of([b"a", b"b"])
    texts = [words.encode("a b a").tokens]
    trie = estimate(texts, vocabulary_size=words.vocabulary_size, boundary=words.boundary, order=2)
    lm = as_nltk(NGram(trie, words))
    assert sum(lm.score(word, ["a"]) for word in lm.vocab) == pytest.approx(1, abs=1e-5)
