import numpy as np
import pytest
from scipy.stats import chisquare

from foretell.contracts.errors import ForetellError
from foretell.decoding.generate import (
    DecodingSettings,
    generate,
    measure_milliseconds_per_token,
    read_prompts,
    stream,
)
from foretell.models.sliding import unlimited
from foretell.testing.toys import ToyModel, ToyTokenizer

TOKENIZER = ToyTokenizer("abc 深海", words=("ab", "c a"))
PROMPTS = ["", "a", "ab c", "深海 abcabc", "", "深", "a", "c c c c"]


def toy(**changes):
    return ToyModel(changes.pop("tokenizer", TOKENIZER), **{"seed": 4, **changes})


def next_logprobs(model, tokens):
    """After all tokens of a text, read in one go: the slow twin of the loop."""
    model = unlimited(model)
    step = model.begin()
    if len(tokens):
        step = model.advance(step.state, np.array([tokens], np.int32))
    return step.logprobs[0, -1]


def continue_greedily(model, prompt, max_tokens):
    tokens = model.tokenizer.encode(prompt).tokens.tolist()
    start = len(tokens)
    while len(tokens) - start < max_tokens:
        logprobs = next_logprobs(model, tokens).copy()
        if model.tokenizer.unknown is not None:
            logprobs[model.tokenizer.unknown] = -np.inf
        tokens.append(int(logprobs.argmax()))
        if tokens[-1] == model.tokenizer.boundary:
            break
    return tuple(tokens[start:])


@pytest.mark.parametrize("context", [None, 2, 3, 8, 9])
@pytest.mark.parametrize("ending", [0.02, 0.2])
def test_greedy_equals_brute_force(context, ending):
    model = toy(order=None, context=context, ending=ending)
    settings = DecodingSettings(max_tokens=30, temperature=0)
    for prompt, got in zip(PROMPTS, generate(model, PROMPTS, settings=settings), strict=True):
        assert got.tokens == continue_greedily(model, prompt, 30)
        whole = TOKENIZER.decode(np.array(got.tokens, np.int32)).rstrip("\ufffd")
        assert got.text.rstrip("\ufffd") == whole


def test_logprobs_are_the_models_own():
    model = toy(order=None)
    settings = DecodingSettings(max_tokens=20, temperature=0.5, top_k=3, repetition=1.3, seed=2)
    for prompt, got in zip(PROMPTS, generate(model, PROMPTS, settings=settings), strict=True):
        text = TOKENIZER.encode(prompt).tokens.tolist() + list(got.tokens)
        scores = model.score(np.array([text], np.int32))[0, len(text) - len(got.tokens) :]
        np.testing.assert_array_equal(np.array(got.logprobs, np.float32), scores)


SAMPLED = DecodingSettings(max_tokens=40, temperature=1.2, top_p=0.95, repetition=1.1, seed=9)


@pytest.mark.parametrize("context", [None, 2, 6, 13])
def test_a_batch_equals_each_row_alone(context):
    model = toy(order=None, context=context, ending=0.05)
    together = generate(model, PROMPTS, settings=SAMPLED)
    assert len({len(got.tokens) for got in together}) > 2
    for row, prompt in enumerate(PROMPTS):
        assert generate(model, [prompt], settings=SAMPLED, rows=[row]) == [together[row]]


def test_equal_prompts_differ_and_equal_seeds_agree():
    model = toy()
    texts = generate(model, ["ab"] * 6, settings=SAMPLED)
    assert len({got.text for got in texts}) > 3
    assert texts == generate(model, ["ab"] * 6, settings=SAMPLED)
    other = DecodingSettings(max_tokens=40, temperature=1.2, seed=10)
    assert texts != generate(model, ["ab"] * 6, settings=other)


def test_generating_further_equals_generating_at_once():
    model = toy(tokenizer=ToyTokenizer("abc "), order=None, context=9, ending=1e-6)
    short = DecodingSettings(max_tokens=15, seed=3)
    long = DecodingSettings(max_tokens=37, seed=3)
    first = generate(model, ["cab"], settings=short)[0]
    more = generate(model, ["cab" + first.text], settings=DecodingSettings(max_tokens=22, seed=3))
    assert first.text + more[0].text == generate(model, ["cab"], settings=long)[0].text


def test_first_tokens_follow_the_model():
    model = toy(ending=0.1)
    settings = DecodingSettings(max_tokens=1, seed=1)
    got = generate(model, ["ab"] * 5000, settings=settings)
    counts = np.bincount([g.tokens[0] for g in got], minlength=TOKENIZER.vocabulary_size)
    expected = np.exp(next_logprobs(model, TOKENIZER.encode("ab").tokens.tolist()).astype(float))
    assert counts[TOKENIZER.unknown] == 0
    expected[TOKENIZER.unknown] = 0
    possible = expected > 0
    expected = expected[possible] / expected.sum() * len(got)
    assert chisquare(counts[possible], expected).pvalue > 0.001


def test_a_low_temperature_becomes_greedy():
    model = toy()
    cold = DecodingSettings(max_tokens=30, temperature=1e-6)
    greedy = DecodingSettings(max_tokens=30, temperature=0, top_p=0.5, seed=77)
    assert greedy.greedy
    assert generate(model, PROMPTS, settings=cold) == generate(model, PROMPTS, settings=greedy)


def drain(pieces):
    """All that a generator yields, and what it returns."""
    values = []

    def keep_value():
        values.append((yield from pieces))

    return list(keep_value()), values[0]


@pytest.mark.parametrize("stop", [(), ("c",), ("b ", "海"), ("aba", "bc", " 深")])
@pytest.mark.parametrize("seed", range(8))
def test_streams_add_up_to_the_text(stop, seed):
    model = toy(order=None, context=11)
    settings = DecodingSettings(max_tokens=60, temperature=1.3, stop=stop, seed=seed)
    for row, prompt in enumerate(PROMPTS[:4]):
        want = generate(model, [prompt], settings=settings, rows=[row])[0]
        pieces = stream(model, prompt, settings=settings, row=row)
        got, value = drain(pieces)
        assert value == want
        assert "".join(got) == want.text
        assert all(got)
        assert not any(s in want.text for s in stop)


class Recited:
    """A model that recites one text and then ends it, whatever it is given."""

    context = None

    def __init__(self, text, tokenizer):
        self.tokenizer = tokenizer
        self.script = [*tokenizer.encode(text).tokens.tolist(), tokenizer.boundary]
        self.inner = ToyModel(tokenizer)

    def recite(self, step):
        logprobs = np.full_like(step.logprobs, -np.inf)
        for row, length in enumerate(step.state.lengths):
            logprobs[row, :, self.script[min(length, len(self.script)) - 1]] = 0
        return step._replace(logprobs=logprobs)

    def begin(self, rows=1, *, mid_text=False):
        return self.recite(self.inner.begin(rows, mid_text=mid_text))

    def advance(self, state, tokens, *, lengths=None, keep=1):
        return self.recite(self.inner.advance(state, tokens, lengths=lengths, keep=keep))


@pytest.mark.parametrize(
    ("stop", "text", "finished"),
    [
        ((), "abc 深海 abc", "boundary"),
        (("c 深",), "ab", "stop"),  # across three tokens, the last of which is part of a character
        (("bc", "海"), "a", "stop"),  # begins inside the token "ab"
        ((" ",), "abc", "stop"),
        (("abc\n", "c x"), "abc 深海 abc", "boundary"),  # held at the end, then given out
    ],
)
def test_stop_strings_across_tokens(stop, text, finished):
    model = Recited("abc 深海 abc", TOKENIZER)
    settings = DecodingSettings(stop=stop)
    got = generate(model, [""], settings=settings)[0]
    assert (got.text, got.finished) == (text, finished)
    assert "".join(stream(model, "", settings=settings)) == text
    assert len(got.tokens) == len(got.logprobs)


def test_streams_never_show_parts_of_characters():
    model = Recited("深海a深", TOKENIZER)
    assert list(stream(model, "", settings=DecodingSettings())) == ["深", "海", "a", "深"]
    for most in range(1, 10):
        settings = DecodingSettings(max_tokens=most)
        pieces = list(stream(model, "", settings=settings))
        assert not any("\ufffd" in piece for piece in pieces)
        got = generate(model, [""], settings=settings)[0]
        assert got.finished == "length"
        assert len(got.tokens) == most
        assert "深海a深".startswith(got.text)


def test_texts_of_any_lengths_are_read_in_their_order():
    model = toy(order=None, context=6)
    rng = np.random.default_rng(0)
    texts = [rng.integers(0, 8, n).astype(np.int32) for n in (7, 0, 3, 30, 0, 5, 6)]
    step = read_prompts(unlimited(model), texts)
    for row, text in enumerate(texts):
        np.testing.assert_array_equal(step.logprobs[row, 0], next_logprobs(model, text.tolist()))


def test_long_prompts_and_outputs_slide():
    model = toy(order=None, context=8, ending=1e-6)
    settings = DecodingSettings(max_tokens=50)
    got = generate(model, ["ab c" * 20, "c"], settings=settings)
    assert [len(g.tokens) for g in got] == [50, 50]


def test_unknown_tokens_are_never_picked():
    model = toy(tokenizer=ToyTokenizer("a"), ending=0.01)
    got = generate(model, ["", "zz", "a"], settings=DecodingSettings(max_tokens=50))
    assert not any(model.tokenizer.unknown in g.tokens for g in got)


def test_no_prompts_no_texts():
    assert generate(toy(), [], settings=DecodingSettings()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_tokens": 0}, "max_tokens must be at least 1"),
        ({"temperature": -0.5}, "temperature must be 0"),
        ({"temperature": float("nan")}, "temperature must be 0"),
        ({"temperature": float("inf")}, "temperature"),
        ({"top_k": 0}, "top-k must be"),
        ({"top_p": 1.5}, "top-p must be"),
        ({"min_p": 0.0}, "min-p must be"),
        ({"repetition": 0.5}, "repetition penalty must be"),
        ({"stop": "\n\n"}, "as a tuple"),
        ({"stop": ("",)}, "not empty"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_settings_refuse_what_they_cannot_use(changes, message):
    with pytest.raises(ForetellError, match=message) as caught:
        DecodingSettings(**changes)
    assert "\n" not in str(caught.value).replace("\\n", "")


def test_wrong_calls():
    with pytest.raises(ForetellError, match=r"write \[prompt\]"):
        generate(toy(), "The sea", settings=DecodingSettings())
    with pytest.raises(ForetellError, match="use generate"):
        stream(toy(), ["The sea"], settings=DecodingSettings())
    with pytest.raises(ForetellError, match="2 row keys for 1 prompts"):
        generate(toy(), ["a"], settings=DecodingSettings(), rows=[1, 2])
    with pytest.raises(ForetellError, match="tokens must be at least 1"):
        measure_milliseconds_per_token(toy(), tokens=0)


def test_the_clock_runs_even_if_the_model_would_end_the_text():
    assert 0 < measure_milliseconds_per_token(toy(ending=0.99, context=10), tokens=20) < 1000
