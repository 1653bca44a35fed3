import json
from pathlib import Path

import numpy as np
import pytest

from foretell.contracts.errors import DamagedModel, ForetellError, OutputExists, TextError
from foretell.corpus.pairs import MARK
from foretell.decoding.generate import read_prompts
from foretell.tasks import writing
from foretell.tasks.by_sentence import BySentence, usual_sentences
from foretell.tasks.counts import extracts, noisy_channel
from foretell.tasks.examples.quotes import quotes
from foretell.tasks.examples.rows import read_texts
from foretell.tasks.examples.texts import TextExample, Written, read_examples
from foretell.tasks.networks.writers import NetworkWriter
from foretell.tasks.options import Held, TextOptions
from foretell.tasks.shorter import held_to

NOUNS = {"dog": "Hund", "man": "Mann", "bird": "Vogel", "child": "孩子", "fish": "Fisch"}
VERBS = {"runs": "rennt", "sleeps": "schläft", "sings": "singt", "falls": "fällt", "sits": "sitzt"}
ADJECTIVES = {"big": "große", "small": "kleine", "old": "alte"}
FIELDS = TextOptions(text="en", target="de", budget="10 passes")


def pairs(count: int, seed: int) -> list[tuple[str, str]]:
    chance, found = np.random.default_rng(seed), []
    for _ in range(count):
        noun, verb, how = (str(chance.choice(list(each))) for each in (NOUNS, VERBS, ADJECTIVES))
        english, german = (
            f"The {how} {noun} {verb}.",
            f"Der {ADJECTIVES[how]} {NOUNS[noun]} {VERBS[verb]}.",
        )
        found.append((english, german))
    return found


def write(path: Path, rows: list[tuple[str, str]]) -> Path:
    lines = (json.dumps({"en": en, "de": de}, ensure_ascii=False) + "\n" for en, de in rows)
    path.write_text("".join(lines), "utf-8")
    return path


def test_a_translation_is_learned_kept_and_written(tmp_path: Path) -> None:
    data = write(tmp_path / "pairs.jsonl", pairs(240, 1))
    found = writing.train_into(tmp_path / "m", data, "translate", FIELDS)
    assert [each.rung for each in found.tried] == ["count", "transformer"]
    scores = {each.rung: each.measures.score.value for each in found.tried}
    assert scores[found.rung] >= 0.99 * max(scores.values())
    writer = writing.load(tmp_path / "m", "transformer")
    texts = [en for en, _ in pairs(8, 2)]
    said = writer.write(texts, alternatives=3)
    assert all(len(each) == 3 for each in said)
    assert all(each[0].logprob >= each[1].logprob - 1 for each in said)
    assert [each[0].text for each in writer.write(texts[:1])] == [said[0][0].text]
    # Parallel files, gold beside.
    test = pairs(20, 3)
    (tmp_path / "a.en").write_text("\n".join(en for en, _ in test) + "\n", "utf-8")
    (tmp_path / "a.de").write_text("\n".join(de for _, de in test) + "\n", "utf-8")
    both = Path(f"{tmp_path / 'a.en'},{tmp_path / 'a.de'}")
    assert writing.evaluate(tmp_path / "m", both, FIELDS, "transformer").score.value > 40
    rungs = [each.rung for each in writing.compare(tmp_path / "m", both, FIELDS)]
    assert rungs == ["count", "transformer"]
    with pytest.raises(OutputExists):
        writing.train_into(tmp_path / "m", data, "translate", FIELDS)
    with pytest.raises(ForetellError, match="holds no adapted; it holds count, transformer"):
        writing.load(tmp_path / "m", "adapted")


def test_a_network_reads_alike_at_once_and_in_pieces(tmp_path: Path) -> None:
    data = write(tmp_path / "pairs.jsonl", pairs(60, 1))
    options = TextOptions(text="en", target="de", budget="2 passes")
    writing.train_into(tmp_path / "m", data, "translate", options)
    whole_writer = writing.load(tmp_path / "m", "transformer")
    assert isinstance(whole_writer, BySentence)
    writer = whole_writer.writer
    assert isinstance(writer, NetworkWriter)
    model = writer.model
    boundary = np.array([model.tokenizer.boundary], np.int32)
    source, target = (model.tokenizer.encode(text).tokens for text in pairs(1, 5)[0])
    prompt = np.concatenate([source, boundary])
    whole = np.concatenate([prompt, target, boundary])[None]
    scores = model.score(whole)[0, len(prompt) :]
    step = read_prompts(model, [prompt])
    for token, expected in zip(whole[0, len(prompt) :], scores, strict=True):
        assert step.logprobs[0, -1, token] == pytest.approx(expected, abs=1e-4)
        step = model.advance(step.state, np.array([[token]], np.int32))


def test_summaries_have_floors_that_stand_in_the_text(tmp_path: Path) -> None:
    chance, lines = np.random.default_rng(0), []
    for number in range(80):
        parts = [f"Many have asked about {number}.", f"Others tried number {number} before."]
        parts.insert(int(chance.integers(0, 3)), f"We propose a method for case {number}.")
        record = {"text": parts, "target": [f"A method for case {number}.", "A method."]}
        lines.append(json.dumps(record) + "\n")
    (tmp_path / "s.jsonl").write_text("".join(lines), "utf-8")
    options = TextOptions(budget="1 pass")
    found = writing.train_into(tmp_path / "m", tmp_path / "s.jsonl", "summarize", options)
    scores = {each.rung: each.measures.score.value for each in found.tried}
    assert scores["count"] > scores["lead"] + 10
    text = "Nobody knows.\nWe propose a method for case 500."
    assert writing.load(tmp_path / "m", "lead").write([text])[0][0].text == "Nobody knows."
    said = writing.load(tmp_path / "m", "count").write([text], alternatives=5)[0]
    assert [each.text for each in said] == text.split("\n")[::-1]


def test_refusals_name_row_and_way_out(tmp_path: Path) -> None:
    (tmp_path / "a.en").write_text("one\ntwo\n", "utf-8")
    (tmp_path / "a.de").write_text("eins\n", "utf-8")
    both = Path(f"{tmp_path / 'a.en'},{tmp_path / 'a.de'}")
    with pytest.raises(TextError, match=r"a\.en has more lines than .*a\.de, which has 1"):
        read_examples(both, TextOptions())
    (tmp_path / "a.de").write_text("eins\n\n", "utf-8")
    with pytest.raises(TextError, match=r"a\.de#2 has nothing in target"):
        read_examples(both, TextOptions())
    with pytest.raises(TextError, match="after a comma"):
        read_examples(tmp_path / "a.en", TextOptions())
    data = write(tmp_path / "few.jsonl", pairs(5, 1))
    with pytest.raises(TextError, match="5 examples, which are too few"):
        writing.train_into(tmp_path / "m", data, "translate", FIELDS)
    with pytest.raises(TextError, match="--target"):
        read_examples(data, TextOptions(text="en"))
    assert not (tmp_path / "m").exists()
    with pytest.raises(DamagedModel):
        writing.load(tmp_path)


def test_answers_are_found_in_what_is_asked_about(tmp_path: Path) -> None:
    chance, lines = np.random.default_rng(0), []
    cities, people = ("Boston", "New York", "北京", "Paris"), ("Ann", "Bo", "Cy", "Di")
    for number in range(120):
        who, where = str(chance.choice(people)), str(chance.choice(cities))
        passage = f"It was cold in May. {who} went to {where}, in {1900 + number}. All was well."
        asked, answer = [
            (f"Who went to {where}?", who),
            (f"Where did {who} go?", where),
            (f"When did {who} go to {where}?", str(1900 + number)),
        ][number % 3]
        record = {"text": asked, "about": passage, "target": [answer, answer.lower()]}
        lines.append(json.dumps(record, ensure_ascii=False) + "\n")
    (tmp_path / "q.jsonl").write_text("".join(lines), "utf-8")
    options = TextOptions(second="about", budget="1 pass")
    found = writing.train_into(tmp_path / "m", tmp_path / "q.jsonl", "answer", options)
    assert found.rung == "count"
    assert found.dev.score.value > 90
    passage = "Bo went to 北京, in 1950. It rained."
    said = writing.load(tmp_path / "m").write([f"When did Bo go to 北京?{MARK}{passage}"])[0][0]
    assert said.text == "1950"
    assert said.start is not None
    assert passage[said.start :].startswith("1950")
    nothing = writing.load(tmp_path / "m").write([f"When?{MARK}", "When?"])
    assert [each[0].text for each in nothing] == ["", ""]


def test_a_noisy_channel_finds_which_word_is_which(tmp_path: Path) -> None:
    examples = [TextExample(en, (de,), "") for en, de in pairs(300, 1)]
    channel = noisy_channel.learn(examples)
    test = pairs(20, 2)
    said = [each[0].text for each in channel.write([en for en, _ in test])]
    assert np.mean([text == de for text, (_, de) in zip(said, test, strict=True)]) > 0.8
    copied = channel.write(["The old Zyx sings."], alternatives=2)[0]
    assert copied[0].text == "Der alte Zyx singt."
    assert len(copied) == 2
    assert channel.write([""])[0][0].text == ""
    channel.save(tmp_path)
    again = noisy_channel.load(tmp_path)
    assert [each[0].text for each in again.write([en for en, _ in test])] == said


def test_questions_are_read_in_the_form_of_squad(tmp_path: Path) -> None:
    asked = [
        {"id": str(n), "question": f"Who has {n}?", "answers": [{"text": "Bo", "answer_start": 0}]}
        for n in range(3)
    ]
    paragraph = {"context": "Bo has 1, 2 and 3.", "qas": [*asked, {"question": "Why?", "id": "x"}]}
    path = tmp_path / "squad.json"
    path.write_text(json.dumps({"version": "1.1", "data": [{"paragraphs": [paragraph]}]}), "utf-8")
    found = read_examples(path, TextOptions())
    assert [each.targets for each in found] == [("Bo",)] * 3
    assert found[0].text == f"Who has 0?{MARK}Bo has 1, 2 and 3."
    # All are to be answered, also what nobody has answered.
    assert len(list(read_texts(path, TextOptions()))) == 4
    path.write_text('{"data": [{"paragraphs": [{"qas": []}]}]}', "utf-8")
    with pytest.raises(TextError, match="holds no questions"):
        read_examples(path, TextOptions())
    path.write_text('{"data": [{"paragraphs": [3]}]}', "utf-8")
    with pytest.raises(TextError, match="form of SQuAD"):
        read_examples(path, TextOptions())
    path.write_text('{"data": [{"paragraphs": [{"context": "a", "qas": [{}]}]}]}', "utf-8")
    with pytest.raises(TextError, match=r"squad\.json:1 is no question"):
        read_examples(path, TextOptions())


def test_a_writer_is_held_to_a_length() -> None:
    text = "A very long first sentence of this text. Short one."
    assert extracts.Lead().write([text])[0][0].text != "Short one."
    held = held_to(extracts.Lead(), Held(longest=2))
    assert held.write([text])[0][0].text == "Short one."
    assert held.rung == "lead"
    assert (
        held_to(extracts.Lead(), Held(longest=1)).write(["One two. Three four five."])[0][0].text
        == "One two."
    )
    with pytest.raises(ForetellError, match="--longest must be 1 or more, not 0"):
        held_to(extracts.Lead(), Held(longest=0))


def test_to_what_it_was_held_is_kept(tmp_path: Path) -> None:
    rows = [
        {"text": f"It was a long day in town {n}. All was well.", "target": "All was well."}
        for n in range(30)
    ]
    path = tmp_path / "days.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    options = TextOptions(longest=3, least=0.5, budget="1 pass")
    writing.train_into(tmp_path / "m", path, "summarize", options)
    texts = ["It was the longest day of all here. All was well."]
    assert writing.load(tmp_path / "m", "lead").write(texts)[0][0].text == "All was well."
    longer = writing.load(tmp_path / "m", "lead", Held(longest=20))
    assert longer.write(texts)[0][0].text == "It was the longest day of all here."
    with pytest.raises(ForetellError, match="does not say how likely"):
        writing.load(tmp_path / "m", "lead", Held(least=0.5)).write(texts)
    assert len(writing.compare(tmp_path / "m", path, TextOptions())) >= 2


def test_what_is_quoted_is_told() -> None:
    source = "We study cats. The  results are Good for all cats, we find."
    said = "Results are good for all dogs; we study cats."
    found = [(said[a:b], source[c:]) for a, b, c in quotes(said, source)]
    assert [each for each, _ in found] == ["Results are good for all", "we study cats."]
    assert [there[:8] for _, there in found] == ["results ", "We study"]
    assert quotes("cats", "Some cats.") == [(0, 4, 5)]
    assert quotes("", source) == []
    assert quotes("本文研究猫", "为此，本文研究猫。")[0] == (0, 5, 3)
    answer = writing.AnsweredText("a:1", f"Who?{MARK}It was Ann Lee.", [Written("Ann Lee", None)])
    assert json.loads(answer.json)["texts"][0]["quoted"] == [[0, 7, 7]]


class Shouter:
    """Writes a text in capitals; then, less likely, as it is."""

    rung = "count"

    def write(self, texts: list[str], *, alternatives: int = 1) -> list[list[Written]]:
        found = [[Written(text.upper(), -1.0), Written(text, -1.0 - len(text))] for text in texts]
        return [each[:alternatives] for each in found]


def test_documents_are_translated_a_few_sentences_at_a_time() -> None:
    writer = BySentence(Shouter(), 1)
    document = "One dog. Mr. J. Smith sleeps! Ok?\n\n他来了。我走了。"
    said = writer.write([document, "one line"], alternatives=2)
    assert [each.text for each in said[0]] == [
        "ONE DOG. MR. J. SMITH SLEEPS! OK?\n\n他来了。我走了。",
        "ONE DOG. MR. J. SMITH SLEEPS! Ok?\n\n他来了。我走了。",
    ]
    assert [each.logprob for each in said[0]] == [-5.0, -8.0]
    assert [each.text for each in said[1]] == ["ONE LINE", "one line"]
    assert BySentence(Shouter(), 9).write([document])[0][0].text == document.upper()
    assert usual_sentences(["A dog. A cat.", *["A dog."] * 99]) == 1
    assert usual_sentences(["A dog. A cat.", *["A dog."] * 9]) == 2


def test_questions_may_have_no_answer(tmp_path: Path) -> None:
    chance, paragraphs = np.random.default_rng(0), []
    people, cities = ("Ann", "Bo", "Cy", "Di"), ("Boston", "Paris", "Rome", "北京")
    for number in range(150):
        who, where = str(chance.choice(people)), str(chance.choice(cities))
        passage = f"{who} went to {where} in {1900 + number}. All was well."
        told = [
            (f"Where did {who} go?", [{"text": where, "answer_start": 0}]),
            (f"Why is {chance.choice(people)} sad?", []),
        ][number % 2]
        qas = [{"id": "q", "question": told[0], "answers": told[1]}]
        paragraphs.append({"context": passage, "qas": qas})
    path = tmp_path / "squad.json"
    path.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}), "utf-8")
    options = TextOptions(budget="1 pass")
    assert len(read_examples(path, options)) == 75
    found = writing.train_into(tmp_path / "m", path, "answer", options)
    assert found.unanswered > 50
    floor = next(each.measures for each in found.tried if each.rung == "count")
    assert floor.score.value > 90
    assert floor.others["of those without"] > 90
    writer = writing.load(tmp_path / "m", "count")
    passage = f"{MARK}Bo went to Rome in 1950. All was well."
    asked = ["Where did Bo go?" + passage, "Why is Di sad?" + passage]
    assert [each[0].text for each in writer.write(asked)] == ["Rome", ""]
    # Somebody may want to be more sure, or to see every answer.
    sure = held_to(writer, Held(least=0.9999)).write(asked)
    assert [each[0].text for each in sure] == ["", ""]
    every = writer.write(asked, alternatives=2)
    assert every[1][0].text == ""
    assert every[1][1].text
    with pytest.raises(ForetellError, match="--least must be a probability"):
        held_to(writer, Held(least=2))
    with pytest.raises(ForetellError, match="does not say how likely"):
        held_to(extracts.Lead(), Held(least=0.5)).write(["A text."])
