import json
import random
from pathlib import Path

import pytest

from foretell.contracts.errors import DamagedModel, TextError
from foretell.storage import seal
from foretell.tasks import roles
from foretell.tasks.examples.frames import Frame, read_sentences
from foretell.tasks.examples.spans import Span
from foretell.tasks.examples.words import split
from foretell.tasks.measures.roles import measure_roles
from foretell.tasks.options import TeachOptions
from foretell.tasks.roles import AnsweredRoles

NAMES = (("the", "dog"), ("a", "cat"), ("she",), ("北", "京"))
VERBS = {"sees": "see.01", "likes": "like.02", "找": "找.01"}


def write(path: Path, count: int, seed: int) -> Path:
    chance = random.Random(seed)
    lines = []
    for number in range(count):
        words: list[str] = [str(number + seed * count), ","]
        predicates = []
        for _ in range(chance.choice([1, 2])):
            one, other, verb = chance.choice(NAMES), chance.choice(NAMES), chance.choice([*VERBS])
            start = len(words)
            words += [*one, verb, *other, "."]
            index = start + len(one)
            args = [[start, index, "ARG0"], [index + 1, index + 1 + len(other), "ARG1"]]
            predicates.append({"index": index, "sense": VERBS[verb], "args": args})
        lines.append(json.dumps({"words": words, "predicates": predicates}, ensure_ascii=False))
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_it_learns_and_what_is_saved_answers_the_same(tmp_path: Path) -> None:
    train = write(tmp_path / "a.jsonl", 300, 1)
    learned = roles.train_into(tmp_path / "m", train, TeachOptions(budget="30 passes"))
    assert [each.rung for each in learned.tried] == ["count", "recurrent"]
    assert learned.roles == ("ARG0", "ARG1")
    assert learned.measures.found.f1.value <= learned.measures.given.f1.value
    assert not [path for path in tmp_path.iterdir() if "checkpoints" in path.name]
    labeller = roles.load(tmp_path / "m", "recurrent")
    both = roles.evaluate(labeller, write(tmp_path / "test.jsonl", 40, 2))
    assert both.given.f1.value > 0.9
    assert both.found.f1.value > 0.8
    assert both.given.sense_accuracy == 1
    assert both.given.names["ARG0"][2] >= 40
    words = split("7, the dog sees a cat.")
    (frame,) = labeller.predict([words])[0]
    assert frame[:3] == (4, "see.01", (Span(2, 4, "ARG0"), Span(5, 7, "ARG1")))
    answered = AnsweredRoles("x:1", tuple(words), (frame,))
    assert answered.line == "x:1\tsee.01: 7, [ARG0 the dog] [V sees] [ARG1 a cat]."
    assert json.loads(answered.json)["predicates"][0]["args"][0] == [2, 4, "ARG0"]
    assert labeller.predict([]) == []
    held = roles.compare(tmp_path / "m", tmp_path / "test.jsonl")
    assert [each.measures for each in held if each.rung == "recurrent"] == [both]


def test_frames_are_answered_alike_alone_and_together(tmp_path: Path) -> None:
    roles.train_into(tmp_path / "m", write(tmp_path / "a.jsonl", 100, 1), TeachOptions(budget="2s"))
    for rung in roles.rungs_of(tmp_path / "m"):
        labeller = roles.load(tmp_path / "m", rung)
        texts = [split("the dog sees a cat. she likes the dog."), split("7"), split("找 找 找")]
        asked = [[7, 2], [], [1]]
        together = labeller.predict(texts, asked)
        assert [[frame.word for frame in each] for each in together] == asked
        for text, marks, frames in zip(texts, asked, together, strict=True):
            for mark, frame in zip(marks, frames, strict=True):
                ((alone,),) = labeller.predict([text], [[mark]])
                assert (alone.word, alone.args) == (frame.word, frame.args)
                assert alone.sure == pytest.approx(frame.sure)


def test_measures_by_hand(tmp_path: Path) -> None:
    gold = read_sentences(write(tmp_path / "a.jsonl", 20, 3))
    right = [list(each.frames) for each in gold]
    assert measure_roles(gold, right).f1.value == 1
    # One predicate missed, of which no argument is found.
    right[0] = right[0][1:]
    missed = len(gold[0].frames[0].args)
    there = sum(len(frame.args) for each in gold for frame in each.frames)
    measures = measure_roles(gold, right)
    assert measures.precision == 1
    assert measures.recall == pytest.approx(1 - missed / there)
    # The right span at the wrong predicate is wrong.
    moved = [[Frame(frame.word + 1, "", frame.args) for frame in each] for each in right]
    assert measure_roles(gold, moved).f1.value == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"words": []}', "has no words"),
        ('{"words": ["a"], "predicates": [{"args": []}]}', "is no predicate"),
        ('{"words": ["a"], "predicates": [{"index": 3}]}', "3 is outside of 1 words"),
        ('{"words": ["a"], "predicates": [{"index": 0, "args": [[0, 2, "x"]]}]}', "outside"),
    ],
)
def test_bad_rows_are_named(line: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"words": ["a"]}\n' + line, "utf-8")
    with pytest.raises(TextError, match=rf"a\.jsonl:2.*{said}"):
        read_sentences(tmp_path / "a.jsonl")


def test_other_folders_are_refused(tmp_path: Path) -> None:
    seal(tmp_path, {"chosen": "count"})
    with pytest.raises(DamagedModel, match="labels no roles"):
        roles.load(tmp_path)
