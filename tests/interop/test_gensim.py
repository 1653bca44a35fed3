"""Word vectors between Gensim and our networks, and phrases from our counts."""

import numpy as np
import pytest
import torch

pytest.importorskip("gensim")

from gensim.models import KeyedVectors, Word2Vec
from gensim.models.phrases import Phrases

from foretell import models
from foretell.contracts.errors import ForetellError, TextError
from foretell.interop.gensim import (
    initialise,
    keys_of,
    phrases_from,
    phrases_of,
    vectors_of,
    word_vectors,
)
from foretell.models.neural.adapted import Adapted
from foretell.models.neural.gpt import GPT, GPTSizes
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
from foretell.models.neural.llama import Llama, LlamaSizes
from foretell.models.neural.network import NeuralModel, UnlimitedModel
from foretell.models.neural.recurrent import RecurrentNetwork, RecurrentSizes
from foretell.models.ngram.counts import count_stream
from foretell.models.ngram.lines import estimate_lines
from foretell.models.sliding import Sliding
from foretell.testing.toys import ToyTokenizer
from foretell.tokenizers import Bytes, Characters, Subwords, Words
from foretell.tokenizers.whitespace import Whitespace, learn_lines

TEXTS = ["the cat sat on the mat, 床前明月光 ok\u3000" * 3, "a dog ate the cat's 123 hats\n" * 4]
TOKENIZERS = {
    "bytes": Bytes(),
    "characters": Characters.train(TEXTS),
    "words": Words.train(TEXTS),
    "bpe": Subwords.train(TEXTS, size=280),
    "white space": Whitespace.of(
        [b"the", "床".encode(), b"\xe5\xba", b"<unk>", b"<0xE5><0xBA>", b"\xe2\x96\x81the"]
    ),
    "toy": ToyTokenizer(words=("ab", "ab c")),
}
SENTENCES = [
    "new york is a new york state of mind",
    "i love new york and new york loves me",
    "明月 几时 有 把 酒 问 青天",
    "明月 几时 有 明月 几时",
    "",
    "new",
] * 3


def recurrent(tokenizer):
    sizes = RecurrentSizes("lstm", tokenizer.vocabulary_size, width=6, hidden=8)
    return UnlimitedModel(RecurrentNetwork(sizes), tokenizer)


def gpt(tokenizer):
    sizes = GPTSizes(tokenizer.vocabulary_size, 8, width=8, heads=2, layers=1, tables=(20,))
    return NeuralModel(GPT(sizes), tokenizer)


def gpt2(tokenizer):
    sizes = GPT2Sizes(tokenizer.vocabulary_size, context=8, width=8, heads=2, layers=1)
    return NeuralModel(GPT2(sizes), tokenizer)


def llama(tokenizer):
    sizes = LlamaSizes(
        tokenizer.vocabulary_size, context=8, width=8, heads=2, layers=1, inner=12, key_heads=1
    )
    return NeuralModel(Llama(sizes), tokenizer)


def adapted(tokenizer):
    transformers = pytest.importorskip("transformers")
    config = transformers.GPTNeoXConfig(
        vocab_size=tokenizer.vocabulary_size + 3,
        max_position_embeddings=20,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
    )
    return NeuralModel(Adapted(transformers.GPTNeoXForCausalLM(config)), tokenizer)


NETWORKS = [recurrent, gpt, gpt2, llama, adapted]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_keys_differ_and_stand_in_a_line(name):
    tokenizer = TOKENIZERS[name]
    keys = keys_of(tokenizer)
    assert len(keys) == len(set(keys)) == tokenizer.vocabulary_size
    assert not any(key == "" or any(letter.isspace() for letter in key) for key in keys)
    assert all(key.encode("utf-8").decode() == key for key in keys)
    assert keys[tokenizer.boundary] == "<|endoftext|>"


def test_keys_are_spellings():
    assert keys_of(TOKENIZERS["bytes"])[ord("a")] == "a"
    assert keys_of(TOKENIZERS["bytes"])[ord(" ")] == "▁"
    assert keys_of(TOKENIZERS["bytes"])[ord("\n")] == "<0x0A>"
    assert keys_of(TOKENIZERS["bytes"])[0xE6] == "<0xE6>"
    assert "▁the" in keys_of(TOKENIZERS["words"])
    assert "床" in keys_of(TOKENIZERS["characters"])
    assert "<0xE3><0x80><0x80>" in keys_of(TOKENIZERS["characters"])
    keys = keys_of(TOKENIZERS["white space"])
    assert keys[4] == "<0xE5><0xBA>"
    assert keys[0] == "<unk>"
    assert keys[5:7] == ["<unk>#5", "<0xE5><0xBA>#6"]


@pytest.mark.parametrize("make", NETWORKS)
@pytest.mark.parametrize("name", ["bytes", "bpe", "white space"])
def test_vectors_come_back_equal(name, make, tmp_path):
    tokenizer = TOKENIZERS[name]
    torch.manual_seed(1)
    source, target = make(tokenizer), make(tokenizer)
    vectors = vectors_of(source)
    assert len(vectors) == tokenizer.vocabulary_size
    vectors.save_word2vec_format(tmp_path / "vectors.txt")
    again = KeyedVectors.load_word2vec_format(tmp_path / "vectors.txt")
    assert not np.array_equal(vectors_of(target).vectors, vectors.vectors)
    assert initialise(target, again) == tokenizer.vocabulary_size
    back = vectors_of(target)
    assert back.index_to_key == vectors.index_to_key
    np.testing.assert_array_equal(back.vectors, vectors.vectors)


def test_vectors_are_a_copy():
    model = gpt2(Bytes())
    before = vectors_of(model)
    before.vectors[:] = 0
    assert vectors_of(model).vectors.any()


@pytest.mark.parametrize("make", [recurrent, gpt2])
def test_tied_weights_stay_tied(make, tmp_path):
    """What is read and what is foretold go through the one matrix, before and after a saving."""
    model = make(TOKENIZERS["bpe"])
    number = model.parameters
    vectors = vectors_of(model)
    vectors.vectors[:] = np.random.default_rng(0).normal(size=vectors.vectors.shape)
    before = model.begin().logprobs
    initialise(model, vectors)
    after = model.begin().logprobs
    assert not np.allclose(before, after)
    assert model.parameters == number
    hidden = torch.ones(1, model.network.hidden if make is gpt2 else 6)
    expected = hidden.numpy() @ vectors.vectors.T
    with torch.no_grad():
        np.testing.assert_allclose(model.network.logits(hidden).numpy(), expected, atol=1e-5)
    models.save(model, tmp_path / "model")
    np.testing.assert_allclose(models.load(tmp_path / "model").begin().logprobs, after, atol=1e-6)


def test_word_vectors_trained_by_gensim_initialise_a_network():
    sentences = [sentence.split() for sentence in SENTENCES]
    trained = Word2Vec(sentences, vector_size=8, min_count=1, epochs=1, workers=1, seed=1).wv
    words = Whitespace.of([b"york", "明月".encode(), b"nowhere"])
    model = gpt2(words)
    before = vectors_of(model)
    assert initialise(model, trained) == 2
    after = vectors_of(model)
    np.testing.assert_array_equal(after["york"], trained["york"])
    np.testing.assert_array_equal(after["明月"], trained["明月"])
    np.testing.assert_array_equal(after["nowhere"], before["nowhere"])
    # A token with the space before it takes the plain word's vector.
    model = gpt2(Words.train(["new york new york " * 3]))
    assert initialise(model, trained) > 0
    np.testing.assert_array_equal(vectors_of(model)["▁york"], trained["york"])


def test_widths_must_agree():
    vectors = vectors_of(recurrent(Bytes()))
    with pytest.raises(ForetellError, match="6 numbers and the embedding 8"):
        initialise(gpt2(Bytes()), vectors)


def test_words_of_several_tokens_are_means():
    model = gpt2(TOKENIZERS["bpe"])
    tokens = vectors_of(model).vectors
    words = word_vectors(model, ["cat", "床前", "parrot"], before=" ")
    for word in ("cat", "床前", "parrot"):
        ids = model.tokenizer.encode(" " + word).tokens
        np.testing.assert_allclose(words[word], tokens[ids].mean(axis=0), atol=1e-7)
    assert words.most_similar("cat", topn=1)[0][0] in ("床前", "parrot")
    with pytest.raises(ForetellError, match="no tokens"):
        word_vectors(model, [""])
    assert len(word_vectors(model, [])) == 0


def test_a_window_is_looked_through_and_other_models_refused():
    model = gpt2(Bytes())
    np.testing.assert_array_equal(vectors_of(Sliding(model)).vectors, vectors_of(model).vectors)
    with pytest.raises(ForetellError, match="family ngram has no word vectors"):
        vectors_of(estimate_lines(SENTENCES, order=2))


@pytest.mark.parametrize(
    "settings",
    [
        {"min_count": 1, "threshold": 0.5},
        {"min_count": 2, "threshold": 2.0},
        {"min_count": 1, "threshold": 0.3, "scoring": "npmi"},
        {"min_count": 3, "threshold": -1.0, "scoring": "npmi", "delimiter": "·"},
        {"min_count": 100},
    ],
)
def test_phrases_are_gensims_own(settings, tmp_path):
    (tmp_path / "text").write_text("\n".join(SENTENCES), "utf-8")
    sentences = [sentence.split() for sentence in SENTENCES]
    theirs = Phrases(sentences, **settings)
    ours = phrases_of(tmp_path / "text", **settings)
    assert ours.phrasegrams == theirs.freeze().phrasegrams
    assert [ours[sentence] for sentence in sentences] == [theirs[s] for s in sentences]
    assert ours.find_phrases(sentences) == theirs.find_phrases(sentences)


def test_phrases_are_found():
    phrases = phrases_of(SENTENCES, min_count=1, threshold=0.5)
    assert phrases[["new", "york", "is", "明月", "几时"]] == ["new_york", "is", "明月_几时"]


def test_a_phrase_does_not_cross_from_one_sentence_into_the_next():
    phrases = phrases_of(["a b", "c d"] * 9, min_count=1, threshold=0.01)
    assert set(phrases.phrasegrams) == {"a_b", "c_d"}


def test_words_that_look_like_phrases_are_counted_as_gensim_counts_them():
    sentences = ["a_b c", "a b_c", "a b c", "a b"] * 4
    settings = {"min_count": 1, "threshold": 0.1}
    theirs = Phrases([sentence.split() for sentence in sentences], **settings).freeze()
    assert phrases_of(sentences, **settings).phrasegrams == theirs.phrasegrams


def test_counts_of_a_higher_order_give_the_same_phrases():
    data = np.frombuffer("\n".join(SENTENCES).encode(), np.uint8)
    words, stream = learn_lines(data)
    size = {"vocabulary_size": words.vocabulary_size, "boundary": words.boundary}
    settings = {"min_count": 1, "threshold": 0.5}
    expected = phrases_of(SENTENCES, **settings).phrasegrams
    for order in (2, 4):
        counts = count_stream(stream, order=order, **size)
        assert phrases_from(counts, words, **settings).phrasegrams == expected
    with pytest.raises(ForetellError, match="order 2 or more"):
        phrases_from(count_stream(stream, order=1, **size), words)


def test_what_is_no_list_of_sentences_is_refused():
    with pytest.raises(ForetellError, match="list of sentences"):
        phrases_of("new york")
    with pytest.raises(TextError, match="no word"):
        phrases_of([])
