"""Answers that stand in a passage: where they stand, and a network that learns to point there."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from foretell.corpus.pairs import MARK
from foretell.storage import check_seal, seal
from foretell.tasks.examples.texts import TextExample
from foretell.tasks.examples.units import words_of
from foretell.tasks.networks import pointing as pointers
from foretell.tasks.networks.pointing import NetworkPointer, PointingNetwork
from foretell.tasks.networks.recurrent import RecurrentEncoder
from foretell.tasks.options import TeachOptions
from foretell.tasks.pointing import NOTHING, learn, pointed, stand_there

PASSAGE = "It was cold. Ann (27) went to New  York, 北京人 say."


def example(question: str, *targets: str, passage: str = PASSAGE) -> TextExample:
    return TextExample(f"{question}{MARK}{passage}", targets, "")


def said(passage: str, spans: list[tuple[int, int]]) -> list[str]:
    units = words_of(passage)
    return [passage[units[first].start : units[last].end] for first, last in spans]


@pytest.mark.parametrize(
    ("targets", "found"),
    [
        (("ann",), ["Ann"]),
        (("New York",), ["New  York"]),
        (("to new york!",), ["to New  York"]),
        (("北京",), ["北京"]),
        (("Ann", "27"), ["Ann", "27"]),
        (("a warm and sunny place",), []),
    ],
)
def test_answers_are_found_in_passages(targets: tuple[str, ...], found: list[str]) -> None:
    assert said(PASSAGE, pointed(example("Who?", *targets)).spans) == found


def test_nothing_stands_before_the_first_word() -> None:
    assert pointed(example("Why?", "")).spans == [NOTHING]
    assert stand_there([example("Who?", "Ann"), example("Why?", "")])
    assert not stand_there([example("Who?", "Bo"), example("Who?", "Cy")])
    assert not stand_there([TextExample("Who went?", ("Ann",), "")])


def test_words_are_the_passage() -> None:
    words = [word.said for word in words_of(" A b,\n北京  c")]
    assert words == [" A", " b", ",", "\n", "北", "京", " c"]


def test_probabilities_of_spans_sum_to_one_and_do_not_depend_on_the_company() -> None:
    torch.manual_seed(0)
    network = PointingNetwork(RecurrentEncoder(1024, 16, 16), 4, dropout=0.1)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    texts = [f"Who?{MARK}{PASSAGE}", f"Who went to New York in May?{MARK}Ann did.", f"{MARK}", "?"]
    texts.append(f"{'Who ' * 500}{MARK}Ann did.")
    pointer = NetworkPointer(network, "recurrent")
    every = pointer.write(texts, alternatives=1000)
    for answers in every:
        assert math.fsum(math.exp(each.logprob or 0) for each in answers) == pytest.approx(1)
        assert [each.logprob for each in answers] == sorted(
            (each.logprob for each in answers), reverse=True
        )
    for answers in every[:2]:
        assert sum(each.text == "" for each in answers) == 1
        assert len({each.text for each in answers}) > 2
    for text, answers in zip(texts, every, strict=True):
        alone = pointer.write([text])[0][0]
        assert alone.text == answers[0].text
        assert alone.logprob == pytest.approx(answers[0].logprob, abs=1e-5)
    assert [each[0].text for each in every[2:4]] == ["", ""]
    assert len(every[4]) > 1


def test_it_learns_and_what_is_saved_answers_the_same(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    people, cities = ("Ann", "Bo", "Cy", "Di"), ("Boston", "New York", "北京", "Paris")
    examples = []
    for number in range(160):
        who, other = chance.permutation(people)[:2]
        where, there = chance.permutation(cities)[:2]
        passage = f"It was cold. {who} went to {where}. {other} went to {there}, in time."
        question, answer = [(f"Where did {other} go?", there), (f"Why did {who} go?", "")][
            number % 2
        ]
        examples.append(example(question, answer, passage=passage))
    options = TeachOptions(budget="15 passes")
    (taught,) = learn(examples[:140], examples[140:], options, tmp_path / "work")
    pointer = taught.network
    texts = [each.text for each in examples[140:]]
    answers = pointer.write(texts, alternatives=3)
    right = [
        best[0].text in each.targets for best, each in zip(answers, examples[140:], strict=True)
    ]
    assert np.mean(right) >= 0.9
    for text, found in zip(texts, answers, strict=True):
        for each in found:
            passage = text.partition(MARK)[2]
            assert each.start is None or passage[each.start :].startswith(each.text)
    folder = tmp_path / "m"
    folder.mkdir()
    pointer.save(folder)
    seal(folder, {"rung": pointer.rung, **pointer.facts})
    again = pointers.load(folder, check_seal(folder))
    assert again.write(texts, alternatives=3) == answers
