import errno
from collections.abc import Callable

import pytest

from foretell import __version__
from foretell.cli import score
from foretell.cli.main import VERBS, main
from tests.cli.conftest import Run


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"foretell {__version__}\n"


def test_nothing_at_all_is_answered_with_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    said = capsys.readouterr().out
    assert "foretell compare my-notes/" in said
    for verb in VERBS:
        assert verb in said


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    assert "usage: foretell" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["compere", "text.txt"], "compere"),
        (["compare", "text.txt", "--bugdet", "5m"], "--bugdet"),
        (["train", "text.txt", "--model", "bert"], "bert"),
        (["train", "text.txt", "--seed", "one"], "seed"),
        (["score", "kn"], "text"),
        (["tokenizer"], "train,compare"),
        (["tokenizer", "train", "text.txt"], "out"),
    ],
)
def test_what_cannot_be_parsed_is_refused(
    arguments: list[str], word: str, refused: Callable[..., str]
) -> None:
    said = refused(*arguments)
    assert word in said
    assert "--help" in said


@pytest.mark.parametrize(
    ("problem", "code", "word"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "model/x"), 2, "no space is left"),
        (PermissionError(errno.EACCES, "Permission denied", "model/x"), 2, "model/x"),
        (MemoryError(), 2, "not enough memory"),
        (KeyboardInterrupt(), 130, "stopped"),
    ],
)
def test_what_the_machine_refuses_is_one_line(
    problem: BaseException, code: int, word: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(arguments: object) -> int:
        raise problem

    monkeypatch.setattr(score, "run", fail)
    said = run("score", "kn", "text.txt")
    assert said.code == code
    assert said.err.startswith("foretell: ")
    assert said.err.count("\n") == 1
    assert word in said.err


def test_a_bug_keeps_its_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(arguments: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(score, "run", fail)
    with pytest.raises(ZeroDivisionError):
        run("score", "kn", "text.txt")
