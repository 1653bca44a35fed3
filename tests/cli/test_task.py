import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.tasks import requests
from tests.tasks.moods import draw, write
from tests.tasks.test_roles import write as sentences


@pytest.fixture
def reviews(here: Path) -> Path:
    write(here / "reviews.jsonl", draw(240, 1), text="review", label="mood")
    write(here / "test.jsonl", draw(60, 2), text="review", label="mood")
    return here


def test_train_evaluate_predict(reviews: Path, run: Run) -> None:
    fields = ("--text", "review", "--label", "mood")
    said = run("task", "sentiment", "train", "reviews.jsonl", *fields)
    assert said.code == 0, said.err
    assert "accuracy" in said.out
    folder = "models/reviews-sentiment"
    found = run("task", "sentiment", "evaluate", folder, "test.jsonl", *fields, "--json").json
    assert found["accuracy"]["value"] > 0.9
    assert found["texts"] == 60
    lines = run("task", "sentiment", "predict", folder, "test.jsonl", "--text", "review").out
    first, label, sure = lines.splitlines()[0].split("\t")
    assert first == "test.jsonl:1"
    assert label in ("good", "bad")
    assert 0.5 <= float(sure) <= 1
    assert len(lines.splitlines()) == 60
    command = ("task", "classify", "predict", folder, "test.jsonl", "--text", "review", "--json")
    content = json.loads(run(*command).out.splitlines()[0])
    assert content["label"] == label
    assert sum(content["probabilities"].values()) == pytest.approx(1)


def test_answers_in_a_file_are_taken_up_again(reviews: Path, run: Run) -> None:
    fields = ("--text", "review")
    train = ("task", "classify", "train", "reviews.jsonl", *fields, "--label", "mood")
    assert run(*train, "--out", "m").code == 0
    command = ("task", "classify", "predict", "m", "test.jsonl", *fields, "--why")
    assert run(*command, "--out", "whole.tsv").code == 0
    whole = (reviews / "whole.tsv").read_text("utf-8")
    assert whole == run(*command).out
    assert len(whole.splitlines()[0].split("\t")) == 4
    # A row that cannot be answered ends it; what was there stays, and a cut line is made again.
    good = (reviews / "test.jsonl").read_text("utf-8")
    (reviews / "test.jsonl").write_text(good + '{"review": ""}\n', "utf-8")
    many = ("task", "classify", "predict", "m", "test.jsonl", *fields, "--out", "again.tsv")
    assert "test.jsonl:61 has nothing in review" in run(*many).err
    (reviews / "test.jsonl").write_text(good, "utf-8")
    assert "other data" in run(*many).err
    (reviews / "again.tsv.partial.json").unlink()
    assert "again.tsv.partial exists already" in run(*many).err
    (reviews / "again.tsv.partial").unlink()
    assert run(*many).code == 0
    assert not [file.name for file in reviews.iterdir() if file.name.startswith("again.tsv.")]
    assert "already" in run(*many).err


def test_a_killed_run_goes_on_after_its_last_whole_line(
    reviews: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from foretell.tasks import labelling

    fields = ("--text", "review")
    train = ("task", "classify", "train", "reviews.jsonl", *fields, "--label", "mood")
    assert run(*train, "--out", "m").code == 0
    command = ("task", "classify", "predict", "m", "test.jsonl", *fields, "--out")
    assert run(*command, "whole.tsv").code == 0
    whole = (reviews / "whole.tsv").read_bytes()

    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fails)
        assert run(*command, "again.tsv").code == 130
    partial = reviews / "again.tsv.partial"
    partial.write_bytes(whole[: len(whole) // 2])
    asked = []
    answer = labelling.answer
    monkeypatch.setattr(
        labelling, "answer", lambda *a, **k: asked.append(k["after"]) or answer(*a, **k)
    )
    assert run(*command, "again.tsv").code == 0
    assert asked == [whole[: len(whole) // 2].count(b"\n")]
    assert (reviews / "again.tsv").read_bytes() == whole


def test_refusals(reviews: Path, run: Run) -> None:
    said = run("task", "classify", "train", "reviews.jsonl")
    assert said.code == 2
    assert "no field 'text'" in said.err
    assert "--text" in said.err
    assert not (reviews / "models").exists()
    assert run("task", "classify", "evaluate", "kn", "test.jsonl").code == 2
    assert run("task", "juggle", "train", "reviews.jsonl").code == 2


def test_understand(here: Path, run: Run) -> None:
    requests.write(here / "a.jsonl", requests.draw(120, 1))
    requests.write(here / "test.jsonl", requests.draw(30, 2))
    said = run("task", "understand", "train", "a.jsonl", "--out", "m", "--budget", "2 passes")
    assert said.code == 0, said.err
    assert "span F1" in said.out
    assert run("task", "understand", "evaluate", "m", "test.jsonl", "--json").json["texts"] == 30
    table = run("task", "understand", "compare", "m", "test.jsonl").out
    assert "count" in table
    assert "recurrent" in table
    (here / "new.csv").write_text("say\na flight from new york to 北京\n", "utf-8")
    predict = ("task", "understand", "predict", "m", "new.csv", "--text", "say", "--rung", "count")
    line = run(*predict).out.strip().split("\t")
    assert line[0] == "new.csv:2"
    assert "start=new york" in line
    assert "end=北京" in line
    assert run(*predict, "--out", "found.tsv").code == 0
    assert (here / "found.tsv").read_text("utf-8").strip().split("\t") == line
    content = json.loads(run(*predict, "--json").out)
    for span in content["spans"]:
        assert content["text"][span["start"] : span["end"]] == span["text"]
    assert "leave --why out" in run(*predict, "--why").err


def test_what_two_sentences_say_of_each_other(here: Path, run: Run) -> None:
    rows = [
        f"a {thing} {n},{no} {thing},{'no' if no else 'yes'}"
        for n in range(40)
        for thing in ("dog", "cat")
        for no in ("", "no")
    ]
    (here / "pairs.csv").write_text("\n".join(["one,other,label", *rows]), "utf-8")
    fields = ("--text", "one", "--second", "other")
    train = ("task", "understand", "train", "pairs.csv", *fields, "--out", "m")
    assert run(*train, "--budget", "2 passes").code == 0
    found = run("task", "understand", "evaluate", "m", "pairs.csv", *fields, "--json").json
    assert found["accuracy"]["value"] > 0.9
    assert "yes" in run("task", "understand", "predict", "m", "pairs.csv", *fields).out


def test_roles(here: Path, run: Run) -> None:
    sentences(here / "a.jsonl", 120, 1)
    sentences(here / "test.jsonl", 20, 2)
    said = run("task", "roles", "train", "a.jsonl", "--out", "m", "--budget", "2 passes")
    assert said.code == 0, said.err
    assert "predicates given" in said.out
    found = run("task", "roles", "evaluate", "m", "test.jsonl", "--rung", "count", "--json").json
    assert found["given"]["sentences"] == 20
    assert "recurrent" in run("task", "roles", "compare", "m", "test.jsonl").out
    (here / "new.csv").write_text('say\n"7, the dog sees a cat."\n', "utf-8")
    predict = ("task", "roles", "predict", "m", "new.csv", "--text", "say", "--rung", "count")
    assert "see.01: 7, [ARG0 the dog] [V sees]" in run(*predict).out
    assert run(*predict, "--out", "found.tsv").code == 0
    assert (here / "found.tsv").read_text("utf-8") == run(*predict).out
    assert json.loads(run(*predict, "--json").out)["predicates"][0]["sense"] == "see.01"
    assert run(*predict, "--out", "found.html").code == 0
    assert (here / "found.html").read_text("utf-8").count("<svg") == 1
    assert "already" in run(*predict, "--out", "found.html").err


def test_labels_that_look_like_markup_are_told_as_they_are(here: Path, run: Run) -> None:
    rows = [
        f"{word} {n},{label}" for n in range(40) for word in ("x", "y") for label in ("[/a]", "b")
    ]
    (here / "a.csv").write_text("\n".join(["text,label", *rows]), "utf-8")
    said = run("task", "classify", "train", "a.csv", "--out", "m", "--budget", "1 passes")
    assert said.code == 0, said.err
    assert "[/a]" in said.out
    assert "[/a]" in run("task", "classify", "evaluate", "m", "a.csv").out


def test_translate(here: Path, run: Run) -> None:
    names = (("cat", "猫"), ("dog", "狗"))
    lines = [(f"{n} {x} sits", f"{n} {y} 坐") for n in range(40) for x, y in names]
    (here / "a.en").write_text("\n".join(a for a, _ in lines), "utf-8")
    (here / "a.zh").write_text("\n".join(b for _, b in lines), "utf-8")
    said = run("task", "translate", "train", "a.en,a.zh", "--out", "m", "--budget", "2 passes")
    assert said.code == 0, said.err
    assert "tok:zh" in said.out
    assert (here / "m/report.html").exists()
    found = run("task", "translate", "evaluate", "m", "a.en,a.zh", "--rung", "count", "--json").json
    assert found["name"] == "BLEU"
    assert found["texts"] == 80
    assert "transformer" in run("task", "translate", "compare", "m", "a.en,a.zh").out
    predict = ("task", "translate", "predict", "m", "a.en", "--rung", "count")
    assert run(*predict).out.startswith("a.en#1\t0")
    assert run(*predict, "--out", "found.tsv").code == 0
    assert len((here / "found.tsv").read_text("utf-8").splitlines()) == 80
    assert run(*predict, "--alternatives", "0").code == 2
    assert "lines without targets" in run("task", "translate", "train", "a.en").err


def test_generate(here: Path, run: Run) -> None:
    rows = [{"name": "two", "lines": [f"春{a}。", f"秋{b}。"]} for a in "天年间" for b in "山边前"]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows * 4)
    (here / "poems.jsonl").write_text(text, "utf-8")
    fields = ("--text", "lines", "--topic", "name")
    train = ("task", "generate", "train", "poems.jsonl", *fields, "--budget", "1 pass")
    said = run(*train, "--out", "m")
    assert said.code == 0, said.err
    assert "1 of 1 topics have a form" in said.out
    assert (here / "m/report.html").exists()
    poems = run("task", "generate", "predict", "m", "two", "--count", "2").out.split("\n\n")
    assert all(len(line) == 3 and line.endswith("。") for line in poems[0].split("\n"))
    (here / "topics.csv").write_text("text\ntwo\nnone\n", "utf-8")
    lines = run("task", "generate", "predict", "m", "topics.csv", "--json").out.splitlines()
    first, second = map(json.loads, lines)
    assert first["kept"]["right_length"] == 2
    assert second["kept"] is None
    table = run("task", "generate", "compare", "m", "poems.jsonl", *fields).out
    assert "originals" in table
    assert run("task", "generate", "predict", "m", "two", "--count", "0").code == 2
    assert run("task", "generate", "predict", "m", "").out.strip()
