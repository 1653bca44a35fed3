"""A made-up comparison, as a good run on bilingual notes would give it. Nothing is measured."""

from __future__ import annotations

import random
from math import exp

from foretell.evaluation.results import (
    Comparison,
    Contrast,
    CurvePoint,
    Interval,
    RungResult,
    TokenSurprisal,
)

PASSAGE = (
    "Notes from the third week.\n\n"
    "The harbour froze on Tuesday, and the ferries that usually leave at seven stood in a row "
    "like chairs after a concert. Nobody minded. A language model, somebody said at breakfast, "
    "is a machine that reads and then guesses; the harbour master laughed and guessed thaw by "
    "Friday.\n\n"
    "  - coffee:  12 bags\n"
    "  - rope:    3 x 20 m\n\n"
    "语言模型读一个词，再预测下一个词。它读得越多，猜得越准。冬天的港口很安静，渡轮停在冰里，"
    "船长们在屋里喝茶，谈论去年的天气和今年的价格。\n"
    "“明天会化冻吗？”他问。“不会，”她说，“但是后天也许会。”\n\n"
    "By Friday, the ice had gone and so had the harbour master; he left a note, in both "
    "languages, that said only: 再见, see you in spring."
)

RUNGS: tuple[tuple[str, str, str, int | None, float, float, float, float], ...] = (
    # name, family, tokenizer, parameters, bits, MB, seconds, ms
    ("mixture (3)", "mixture", "BPE 2k", None, 1.912, 9.8, 252, 1.94),
    ("GPT 1.3M, BPE 2k", "gpt", "BPE 2k", 1_312_000, 1.987, 5.2, 125, 0.81),
    ("GPT 0.4M, BPE 2k", "gpt", "BPE 2k", 412_000, 2.029, 1.7, 71, 0.43),
    ("LSTM 0.9M, bytes", "lstm", "bytes", 902_000, 2.041, 3.6, 90, 0.21),
    ("GRU 0.7M, bytes", "gru", "bytes", 703_000, 2.066, 2.8, 88, 0.18),
    ("5-gram Kneser-Ney", "kneser-ney", "BPE 2k", None, 2.099, 4.1, 1.2, 0.031),
    ("5-gram KN, bytes", "kneser-ney", "bytes", None, 2.204, 3.3, 0.9, 0.024),
    ("RNN 0.5M, bytes", "rnn", "bytes", 498_000, 2.391, 2.0, 84, 0.15),
    ("unigram", "unigram", "BPE 2k", None, 4.31, 0.1, 0.2, 0.011),
)
FLOOR = "5-gram Kneser-Ney"

SAMPLES = (
    " was quiet until the second week, when the ferries came back and nobody\nhad kept the list of "
    "<script>alert(1)</script> names.",
    "，他们在港口等了很久，最后还是回去了。第二天早上雪停了。",
    'def thaw(day):\n    return day & 5 > 3  # "Friday" isn\'t a number',
)


def cut_words(text: str) -> list[bytes]:
    """BPE-like tokens: words with the space before them, Chinese characters one by one."""
    tokens: list[str] = []
    for character in text:
        glue = tokens and character.isascii() and character.isalpha() and tokens[-1].isascii()
        if glue and (tokens[-1][-1].isalpha() or tokens[-1] == " ") and len(tokens[-1]) < 7:
            tokens[-1] += character
        else:
            tokens.append(character)
    return [token.encode() for token in tokens]


def cut_bytes(text: str) -> list[bytes]:
    """Bytes: a Chinese character is three that are no text."""
    return [bytes([byte]) for byte in text.encode()]


def cut_halves(text: str) -> list[bytes]:
    """As words, but a Chinese character of an odd number is two pieces, of one byte and two."""
    tokens: list[bytes] = []
    for token in cut_words(text):
        if token[0] >= 128 and ord(token.decode()[0]) % 2:
            tokens += [token[:1], token[1:]]
        else:
            tokens.append(token)
    return tokens


def cut_across(text: str) -> list[bytes]:
    """Every four bytes, so that a token may hold the end of a character and half of the next."""
    data = text.encode()
    return [data[place : place + 4] for place in range(0, len(data), 4)]


def read(tokens: list[bytes], rung: str, total_bits: float) -> tuple[TokenSurprisal, ...]:
    source = random.Random(rung)
    shape = random.Random(7)
    raw = [max(0.01, shape.gammavariate(0.9, 1.0) * source.uniform(0.6, 1.4)) for _ in tokens]
    scale = total_bits / sum(raw)
    out = []
    for token, weight in zip(tokens, raw, strict=True):
        text = token.decode("utf-8", "replace")
        bits = weight * scale
        probability = 2.0**-bits
        others = [" the", "\n", "，", " 的", "�", ",", " a", "s", " <b>"]
        source.shuffle(others)
        left = 1.0 - probability
        alternatives = [(text, probability)]
        for other in [o for o in others if o != text][:4]:
            left *= source.uniform(0.3, 0.7)
            alternatives.append((other, left))
        alternatives.sort(key=lambda pair: -pair[1])
        decided = f"order {source.randint(1, 5)}" if "gram" in rung or "KN" in rung else ""
        out.append(
            TokenSurprisal(text, len(token), bits, probability, tuple(alternatives), decided)
        )
    return tuple(out)


def build_curve(family: str, bits: float, seconds: float) -> tuple[CurvePoint, ...]:
    if family in ("unigram", "kneser-ney"):
        return (CurvePoint(seconds, 1_000_000, bits + 0.012),)
    source = random.Random(seconds)
    start = 1.97 if family == "mixture" else 5.5
    points = []
    for step in range(1, 25):
        share = (step / 24) ** 1.4
        value = bits + 0.012 + (start - bits) * (exp(-7 * share) - exp(-7)) * (1 - 0.2 * share)
        noise = source.gauss(0, 0.006) if step < 24 else 0
        points.append(CurvePoint(seconds * share, int(2e6 * share), value + noise))
    return tuple(points)


def build_rung(row: tuple[str, str, str, int | None, float, float, float, float]) -> RungResult:
    name, family, tokenizer, parameters, bits, megabytes, seconds, milliseconds = row
    floor = name == FLOOR
    gap = bits - 2.099
    wide = 0.013 + 0.02 * abs(gap) / 2
    return RungResult(
        name=name,
        family=family,
        tokenizer=tokenizer,
        parameters=parameters,
        bits_per_byte=Interval(bits, bits - 0.021, bits + 0.022),
        bits_per_byte_unspelled=bits - (0.114 if family == "unigram" else 0),
        difference=None if floor else Interval(gap, gap - wide, gap + wide),
        p_value=None if floor else (0.0004 if abs(gap) > 0.06 else 0.013),
        bytes_on_disk=int(megabytes * 1e6),
        train_seconds=seconds,
        milliseconds_per_token=milliseconds,
        laws_passed=10 if family == "rnn" else 11,
        laws_checked=11,
        laws_failed=("padding: a pad changed the distribution after token 9",)
        if family == "rnn"
        else (),
        samples=SAMPLES if not floor else (SAMPLES[1], SAMPLES[0], SAMPLES[2]),
        curve=build_curve(family, bits, seconds),
        signature=f"bits_per_byte|text:9f2c61d0aa14e3b7|tok:{len(tokenizer)}c41e|"
        f"window:512/256|end:no|v:0.1.0|{family}",
        folder=f"runs/my-notes/{name}".replace(", ", "-").replace(" ", "-").lower(),
        settings={"order": 5, "discounts": [0.61, 1.02, 1.38]}
        if "gram" in name
        else {"width": 128, "layers": 2, "learning rate": 0.003, "dropout": 0.1},
        weights={"GPT 1.3M, BPE 2k": 0.58, "LSTM 0.9M, bytes": 0.19, FLOOR: 0.23}
        if family == "mixture"
        else {},
    )


def build_comparison() -> Comparison:
    rungs = tuple(build_rung(row) for row in RUNGS)
    size = len(PASSAGE.encode())
    cuts = {"bytes": cut_bytes(PASSAGE), "BPE 2k": cut_words(PASSAGE)}
    passage = {
        rung.name: read(
            cut_halves(PASSAGE) if rung.family == "gpt" else cuts[rung.tokenizer],
            rung.name,
            rung.bits_per_byte.value * size,
        )
        for rung in rungs
    }
    return Comparison(
        title="my-notes/",
        documents=1204,
        bytes=4_102_331,
        languages="English and Chinese",
        set_aside=37,
        split={
            "train": {"documents": 1060, "bytes": 3_610_051},
            "stopping": {"documents": 36, "bytes": 123_120},
            "tuning": {"documents": 36, "bytes": 123_040},
            "held_out": {"documents": 72, "bytes": 246_120},
        },
        passages=False,
        leak_share=0.004,
        rungs=rungs,
        floor=FLOOR,
        recommendation={
            "en": "Choose the mixture for quality; the LSTM if a token may take no more than "
            "0.5 ms (0.129 bits/byte worse). Twice the text would buy about 0.06 bits/byte.",
            "zh": "若重质量，选 mixture (3)；若每个词元不得超过 0.5 毫秒，选 LSTM（差 0.129 "
            "比特/字节）。文本加倍约可再降 0.06 比特/字节。",
        },
        resolution=0.004,
        prompts=("The harbour", "冬天的港口", "```python\n"),
        passage_text=PASSAGE,
        passage=passage,
        contrasts=(
            Contrast("harbour", 41.2, 12, "the ▮harbour▮ froze on Tuesday, and the ferries"),
            Contrast("模型", 33.8, 9, "语言▮模型▮读一个词，再预测下一个词"),
            Contrast("ferries", 18.4, 5, "and the ▮ferries▮ that usually leave at seven"),
            Contrast("港口", 12.9, 4, "冬天的▮港口▮很安静，渡轮停在冰里"),
            Contrast("guessed", 7.7, 3, "master laughed and ▮guessed▮ thaw by Friday"),
            Contrast("<b>bold</b>", 3.1, 1, "wrote ▮<b>bold</b>▮ in the margin & left"),
            Contrast("seven", -2.2, 2, "usually leave at ▮seven▮ stood in a row"),
            Contrast("Kneser", -6.9, 4, "the smoothing of ▮Kneser▮ and Ney"),
        ),
        contrast_pair=(FLOOR, "mixture (3)"),
        skipped={
            "Llama-class 8M": "needs 11 minutes by the trial run; the budget is 5",
            "pretrained GPT-2": "no network, and no copy on this machine",
        },
        settings={"budget": "5m", "seed": 0, "config": "runs/my-notes/compare.yaml"},
        machine={"cpu": "2 cores, x86_64", "memory": "7.7 GB", "system": "Linux 6.1"},
        versions={"foretell": "0.1.0", "python": "3.11.2", "numpy": "2.1.3", "torch": "2.6.0"},
        seconds=712.0,
    )
