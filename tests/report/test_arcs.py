from foretell.report.arcs import draw, render
from foretell.tasks.examples.frames import Frame
from foretell.tasks.examples.spans import Span
from foretell.tasks.examples.tagged import spaced
from foretell.tasks.roles import AnsweredRoles

ANSWER = AnsweredRoles(
    "new.csv:2",
    spaced(["She", "gave", "him", "<tea>", "今", "天"]),
    (
        Frame(1, "give.01", (Span(0, 1, "ARG0"), Span(2, 3, "ARG2"), Span(3, 4, "ARG1"))),
        Frame(3, "", ()),
    ),
)


def test_arcs_reach_what_they_name_and_lie_inside_each_other() -> None:
    drawing = draw(ANSWER, ANSWER.frames[0])
    assert [arc["name"] for arc in drawing["arcs"]] == ["ARG0", "ARG2", "ARG1"]
    near, far = drawing["arcs"][1:]
    assert far["y"] < near["y"]
    words = [word.x for word in drawing["words"]]
    assert words == sorted(words)
    assert 0 < far["x"] < drawing["width"]
    assert drawing["said"].startswith("[ARG0 She] [V gave]")


def test_a_page_escapes_words_and_stands_alone() -> None:
    page = render("new.csv", [ANSWER])
    assert "&lt;tea&gt;" in page
    assert "<tea>" not in page
    assert page.count("<svg") == 2
    assert "http" not in page.replace("http-equiv", "")
