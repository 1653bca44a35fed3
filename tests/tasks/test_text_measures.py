import sys

import numpy as np
import pytest

from foretell.contracts.errors import MissingExtra
from foretell.tasks.examples.words import Words
from foretell.tasks.measures.texts import F1, Bleu, Rouge

GERMAN = [("Der alte Mann rennt.",), ("Ein Hund springt hoch.", "Der Hund springt hoch.")] * 8
SAID = ["Der alte Hund rennt.", "Der Hund springt hoch."] * 8


def test_bleu_is_that_of_sacrebleu_and_differences_are_paired() -> None:
    import sacrebleu

    scale = Bleu(GERMAN)
    rows = scale.rows(GERMAN, SAID)
    found = scale.measure(GERMAN, SAID, rows)
    sides = [[right[0] for right in GERMAN], [right[-1] for right in GERMAN]]
    assert found.score.value == pytest.approx(sacrebleu.corpus_bleu(SAID, sides).score)
    assert found.score.low < found.score.value < found.score.high
    assert "tok:13a" in found.signature
    right = scale.rows(GERMAN, [each[0] for each in GERMAN])
    assert scale.difference(rows, right).high < 0
    assert scale.difference(rows, rows).value == 0


def test_chinese_is_measured_by_characters() -> None:
    gold = [("他在跑步。",), ("我们明天去北京。",)]
    scale = Bleu(gold)
    found = scale.measure(
        gold, ["他在跑步。", "我们今天去北京。"], scale.rows(gold, ["他", "我们"])
    )
    assert "tok:zh" in found.signature
    assert Words().tokenize("他在 GPT-2 中。") == ["他", "在", "gpt", "2", "中"]
    rouge = Rouge(gold)
    assert rouge.rows([("自然语言",)], ["自然的语言"])[0, 0] == pytest.approx(100 * 8 / 9)


def test_the_best_of_several_references_counts() -> None:
    gold = [("a red car", "the fast car"), ("no",)]
    rows = F1(gold).rows(gold, ["Fast car!", ""])
    np.testing.assert_allclose(rows, [[100, 100], [0, 0]])
    rouge = Rouge(gold).rows(gold, ["the fast car", "yes"])
    np.testing.assert_allclose(rouge[:, 0], [100, 0])


def test_a_missing_library_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.partition(".")[0] == "sacrebleu"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(MissingExtra, match=r'pip install "foretell\[tasks\]"$'):
        Bleu(GERMAN)
