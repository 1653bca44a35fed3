"""The names of `kenlm`, as a program for it uses them. The numbers are what KenLM itself says."""

import copy
import gzip
import pickle
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from benchmarks.index.kenlm_peer import compare_sentences, compare_walks
from foretell.interop import kenlm
from foretell.interop.arpa import read_arpa, write_arpa
from foretell.interop.kenlm_binary import write_probing
from foretell.models import save
from tests.interop.kenlm_models import ARPA, queries, train

THREE = [(-0.4, 2, False), (-0.2, 3, False), (-0.3, 3, False)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kenlm")
    (folder / "lm.arpa").write_text(ARPA)
    (folder / "lm.arpa.gz").write_bytes(gzip.compress(ARPA.encode()))
    model = read_arpa(folder / "lm.arpa")
    write_probing(model, folder / "lm.binary")
    save(model, folder / "lm")
    return folder


@pytest.fixture(scope="module", params=["lm.arpa", "lm.arpa.gz", "lm.binary", "lm"])
def model(folder: Path, request: pytest.FixtureRequest) -> kenlm.Model:
    return kenlm.Model(str(folder / request.param))


def close(found: list[tuple[float, int, bool]], expected: list[tuple[float, int, bool]]) -> None:
    np.testing.assert_allclose([f[0] for f in found], [e[0] for e in expected], atol=1e-6)
    assert [f[1:] for f in found] == [e[1:] for e in expected]


def test_sentences(model: kenlm.Model) -> None:
    assert model.order == 3
    assert model.score("a b c") == pytest.approx(-2.1)
    assert model.score(b"a b c") == pytest.approx(-2.1)
    assert model.score("") == pytest.approx(-1.5)
    assert model.score("a b", False, False) == pytest.approx(-1.3)
    assert model.score(sentence="a b", bos=False) == pytest.approx(-2.1)
    assert model.perplexity("a b c") == pytest.approx(3.349654667)
    assert model.perplexity("") == pytest.approx(31.6227766)
    close(list(model.full_scores("a b c")), [*THREE, (-1.2, 1, False)])
    close(
        list(model.full_scores("a b", bos=False, eos=False)), [(-0.8, 1, False), (-0.5, 2, False)]
    )


def test_unknown_and_reserved_words(model: kenlm.Model) -> None:
    close(
        list(model.full_scores("a b c zz <s> a <unk> </s> a")),
        [
            *THREE,
            (-1.0, 1, True),
            (-0.0, 1, False),
            (-0.4, 2, False),
            (-1.45, 1, True),
            (-1.2, 1, False),
            (-0.8, 1, False),
            (-1.45, 1, False),
        ],
    )
    asked = ("a", "zz", "<unk>", "<UNK>", "<s>", "</s>", b"a")
    assert [word in model for word in asked] == [True, False, False, False, True, True, True]


def test_white_space_is_that_of_c(model: kenlm.Model) -> None:
    close(
        list(model.full_scores("a\x0bb\x0cc\xa0d\0a")),
        [*THREE[:2], (-1.25, 1, True), (-1.2, 1, False)],
    )
    assert model.score(" \t a\r\nb ") == model.score("a b")
    assert model.score("a\0b") == model.score("a")
    assert "a\0b" in model


def test_word_by_word(model: kenlm.Model) -> None:
    state, after = kenlm.State(), kenlm.State()
    model.BeginSentenceWrite(state)
    total = 0.0
    for word in ("a", "b", "c", "</s>"):
        total += model.BaseScore(state, word, after)
        state, after = after, state
    assert total == pytest.approx(model.score("a b c"))
    answer = model.BaseFullScore(state, "zz", after)
    assert repr(answer) == "FullScoreReturn(-1.0, 1, True)"
    assert (answer.log_prob, answer.ngram_length, answer.oov) == (-1.0, 1, True)
    fresh = kenlm.State()
    assert model.BaseScore(fresh, "a", after) == pytest.approx(-0.8)
    assert model.BaseScore(in_state=after, word="b", out_state=after) == pytest.approx(-0.5)


def test_a_state_is_its_shortest_history(model: kenlm.Model) -> None:
    def state(*words: str, begin: bool = False) -> kenlm.State:
        before, after = kenlm.State(), kenlm.State()
        (model.BeginSentenceWrite if begin else model.NullContextWrite)(before)
        for word in words:
            model.BaseScore(before, word, after)
            before, after = after, before
        return before

    assert state() == kenlm.State() != state(begin=True)
    assert state("<s>") == state(begin=True)
    # Nothing begins with "<unk>" or ends a sentence; of "b c", only "c a" goes on.
    assert state("a", "zz") == state() == state("a", "</s>", begin=True)
    assert state("b", "c") == state("c") != state("b")
    assert state("b", "c", "a") == state("a") != state("a", begin=True)
    assert hash(state("b", "c")) == hash(state("c"))
    assert len({state("c"), state("b", "c"), state("b")}) == 2
    assert state() < state("c")
    assert sorted([state("b"), state(), state("a", begin=True)])[0] == state()
    assert (state("c") == "c") is False


def test_states_are_copied_and_pickled(model: kenlm.Model) -> None:
    state, after = kenlm.State(), kenlm.State()
    model.BeginSentenceWrite(state)
    copies = [copy.copy(state), copy.deepcopy(state), pickle.loads(pickle.dumps(state))]
    model.BaseScore(state, "a", after)
    model.BaseScore(after, "b", state)
    begin = kenlm.State()
    model.BeginSentenceWrite(begin)
    assert state != begin
    assert all(each == begin for each in copies)
    assert pickle.loads(pickle.dumps(kenlm.State())) == kenlm.State()


def test_a_model_is_pickled_by_its_path(model: kenlm.Model) -> None:
    again = pickle.loads(pickle.dumps(model))
    assert again.score("a b c") == model.score("a b c")
    assert again.path == model.path
    assert isinstance(again.path, bytes)
    assert repr(model).startswith("<Model from b'lm")


def test_many_sentences(model: kenlm.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = ["a b", "", "b c a zz", b"c", "a\0b", "\n"] * 7
    for bos in (True, False):
        expected = [model.score(each, bos=bos, eos=not bos) for each in sentences]
        for piece in (1 << 18, 20):
            monkeypatch.setattr(kenlm, "PIECE", piece)
            found = model.score_sentences(sentences, bos=bos, eos=not bos)
            np.testing.assert_array_equal(found, np.array(expected, np.float32))
    assert model.score_sentences([]).shape == (0,)


def test_wrong_calls_are_refused(model: kenlm.Model, folder: Path, tmp_path: Path) -> None:
    state, after = kenlm.State(), kenlm.State()
    for wrong in (5, ["a"], None):
        with pytest.raises(TypeError, match="str or bytes"):
            model.score(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a word is a str"):
        model.BaseScore(state, b"a", after)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a state is a State"):
        model.BeginSentenceWrite(5)  # type: ignore[arg-type]
    write_probing(train(2), tmp_path / "other")
    kenlm.Model(str(tmp_path / "other")).BeginSentenceWrite(state)
    with pytest.raises(TypeError, match="another model's"):
        model.BaseScore(state, "a", after)


def test_what_cannot_be_read_is_an_oserror(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "text").write_text("import kenlm\n")
    (tmp_path / "cut").write_bytes((folder / "lm.binary").read_bytes()[:300])
    for name in ("nowhere", "text", "cut", "."):
        with pytest.raises(OSError, match="no model can be read") as caught:
            kenlm.Model(str(tmp_path / name))
        assert "\n" not in str(caught.value)
    with pytest.raises(TypeError, match="str or bytes"):
        kenlm.Model(5)  # type: ignore[arg-type]


def test_settings(folder: Path) -> None:
    config = kenlm.Config()
    assert (config.load_method, config.arpa_complain, config.show_progress) == (2, 0, True)
    config.load_method = kenlm.LoadMethod.LAZY
    path = str(folder / "lm.binary").encode()
    assert kenlm.Model(path, config).score("a b c") == pytest.approx(-2.1)
    assert isinstance(kenlm.LanguageModel(path, config=config), kenlm.Model)


@pytest.fixture(scope="module")
def peer() -> ModuleType:
    return pytest.importorskip("kenlm", reason="pip install kenlm-ex")


@pytest.mark.parametrize("order", [2, 3, 5])
def test_kenlm_says_the_same(order: int, tmp_path: Path, peer: ModuleType) -> None:
    trained = train(order, seed=order, lines=300, prune=(0, 0, 1)[:order])
    write_probing(trained, tmp_path / "lm")
    write_arpa(trained, tmp_path / "lm.arpa")
    config = peer.Config()
    config.show_progress = False
    theirs = {name: peer.Model(str(tmp_path / name), config) for name in ("lm", "lm.arpa")}
    sentences = [line.decode() for line in queries(order)]
    for name, their_model in theirs.items():
        for mine in (kenlm.Model(str(tmp_path / name)), kenlm.Model(str(tmp_path / "lm"))):
            assert compare_sentences(mine, their_model, sentences).agrees
            walks = compare_walks(mine, their_model, peer, sentences, walks=100, seed=order)
            assert walks.agrees, walks
