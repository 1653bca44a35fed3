"""From finished rungs to the numbers and the sentence that answers the question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from foretell.corpus.source import LoadedCorpus
from foretell.evaluation.intervals import holm
from foretell.evaluation.results import Comparison, RungResult
from foretell.evaluation.scoring import read_texts
from foretell.evaluation.surprisal import contrasts, surprisals
from foretell.ladder.machine import describe_machine, describe_versions
from foretell.ladder.options import CompareOptions
from foretell.ladder.running import ELSEWHERE, Finished, Texts

PASSAGE_BYTES = 700


def judge(
    corpus: LoadedCorpus,
    texts: Texts,
    finished: Sequence[Finished],
    options: CompareOptions,
    *,
    skipped: dict[str, str],
    seconds: float,
) -> Comparison:
    """Intervals, paired differences to the floor, order, passage and recommendation.

    The floor is the 5-gram that did best on the stopping part, not on the held-out one: chosen
    there, it would owe its place partly to chance.
    """
    counts = [each for each in finished if each.family == "kneser-ney"]
    floor = min(counts, key=lambda each: each.stopping_bits)
    rungs = _measure(finished, floor)
    floor_name = _names(finished)[floor.slug]
    best, rest = rungs[0], rungs[1:]
    by_name = dict(zip(_names(finished).values(), finished, strict=True))
    passage = choose_passage(texts.held_out)
    pair = (floor_name, best.name if best.name != floor_name else rest[0].name)
    readings = [
        read_texts(by_name[name].load(), texts.held_out, end_of_text=texts.end_of_text)
        for name in pair
    ]
    return Comparison(
        title=corpus.title,
        documents=corpus.documents,
        bytes=corpus.bytes,
        languages=corpus.languages,
        set_aside=corpus.set_aside,
        split={
            part: {
                "documents": len(getattr(corpus.split, part)),
                "bytes": sum(len(d.text.encode()) for d in getattr(corpus.split, part)),
            }
            for part in ("train", "stopping", "tuning", "held_out")
        },
        passages=corpus.split.passages,
        leak_share=corpus.leak_share,
        rungs=tuple(rungs),
        floor=floor_name,
        recommendation=recommend(rungs, floor_name, doubtful=_doubtful(finished)),
        resolution=_resolution(by_name[best.name], by_name[rest[0].name]),
        prompts=texts.prompts,
        passage_text=passage,
        passage={rung.name: surprisals(by_name[rung.name].load(), passage) for rung in rungs},
        contrasts=contrasts(texts.held_out, *readings),
        contrast_pair=pair,
        skipped=skipped,
        settings=asdict(options),
        machine=describe_machine(options.threads),
        versions=describe_versions(),
        seconds=seconds,
    )


def _names(finished: Sequence[Finished]) -> dict[str, str]:
    """Slug to a name that no other rung has."""
    names = [each.name for each in finished]
    return {
        each.slug: each.name if names.count(each.name) == 1 else f"{each.name} ({each.slug})"
        for each in finished
    }


def _measure(finished: Sequence[Finished], floor: Finished) -> list[RungResult]:
    """Rungs in order, best first, each against the floor; p-values corrected together."""
    others = [each for each in finished if each is not floor]
    differences = {each.slug: each.score.against(floor.score) for each in others}
    corrected = holm([differences[each.slug].p_value for each in others])
    p_values = {each.slug: p for each, p in zip(others, corrected, strict=True)}
    names = _names(finished)
    rungs = []
    for each in finished:
        difference = differences.get(each.slug)
        rungs.append(
            RungResult(
                name=names[each.slug],
                family=each.family,
                tokenizer=each.tokenizer,
                parameters=each.parameters,
                bits_per_byte=each.score.bits_per_byte,
                bits_per_byte_unspelled=each.score.total.bits_per_byte_unspelled,
                difference=difference.interval if difference else None,
                p_value=p_values.get(each.slug),
                bytes_on_disk=each.bytes_on_disk,
                train_seconds=each.train_seconds,
                milliseconds_per_token=each.milliseconds_per_token,
                laws_passed=each.laws_passed,
                laws_checked=each.laws_checked,
                laws_failed=each.laws_failed,
                samples=each.samples,
                curve=each.curve,
                signature=str(each.score.signature),
                folder=each.folder,
                settings={
                    "tokens": each.tokens,
                    "passes": each.passes,
                    "ended": each.ended,
                    "notices": list(each.notices),
                },
                weights={names.get(slug, slug): weight for slug, weight in each.weights.items()},
            )
        )
    return sorted(rungs, key=lambda rung: rung.bits_per_byte.value)


def _resolution(one: Finished, other: Finished) -> float:
    """Half the width of the paired interval between the two best rungs."""
    interval = one.score.against(other.score).interval
    return (interval.high - interval.low) / 2


def choose_passage(texts: Sequence[str]) -> str:
    """The beginning of a held-out text of middling length, cut at the end of a line."""
    middling = sorted(texts, key=len)[len(texts) * 2 // 3]
    out = ""
    for line in middling.splitlines(keepends=True):
        if out and len((out + line).encode()) > PASSAGE_BYTES:
            break
        out += line
    return out.encode()[:PASSAGE_BYTES].decode("utf-8", "ignore").rstrip() or middling[:100]


def _doubtful(finished: Sequence[Finished]) -> list[str]:
    """Names of models that may have read what is held out."""
    names = _names(finished)
    return [names[each.slug] for each in finished if ELSEWHERE in each.notices]


def recommend(
    rungs: Sequence[RungResult], floor_name: str, *, doubtful: Sequence[str] = ()
) -> dict[str, str]:
    """What to choose and what it costs, in English and Chinese.

    doubtful: models that may have read what is held out; said of what is recommended.
    """
    best = rungs[0]
    floor = next(rung for rung in rungs if rung.name == floor_name)
    if not _is_better(best):
        return {
            "en": (
                f"Choose the {floor.name}: no rung is measurably better on this text, and it "
                f"trains in {_time(floor.train_seconds)}."
            ),
            "zh": (
                f"选择 {floor.name}：在这份文本上没有哪一级明显更好，而它只需训练 "
                f"{_time(floor.train_seconds)}。"
            ),
        }
    assert best.difference is not None
    gain = -best.difference.value
    english = [
        f"Choose the {best.name} for quality: {gain:.3f} bits per byte "
        f"({gain / floor.bits_per_byte.value:.0%}) under the {floor.name}, "
        f"at {best.milliseconds_per_token:.2f} ms a token and {_size(best.bytes_on_disk)}."
    ]
    chinese = [
        f"要质量就选 {best.name}：比 {floor.name} 每字节少 {gain:.3f} 比特"
        f"（{gain / floor.bits_per_byte.value:.0%}），每个词元 "
        f"{best.milliseconds_per_token:.2f} 毫秒，占 {_size(best.bytes_on_disk)}。"
    ]
    for rung in _cheaper(rungs, floor_name):
        worse = rung.bits_per_byte.value - best.bits_per_byte.value
        english.append(
            f"The {rung.name} if a token may take no more than "
            f"{rung.milliseconds_per_token:.2f} ms: {worse:.3f} bits per byte worse, "
            f"{_size(rung.bytes_on_disk)}."
        )
        chinese.append(
            f"若每个词元不得超过 {rung.milliseconds_per_token:.2f} 毫秒，选 {rung.name}："
            f"每字节多 {worse:.3f} 比特，占 {_size(rung.bytes_on_disk)}。"
        )
    for name in doubtful:
        if name == best.name or name in best.weights:
            english.append(f"The {name} learned elsewhere, and may have read this very text.")
            chinese.append(f"{name} 是在别处训练的，可能读过这份文本。")
    return {"en": " ".join(english), "zh": "".join(chinese)}


def _cheaper(rungs: Sequence[RungResult], floor_name: str) -> list[RungResult]:
    """Rungs worth having for their speed, the floor or measurably better than it: each takes at
    most two-thirds of the time of the one before, and is the best that does."""
    chosen, limit = [], rungs[0].milliseconds_per_token
    for rung in rungs:
        worth = rung.name == floor_name or _is_better(rung)
        if worth and rung.milliseconds_per_token <= limit * 2 / 3:
            chosen.append(rung)
            limit = rung.milliseconds_per_token
        if rung.name == floor_name:
            break
    return chosen


def _is_better(rung: RungResult) -> bool:
    """Than the floor, measurably."""
    return rung.difference is not None and rung.difference.high < 0


def _time(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
