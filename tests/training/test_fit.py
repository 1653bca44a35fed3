"""The one loop: budgets, curve, early stop, the best model kept, exact resume."""

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foretell.contracts.errors import Diverged, ForetellError
from foretell.contracts.evidence import Evidence
from foretell.contracts.learner import Budget, Progress
from foretell.corpus.token_shards import TokenDocuments, open_tokens, write_tokens
from foretell.evaluation.scoring import score_texts
from foretell.models.mixture import Mixture
from foretell.models.neural.gpt import GPT, GPTSizes
from foretell.models.neural.recurrent import RecurrentNetwork, RecurrentSizes
from foretell.models.ngram import estimate
from foretell.testing.toys import ToyModel, ToyTokenizer
from foretell.tokenizers import Bytes
from foretell.training.checkpoints import Checkpoints, Position
from foretell.training.counting import CountingLearner, CountingSettings
from foretell.training.descent import GradientSettings
from foretell.training.fit import LOOKS, Interrupted, first_bytes, fit
from foretell.training.gradient import GradientLearner
from foretell.training.mixing import MixtureLearner
from foretell.training.schedules import warm_up_then_decay

TEXTS = [
    f"{name} the {thing} sat on the {place}, and {name} ate it {'again ' * repeat}"
    for name, thing, place, repeat in [
        ("anna", "cat", "mat", 0),
        ("ben", "dog", "log of wood", 3),
        ("carl", "hen", "fence", 1),
        ("dora", "深海", "rock", 9),
        ("emil", "fox", "hill far away from here", 0),
        ("", "", "", 0),
    ]
]
HELD_OUT = ["ben the cat sat on the fence", "dora the hen ate it again"]


def learner(family: str, *, seed: int = 0, rate: float = 5e-3, dropout: float = 0.1) -> Any:
    tokenizer = Bytes()
    torch.manual_seed(5)
    size = tokenizer.vocabulary_size
    network: Any
    if family == "gpt":
        network = GPT(GPTSizes(size, 16, 8, heads=2, layers=2, tables=(60, 50), dropout=dropout))
    else:
        network = RecurrentNetwork(RecurrentSizes(family, size, 8, 12, 2, dropout, dropout))  # type: ignore[arg-type]
    settings = GradientSettings(
        rows=2, width=16, learning_rate=rate, matrix_learning_rate=2 * rate, seed=seed
    )
    return GradientLearner(network, tokenizer, settings)


def weights(learner: GradientLearner) -> dict[str, torch.Tensor]:
    return {name: w.clone() for name, w in learner.network.state_dict().items()}


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


class Stop:
    """Says yes after a number of updates, once."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self) -> bool:
        self.left -= 1
        return self.left == 0


class Recorder:
    """A learner that learns nothing and remembers what it was asked."""

    def __init__(self, batches: int = 5, tokens: int = 10, quality: Sequence[float] = ()) -> None:
        self.tokenizer = ToyTokenizer()
        self.count, self.tokens = batches, tokens
        self.spent: list[float] = []
        self.passes: list[int] = []
        self.seen: list[tuple[int, int]] = []
        self.ended = 0
        self.updates = 0

    recipe = "recorder"

    def feed(self, texts: Sequence[str]) -> None: ...

    def batches(self, pass_number: int) -> Iterable[Any]:
        for batch in range(self.count):
            yield (pass_number, batch)

    def update(self, batch: Any, *, spent: float) -> Progress:
        self.spent.append(spent)
        self.seen.append(batch)
        self.updates += 1
        return Progress(2.0 * self.tokens, self.tokens)

    def end_pass(self) -> None:
        self.ended += 1

    def model(self) -> Any:
        return ToyModel(self.tokenizer, order=1, seed=self.updates)

    def save(self, folder: Path) -> None:
        (folder / "updates.json").write_text(json.dumps(self.updates))

    def restore(self, folder: Path) -> None:
        self.updates = json.loads((folder / "updates.json").read_text())


def test_a_budget_of_passes() -> None:
    recorder = Recorder(batches=5)
    run = fit(recorder, ["a"], budget=Budget(passes=3))
    assert recorder.seen == [(p, b) for p in range(3) for b in range(5)]
    assert recorder.ended == run.passes == 3
    assert (run.updates, run.tokens, run.ended, run.curve) == (15, 150, "budget", ())


def test_a_budget_of_tokens() -> None:
    recorder = Recorder(batches=5, tokens=10)
    run = fit(recorder, ["a"], budget=Budget(tokens=75))
    assert (run.updates, run.tokens, run.passes, run.ended) == (8, 80, 1, "budget")
    assert recorder.spent == pytest.approx([10 * i / 75 for i in range(8)])


def test_a_budget_of_passes_moves_the_schedule_within_a_pass() -> None:
    """`spent` decides the learning rate: at 0 all through one pass, it would never leave the
    foot of its warm-up."""
    recorder = Recorder(batches=10)
    fit(recorder, ["a"], budget=Budget(passes=1))
    assert recorder.spent[0] == 0
    assert recorder.spent[-1] > 0.5
    assert warm_up_then_decay(recorder.spent[5], warm_up=0.02, decay=0.6) > 0.5


def test_a_budget_of_seconds_ends() -> None:
    run = fit(Recorder(), ["a"], budget=Budget(seconds=0.02))
    assert run.ended == "budget"
    assert 0.02 <= run.seconds < 2


def test_no_budget_is_refused() -> None:
    with pytest.raises(ForetellError, match="needs a budget"):
        fit(Recorder(), ["a"], budget=Budget())


@pytest.mark.parametrize("family", ["counting", "lstm", "gpt", "mixture"])
def test_no_text_is_refused(family: str) -> None:
    each: Any
    if family == "counting":
        each = CountingLearner(Bytes(), CountingSettings(order=2))
    elif family == "mixture":
        each = MixtureLearner([ToyModel(ToyTokenizer()), ToyModel(ToyTokenizer(), seed=1)])
    else:
        each = learner(family)
    with pytest.raises(ForetellError, match="no text"):
        fit(each, [], budget=Budget(passes=1))


def test_budgets_are_read() -> None:
    assert Budget.parse("90s") == Budget(seconds=90)
    assert Budget.parse("1.5m") == Budget(seconds=90)
    assert Budget.parse("2h") == Budget(seconds=7200)
    assert Budget.parse("3 passes") == Budget(passes=3)
    assert Budget.parse("1 pass") == Budget(passes=1)
    assert Budget.parse("500k tokens") == Budget(tokens=500_000)
    assert Budget.parse("2M tokens") == Budget(tokens=2_000_000)
    assert Budget.parse("7 tokens") == Budget(tokens=7)
    for text in ("5", "", "m", "-5m", "0s", "0 passes", "5 minutes", "5k", "nan s"):
        with pytest.raises(ForetellError, match="cannot read the budget"):
            Budget.parse(text)


def test_the_curve_has_looks_at_even_shares() -> None:
    recorder = costly(Recorder(batches=1000), lambda n: 1 / n)
    run = fit(recorder, ["a"], budget=Budget(tokens=1800), held_out=["abc", "de ab"])
    assert [point.tokens for point in run.curve] == [150 * i for i in range(1, LOOKS + 1)]
    bits = [10 / point.tokens / log(2) for point in run.curve]
    assert [point.bits_per_byte for point in run.curve] == pytest.approx(bits)
    assert run.ended == "budget"


class Falling(ToyModel):
    """A model whose score on anything is told to it: cost at update n."""

    def __init__(self, recorder: Recorder, cost: Sequence[float]) -> None:
        super().__init__(recorder.tokenizer, order=1)
        self.cost = cost[min(recorder.updates, len(cost)) - 1] if recorder.updates else 9.0

    def score(self, tokens: Any, *, lengths: Any = None) -> Any:
        return np.full(np.shape(tokens), -self.cost, np.float32)


def costly(recorder: Recorder, cost: Callable[[int], float]) -> Recorder:
    recorder.model = lambda: Falling(recorder, [cost(n) for n in range(1, 200)])  # type: ignore[method-assign]
    return recorder


def test_the_best_model_is_kept() -> None:
    recorder = costly(Recorder(batches=100), lambda n: abs(n - 70) / 10 + 1)
    run = fit(recorder, ["a"], budget=Budget(tokens=1200), held_out=["abc"])
    costs = [point.bits_per_byte for point in run.curve]
    assert min(costs) == costs[6]
    assert run.ended == "early"
    assert len(costs) == 7 + 5
    assert recorder.updates == 70


def test_a_run_ends_early_when_it_has_long_stopped_getting_better() -> None:
    recorder = costly(Recorder(batches=100), lambda n: float(n))
    run = fit(recorder, ["a"], budget=Budget(tokens=1200), held_out=["abc"])
    assert run.ended == "early"
    assert len(run.curve) == 6
    assert run.updates == 60
    assert recorder.updates == 10


def test_the_last_model_is_kept_if_it_is_the_best() -> None:
    recorder = costly(Recorder(batches=100), lambda n: 1 / n)
    run = fit(recorder, ["a"], budget=Budget(tokens=1200), held_out=["abc"])
    assert run.ended == "budget"
    assert recorder.updates == run.updates == 120


@pytest.mark.parametrize("passes", [1, 2, 20])
def test_a_run_by_passes_has_a_curve_that_ends_at_its_end(passes: int) -> None:
    """`curve`: empty only if there was no held-out text."""
    recorder = costly(Recorder(batches=3), lambda n: 1 / n)
    run = fit(recorder, ["a"], budget=Budget(passes=passes), held_out=["abc"])
    assert run.curve
    assert run.curve[-1].tokens == run.tokens


def test_counting_has_one_point_on_its_curve() -> None:
    counting = CountingLearner(Bytes(), CountingSettings(order=3))
    run = fit(counting, TEXTS, budget=Budget(passes=1), held_out=HELD_OUT)
    total = Evidence.sum(score_texts(counting.model(), HELD_OUT, end_of_text=False))
    assert [point.bits_per_byte for point in run.curve] == [pytest.approx(total.bits_per_byte)]


def test_watch_sees_every_update() -> None:
    glances: list[Any] = []
    fit(Recorder(batches=4), ["a"], budget=Budget(tokens=80), watch=glances.append)
    assert [glance.tokens for glance in glances] == [10 * i for i in range(1, 9)]
    assert all(glance.nats_per_token == 2.0 for glance in glances)
    assert [glance.spent for glance in glances] == pytest.approx([i / 8 for i in range(1, 9)])


def test_first_bytes_takes_whole_documents() -> None:
    assert first_bytes(["abc", "de", "f"], 4) == ["abc", "de"]
    assert first_bytes(["abc", "de"], 3) == ["abc"]
    assert first_bytes(["深" * 9], 1) == ["深" * 9]
    assert first_bytes([], 5) == []


BUDGETS = {"tokens": Budget(tokens=1000), "passes": Budget(passes=2)}


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("family", ["lstm", "gpt"])
def test_an_interrupted_run_ends_where_a_whole_one_does(
    family: str, budget: str, tmp_path: Path
) -> None:
    keyed = {"budget": BUDGETS[budget], "held_out": HELD_OUT}
    whole = learner(family)
    run = fit(whole, TEXTS, **keyed)
    assert run.passes >= 2
    expected = weights(whole)
    per_pass = len(list(whole.batches(0)))
    for after in (1, 3, per_pass, per_pass + 1, run.updates - 1):
        folder = tmp_path / str(after)
        stopped = learner(family)
        with pytest.raises(Interrupted, match="goes on from here"):
            fit(stopped, TEXTS, **keyed, checkpoints=folder, stop=Stop(after))
        assert stopped.updates == after
        # Another process knows nothing but the folder, and its generators stand elsewhere.
        torch.manual_seed(after)
        again = learner(family)
        found = fit(again, TEXTS, **keyed, checkpoints=folder)
        assert_same(weights(again), expected)
        assert found.updates == run.updates
        assert [(p.tokens, p.bits_per_byte) for p in found.curve] == [
            (p.tokens, p.bits_per_byte) for p in run.curve
        ]


def test_a_run_stopped_at_every_update_is_the_same(tmp_path: Path) -> None:
    budget = Budget(tokens=600)
    whole = learner("lstm")
    fit(whole, TEXTS, budget=budget)
    for _ in range(100):
        again = learner("lstm")
        try:
            fit(again, TEXTS, budget=budget, checkpoints=tmp_path / "run", stop=Stop(1))
        except Interrupted:
            continue
        break
    assert_same(weights(again), weights(whole))


def test_a_finished_run_called_again_is_the_same(tmp_path: Path) -> None:
    keyed = {"budget": Budget(tokens=600), "held_out": HELD_OUT, "checkpoints": tmp_path / "run"}
    first, second = learner("gpt"), learner("gpt")
    with pytest.raises(Interrupted):
        fit(first, TEXTS, **keyed, stop=Stop(4))
    fit(first := learner("gpt"), TEXTS, **keyed)
    fit(second, TEXTS, **keyed)
    assert_same(weights(first), weights(second))


def test_the_best_model_survives_an_interruption(tmp_path: Path) -> None:
    """The best look lies before the stop, and nothing later is as good."""
    for after in (25, 35, 55):
        recorder = costly(Recorder(batches=100), lambda n: abs(n - 20) + 1.0)
        keyed = {"budget": Budget(tokens=1200), "held_out": ["abc"]}
        folder = tmp_path / str(after)
        with pytest.raises(Interrupted):
            fit(recorder, ["a"], **keyed, checkpoints=folder, stop=Stop(after))
        again = costly(Recorder(batches=100), lambda n: abs(n - 20) + 1.0)
        run = fit(again, ["a"], **keyed, checkpoints=folder)
        assert again.updates == 20
        assert run.ended == "early"
        assert run.updates == 70


@pytest.mark.parametrize("family", ["counting", "matching", "mixture"])
def test_other_learners_resume_exactly(family: str, tmp_path: Path) -> None:
    texts = [f"a text of number {number} " for number in range(600)]
    toys = [ToyModel(ToyTokenizer(), seed=seed) for seed in (1, 2)]
    toy_texts = ["ab cd 深", "deed bad", "abba"]

    def build() -> Any:
        if family != "mixture":
            return CountingLearner(Bytes(), CountingSettings(order=3, index=family == "matching"))
        return MixtureLearner(toys)

    def predict(each: Any) -> np.ndarray:
        tokenizer = each.tokenizer
        tokens = tokenizer.encode("a bad deed" if family == "mixture" else "a bad text").tokens
        return each.model().score(tokens[None])

    read = toy_texts if family == "mixture" else texts
    budget = Budget(passes=6 if family == "mixture" else 1)
    whole = build()
    run = fit(whole, read, budget=budget)
    for after in range(1, run.updates + (family != "mixture")):
        folder = tmp_path / str(after)
        with pytest.raises(Interrupted):
            fit(build(), read, budget=budget, checkpoints=folder, stop=Stop(after))
        again = build()
        fit(again, read, budget=budget, checkpoints=folder)
        np.testing.assert_allclose(predict(again), predict(whole), atol=1e-6)


def on_disk(folder: Path, texts: Sequence[str]) -> TokenDocuments:
    folder.mkdir()
    write_tokens(texts, Bytes(), folder, shard_tokens=50)
    return open_tokens(folder)


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("family", ["lstm", "gpt"])
def test_a_run_from_the_disk_ends_where_a_whole_one_does(
    family: str, budget: str, tmp_path: Path
) -> None:
    documents = on_disk(tmp_path / "tokens", TEXTS)
    keyed = {"budget": BUDGETS[budget], "held_out": HELD_OUT}
    whole = learner(family)
    run = fit(whole, documents, **keyed)
    assert run.passes >= 2
    per_pass = len(list(whole.batches(0)))
    for after in (1, per_pass, per_pass + 1, run.updates - 1):
        folder = tmp_path / str(after)
        with pytest.raises(Interrupted):
            fit(learner(family), documents, **keyed, checkpoints=folder, stop=Stop(after))
        again = learner(family)
        found = fit(again, documents, **keyed, checkpoints=folder)
        assert_same(weights(again), weights(whole))
        assert found.updates == run.updates
    with pytest.raises(ForetellError, match="another text"):
        fit(learner(family), TEXTS, **keyed, checkpoints=folder)


def test_batches_that_are_made_as_they_are_read_are_not_held() -> None:
    class Lazy:
        """Five batches, the next of which is made when the last is learned."""

        def __init__(self, number: int, recorder: Recorder) -> None:
            self.number, self.recorder = number, recorder

        def __len__(self) -> int:
            return 5

        def since(self, done: int) -> Iterable[Any]:
            for batch in range(done, 5):
                assert self.recorder.updates == self.number * 5 + batch
                yield (self.number, batch)

    recorder = Recorder()
    recorder.batches = lambda number: Lazy(number, recorder)  # type: ignore[method-assign]
    run = fit(recorder, ["a"], budget=Budget(passes=3))
    assert recorder.seen == [(p, b) for p in range(3) for b in range(5)]
    assert recorder.spent == pytest.approx([n / 15 for n in range(15)])
    assert (run.updates, run.ended) == (15, "budget")


def test_tokens_on_the_disk_that_cannot_be_learned_from_are_refused(tmp_path: Path) -> None:
    documents = on_disk(tmp_path / "tokens", TEXTS)
    counting = CountingLearner(Bytes(), CountingSettings(order=2))
    with pytest.raises(ForetellError, match="only networks learn from tokens on the disk"):
        fit(counting, documents, budget=Budget(passes=1))
    other = learner("lstm")
    other.tokenizer = ToyTokenizer(None)
    with pytest.raises(ForetellError, match="made by another tokenizer"):
        fit(other, documents, budget=Budget(passes=1))
    nothing = on_disk(tmp_path / "nothing", [])
    with pytest.raises(ForetellError, match="no text"):
        fit(learner("lstm"), nothing, budget=Budget(passes=1))


CHANGES = {
    "text": "another text;",
    "held-out": "another held-out text;",
    "budget": "another budget;",
    "seed": r"another seed \(0, not 1\);",
    "sizes": "another recipe;",
    "tokenizer": "another tokenizer",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_checkpoint_of_another_run_is_refused(change: str, tmp_path: Path) -> None:
    def call(*, stop: Stop | None = None, change: str = "") -> None:
        each = learner("gpt" if change == "sizes" else "lstm", seed=int(change == "seed"))
        if change == "tokenizer":
            each.tokenizer = ToyTokenizer(None, words=())
        fit(
            each,
            [*TEXTS, "more"] if change == "text" else TEXTS,
            budget=Budget(tokens=500 if change == "budget" else 600),
            held_out=HELD_OUT[:1] if change == "held-out" else HELD_OUT,
            checkpoints=tmp_path / "run",
            stop=stop,
        )

    with pytest.raises(Interrupted):
        call(stop=Stop(2))
    with pytest.raises(ForetellError, match=CHANGES[change]):
        call(change=change)
    call()


@pytest.mark.parametrize("name", ["position.json", "learner/weights.safetensors", "manifest.json"])
def test_a_damaged_checkpoint_falls_back_to_the_start(name: str, tmp_path: Path) -> None:
    keyed = {"budget": Budget(tokens=600), "held_out": HELD_OUT}
    whole = learner("gpt")
    fit(whole, TEXTS, **keyed)
    with pytest.raises(Interrupted):
        fit(learner("gpt"), TEXTS, **keyed, checkpoints=tmp_path / "run", stop=Stop(5))
    (checkpoint,) = (each for each in (tmp_path / "run").iterdir() if each.name.isdigit())
    file = checkpoint / name
    file.write_bytes(file.read_bytes()[:-9])
    again = learner("gpt")
    fit(again, TEXTS, **keyed, checkpoints=tmp_path / "run")
    assert_same(weights(again), weights(whole))


def test_a_damaged_checkpoint_falls_back_to_an_older_one(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path, {})
    recorder = Recorder()
    recorder.updates = 3
    store.save(recorder, Position(updates=3, tokens=30))
    kept = (tmp_path / "000000003").rename(tmp_path / "aside")
    recorder.updates = 5
    store.save(recorder, Position(updates=5, tokens=50))
    kept.rename(tmp_path / "000000003")
    fresh = Recorder()
    assert store.restore(fresh).tokens == 50
    (tmp_path / "000000005" / "learner" / "updates.json").write_text("7")
    assert store.restore(fresh).tokens == 30
    assert fresh.updates == 3
    (tmp_path / "000000003" / "position.json").unlink()
    assert store.restore(Recorder()) == Position()


def test_a_newer_checkpoint_takes_the_place_of_the_older(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path / "run", {})
    for updates in (2, 4, 4):
        store.save(Recorder(), Position(updates=updates))
        assert [each.name for each in (tmp_path / "run").iterdir()] == [f"{updates:09d}"]


def test_counting_is_the_estimate() -> None:
    tokenizer = Bytes()
    counting = CountingLearner(tokenizer, CountingSettings(order=4, prune=(0, 0, 1)))
    fit(counting, TEXTS * 60, budget=Budget(passes=1))
    direct = estimate(
        [encoding.tokens for encoding in tokenizer.encode_many(TEXTS * 60)],
        vocabulary_size=257,
        boundary=256,
        order=4,
        prune=(0, 0, 1),
    )
    found = counting.model().trie
    assert found.recipe == direct.recipe
    for mine, theirs in zip(found.orders, direct.orders, strict=True):
        np.testing.assert_array_equal(mine.logprobs, theirs.logprobs)


def test_more_passes_of_counting_change_nothing() -> None:
    one, three = (CountingLearner(Bytes(), CountingSettings(order=3)) for _ in range(2))
    fit(one, TEXTS, budget=Budget(passes=1))
    fit(three, TEXTS, budget=Budget(passes=3))
    tokens = Bytes().encode("the fox").tokens[None]
    np.testing.assert_array_equal(one.model().score(tokens), three.model().score(tokens))


@pytest.mark.parametrize("family", ["lstm", "gru", "rnn", "gpt"])
def test_networks_learn(family: str) -> None:
    each = learner(family, dropout=0.0, rate=1e-2)
    run = fit(each, TEXTS, budget=Budget(tokens=6000), held_out=HELD_OUT)
    assert run.curve[-1].bits_per_byte < 5 < 8


def test_training_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    each = learner("lstm")
    torch.manual_seed(3)
    fit(each, TEXTS, budget=Budget(tokens=200))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_loss_that_is_no_number_is_refused() -> None:
    each = learner("lstm")
    with torch.no_grad():
        each.network.projection.bias[0] = float("nan")
    with pytest.raises(Diverged, match=r"the loss is nan and .* nan at update 0; nothing was kept"):
        fit(each, TEXTS, budget=Budget(passes=1))


class Worse(Recorder):
    """Learns well for fifty updates, and then ever worse."""

    @property
    def loss(self) -> float:
        return 2.0 if self.updates < 50 else 2.0 + 0.025 * (self.updates - 50)

    def batches(self, pass_number: int) -> Iterable[Any]:
        return range(1000)

    def update(self, batch: Any, *, spent: float) -> Progress:
        super().update(batch, spent=spent)
        return Progress(10 * self.loss, 10)


def test_a_loss_that_rises_ends_the_run_and_keeps_what_was_good(tmp_path: Path) -> None:
    keyed = {"budget": Budget(passes=1), "checkpoints": tmp_path / "run"}
    with pytest.raises(Diverged, match=r"from 2.00 to 3.0\d nats/token by update 10\d; the ch"):
        fit(Worse(), ["a"], **keyed, checkpoint_seconds=1e-9)
    (kept,) = (tmp_path / "run").glob("0*")
    assert 50 < int(kept.name) < 85
    # And again, from there.
    with pytest.raises(Diverged, match=f"the checkpoint of update {int(kept.name)} is kept"):
        fit(Worse(), ["a"], **keyed)


class Hopeless(Worse):
    """Foretells worse than one who knows nothing, after the first update."""

    @property
    def loss(self) -> float:
        return 2.5 if self.updates <= 1 else 20.94


class Foreign(Worse):
    """Knows another text, and so begins worse than one who knows nothing, but learns."""

    @property
    def loss(self) -> float:
        return max(1.0, 20.0 - self.updates / 20)


def test_a_model_of_another_text_may_begin_beyond_knowing_nothing() -> None:
    run = fit(Foreign(), ["a"], budget=Budget(passes=1))
    assert run.ended == "budget"


def test_a_loss_beyond_knowing_nothing_is_refused() -> None:
    with pytest.raises(Diverged, match=r"from 2\.56 to 20\.02 nats/token by update 20; nothing"):
        fit(Hopeless(), ["a"], budget=Budget(passes=1))


def test_the_schedule_rises_stays_and_falls() -> None:
    factors = [warm_up_then_decay(spent, warm_up=0.1, decay=0.5) for spent in np.linspace(0, 1, 21)]
    assert factors[0] == pytest.approx(0.01)
    assert factors[2:11] == [1.0] * 9
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[15] == pytest.approx(0.5)
    assert factors[-1] == 0.01
    assert warm_up_then_decay(0.5, warm_up=0, decay=0) == 1.0


def planted(count: int, truth: Sequence[float], seed: int = 0) -> tuple[list[ToyModel], list[str]]:
    """Toys, and texts drawn from their mixture by a boundary-free walk."""
    tokenizer = ToyTokenizer("abcdefgh")
    toys = [ToyModel(tokenizer, order=1, seed=10 + index) for index in range(len(truth))]
    chances = np.exp([toy.begin().logprobs[0, 0].astype(np.float64) for toy in toys])
    # Only the letters: the boundary and the unknown are never drawn, in any part.
    letters = chances[:, :8]
    generator = np.random.default_rng(seed)
    mixed = np.asarray(truth) @ letters
    text = generator.choice(list("abcdefgh"), count, p=mixed / mixed.sum())
    return toys, ["".join(text[start : start + 500]) for start in range(0, count, 500)]


def test_mixing_climbs_and_weights_sum_to_one() -> None:
    toys, texts = planted(3000, [0.6, 0.3, 0.1])
    mixing = MixtureLearner(toys)
    nats: list[float] = []

    def watch(glance: Any) -> None:
        nats.append(glance.nats_per_token)
        assert mixing.weights.sum() == pytest.approx(1, abs=1e-12)
        assert (mixing.weights >= 0).all()

    mixing.feed(texts)
    costs = []
    for number in range(30):
        (batch,) = mixing.batches(number)
        costs.append(mixing.update(batch, spent=0).nats)
        mixing.end_pass()
    assert all(b <= a + 1e-9 for a, b in pairwise(costs))
    assert costs[-1] < costs[0] - 1
    fit(MixtureLearner(toys), texts, budget=Budget(passes=3), watch=watch)
    assert len(nats) == 3


def test_mixing_finds_the_maximum_that_another_method_finds() -> None:
    from scipy.optimize import minimize

    toys, texts = planted(2000, [0.7, 0.1, 0.2], seed=4)
    mixing = MixtureLearner(toys)
    fit(mixing, texts, budget=Budget(passes=2000))
    tokens = np.concatenate([mixing.tokenizer.encode(text).tokens for text in texts])
    # Of order 1: one distribution serves everywhere.
    chances = np.exp([toy.begin().logprobs[0, 0, tokens].astype(np.float64) for toy in toys]).T
    found = minimize(
        lambda x: -np.log(chances @ (np.exp(x) / np.exp(x).sum())).sum(), np.zeros(3), tol=1e-10
    )
    expected = np.exp(found.x) / np.exp(found.x).sum()
    np.testing.assert_allclose(mixing.weights, expected, atol=0.01)


def test_mixing_recovers_a_planted_mixture() -> None:
    """Two sharp parts and one that never says the truth."""
    tokenizer = ToyTokenizer("ab")

    class Fixed(ToyModel):
        def __init__(self, chance: float) -> None:
            super().__init__(tokenizer, order=1)
            self.chance = chance

        def score(self, tokens: Any, *, lengths: Any = None) -> Any:
            a = np.asarray(tokens) == 0
            return np.log(np.where(a, self.chance, 1 - self.chance)).astype(np.float32)

    generator = np.random.default_rng(0)
    letters = generator.random(20_000) < 0.25 * 0.99 + 0.75 * 0.01
    texts = ["".join(np.where(letters, "a", "b"))]
    mixing = MixtureLearner([Fixed(0.99), Fixed(0.01)])
    fit(mixing, texts, budget=Budget(passes=200))
    np.testing.assert_allclose(mixing.weights, [0.25, 0.75], atol=0.02)
    assert isinstance(mixing.model(), Mixture)
    np.testing.assert_allclose(mixing.model().weights, mixing.weights)


def test_mixing_without_a_part_is_mixing_of_the_others() -> None:
    toys, texts = planted(1500, [0.5, 0.2, 0.3], seed=2)
    mixing = MixtureLearner(toys)
    fit(mixing, texts, budget=Budget(passes=5))
    fewer = mixing.without(np.array([False, True, False]))
    assert fewer.parts == [toys[0], toys[2]]
    np.testing.assert_allclose(fewer.weights, [0.5, 0.5])

    def refuse(*args: object, **kwargs: object) -> None:
        pytest.fail("the parts must not read the text again")

    for part in fewer.parts:
        part.score = refuse  # type: ignore[method-assign, assignment]
    fit(fewer, texts, budget=Budget(passes=20))
    for part in fewer.parts:
        del part.score
    direct = MixtureLearner([toys[0], toys[2]])
    fit(direct, texts, budget=Budget(passes=20))
    np.testing.assert_allclose(fewer.weights, direct.weights)
    assert len(mixing.parts) == 3
