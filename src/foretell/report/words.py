"""Every word of the table and the page, in English and Chinese, and how numbers are written.

Rung names, settings and whatever models wrote are not translated: they are data.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from math import floor, log10

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "lang": "en",
        "report": "Comparison",
        "text": "Text",
        "split": "Split",
        "leak": "Leak",
        "skipped": "Skipped",
        "laws_line": "Laws",
        "documents": "{n} documents",
        "document": "1 document",
        "set_aside": "{n} near-copies set aside",
        "train": "train",
        "stopping": "stopping",
        "tuning": "tuning",
        "held_out": "held out",
        "held_out_size": " ({size}, {documents})",
        "by_document": "by document",
        "by_passage": "by passage",
        "leak_sentence": "{share} of held-out 13-grams also stand in the training text",
        "join": ", ",
        "aside": "; ",
        "colon": ": ",
        "between": " ",
        "rung": "rung",
        "bits": "bits/byte",
        "against": "against the floor",
        "floor": "floor",
        "p": "p",
        "size": "size",
        "parameters": "parameters",
        "trained": "trained",
        "trained_short": "time",
        "speed": "ms/token",
        "speed_short": "ms/\ntoken",
        "laws": "laws",
        "sample": "sample",
        "laws_all": "{n} of {n} passed by every rung",
        "laws_some": "{name} {passed} of {checked}",
        "resolution": "Differences under {bits} bits/byte cannot be seen on this held-out text.",
        "took": "All of it took {time}.",
        "table_title": "The rungs, best first",
        "table_note": "Bits for each byte of the held-out text; lower is better. ± and brackets "
        "are 95% intervals over documents. The differences are paired by document, so they can "
        "be clear even where the intervals overlap; p is corrected for the number of rungs (Holm).",
        "unspelled_note": "Unspelled: without the charge for spelling unknown tokens.",
        "unspelled": "{bits} unspelled",
        "sort_hint": "Press a heading to sort",
        "curves_title": "While they learned",
        "curves_note": "Bits/byte on the stopping part after so much training. The dashed line is "
        "the floor, {floor}. Models that count have one point.",
        "curves_empty": "No curve was recorded.",
        "axis_bits": "bits/byte (lower is better)",
        "axis_time": "training time",
        "axis_speed": "ms/token",
        "axis_size": "size on disk",
        "floor_line": "floor {bits}",
        "off_scale": "above the plot",
        "off_scale_many": "{n} rungs above the plot, {low} to {high}",
        "second": "{n} s",
        "minute": "{n} min",
        "hour": "{n} h",
        "tradeoff_title": "Quality against speed and size",
        "tradeoff_note": "Lower and further left is better. The joined rungs are the sensible "
        "ones: no other is both better and cheaper.",
        "passage_title": "A held-out passage, token by token",
        "passage_note": "The stronger the colour, the more surprised. Point at a token, tap it, or "
        "step through with the arrow keys: its probability, the likeliest alternatives, and what "
        "decided.",
        "passage_upper": "Upper",
        "passage_lower": "Lower",
        "passage_shade": "Shade",
        "by_byte": "bits per byte",
        "by_token": "bits per token",
        "passage_left_out": "Left out here, to keep the page small: {names}.",
        "passage_script": "The shaded passage needs JavaScript; everything else does not.",
        "probability": "probability",
        "surprisal": "{n} bits",
        "alternatives": "Likeliest here",
        "decided": "Decided by",
        "fragment": "one of {n} pieces of",
        "passage_total": "{tokens} tokens, {bits} bits/byte",
        "contrast_title": "Where they differ",
        "contrast_note": "Words of the held-out text, by the bits that {b} saves or loses on "
        "them against {a}, summed over all their places.",
        "contrast_better": "{b} foretells these better",
        "contrast_worse": "{a} foretells these better",
        "word": "word",
        "bits_saved": "bits",
        "times": "times",
        "example": "example",
        "samples_title": "Samples",
        "samples_note": "Each rung goes on from the same prompts.",
        "method_title": "How it was done",
        "part": "part",
        "documents_head": "documents",
        "bytes": "bytes",
        "share": "share",
        "whole": "whole",
        "text_details": "Text and split",
        "rung_details": "Rungs",
        "tokenizer": "tokenizer",
        "family": "family",
        "settings": "settings",
        "weights": "weights",
        "signature": "signature",
        "folder": "folder",
        "failed_laws": "laws that failed",
        "run_settings": "Settings",
        "machine": "Machine",
        "versions": "Versions",
        "skipped_title": "Skipped or failed",
        "nothing_skipped": "Nothing.",
        "order": "order {n}",
        "offline": "This page is one file and loads nothing from anywhere.",
    },
    "zh": {
        "lang": "zh-CN",
        "report": "模型对比",
        "text": "文本",
        "split": "划分",
        "leak": "泄漏",
        "skipped": "跳过",
        "laws_line": "定律",
        "documents": "{n} 篇文档",
        "document": "1 篇文档",
        "set_aside": "另有 {n} 篇近似重复，未使用",
        "train": "训练",
        "stopping": "早停",
        "tuning": "调权",
        "held_out": "留出",
        "held_out_size": "（{size}，{documents}）",
        "by_document": "按文档划分",
        "by_passage": "按段落划分",
        "leak_sentence": "留出文本的 13 元组中，有 {share} 也出现在训练文本里",
        "join": "，",
        "aside": "；",
        "colon": "：",
        "between": "",
        "rung": "模型",
        "bits": "比特/字节",
        "against": "相对基线",
        "floor": "基线",
        "p": "p 值",
        "size": "大小",
        "parameters": "参数量",
        "trained": "训练用时",
        "trained_short": "用时",
        "speed": "毫秒/词元",
        "speed_short": "毫秒/\n词元",
        "laws": "定律",
        "sample": "样例",
        "laws_all": "所有模型均通过全部 {n} 条",
        "laws_some": "{name} 通过 {passed}/{checked}",
        "resolution": "在这份留出文本上，小于 {bits} 比特/字节的差别无法分辨。",
        "took": "整个对比用时 {time}。",
        "table_title": "各模型成绩，从好到差",
        "table_note": "留出文本平均每个字节所需的比特数，越低越好。± 与方括号为按文档重采样的 "
        "95% 区间。差值按文档配对计算，因此即使各自的区间重叠，差别仍可能是明确的；"
        "p 值已按模型个数校正（Holm）。",
        "unspelled_note": "“不计拼写”指不计未知词元的拼写代价。",
        "unspelled": "不计拼写 {bits}",
        "sort_hint": "点按表头可排序",
        "curves_title": "学习曲线",
        "curves_note": "训练过程中在早停部分上的比特/字节。虚线为基线 {floor}。"
        "靠计数得到的模型只有一个点。",
        "curves_empty": "没有记录到曲线。",
        "axis_bits": "比特/字节（越低越好）",
        "axis_time": "训练用时",
        "axis_speed": "毫秒/词元",
        "axis_size": "占用磁盘",
        "floor_line": "基线 {bits}",
        "off_scale": "超出图上方",
        "off_scale_many": "另有 {n} 个模型超出图上方，{low} 至 {high}",
        "second": "{n} 秒",
        "minute": "{n} 分",
        "hour": "{n} 小时",
        "tradeoff_title": "质量与速度、大小",
        "tradeoff_note": "越靠下、越靠左越好。连线上的模型是合理之选：没有别的模型既更好又更省。",
        "passage_title": "逐个词元读一段留出文本",
        "passage_note": "颜色越浓，模型越感意外。将鼠标移到词元上、点按，或用方向键逐个移动，"
        "可以看到它的概率、最可能的其他选择，以及由什么决定。",
        "passage_upper": "上",
        "passage_lower": "下",
        "passage_shade": "着色",
        "by_byte": "每字节比特数",
        "by_token": "每词元比特数",
        "passage_left_out": "为控制页面大小，此处未收入：{names}。",
        "passage_script": "着色段落需要启用 JavaScript，其余内容不需要。",
        "probability": "概率",
        "surprisal": "{n} 比特",
        "alternatives": "此处最可能的词元",
        "decided": "决定者",
        "fragment": "共 {n} 个片段，合成",
        "passage_total": "{tokens} 个词元，{bits} 比特/字节",
        "contrast_title": "差别在哪里",
        "contrast_note": "留出文本中的词，按 {b} 比 {a} 省下或多用的比特数排列（各处合计）。",
        "contrast_better": "{b} 预测得更好的词",
        "contrast_worse": "{a} 预测得更好的词",
        "word": "词",
        "bits_saved": "比特",
        "times": "次数",
        "example": "例子",
        "samples_title": "生成样例",
        "samples_note": "各模型从同样的开头续写。",
        "method_title": "方法与记录",
        "part": "部分",
        "documents_head": "文档数",
        "bytes": "字节数",
        "share": "占比",
        "whole": "合计",
        "text_details": "文本与划分",
        "rung_details": "各模型",
        "tokenizer": "分词器",
        "family": "类别",
        "settings": "设置",
        "weights": "权重",
        "signature": "签名",
        "folder": "文件夹",
        "failed_laws": "未通过的定律",
        "run_settings": "总体设置",
        "machine": "机器",
        "versions": "版本",
        "skipped_title": "跳过或失败",
        "nothing_skipped": "无。",
        "order": "{n} 阶",
        "offline": "本页是一个独立文件，不从任何地方加载内容。",
    },
}

LANGUAGE_NAMES = {"English": "英文", "Chinese": "中文", "English and Chinese": "英文和中文"}
"""What `Comparison.languages` may say, in Chinese; other scripts keep their English names."""


def words(language: str) -> Mapping[str, str]:
    """The words of one language by short name. Raises ValueError for a language not here.

    Good: words("zh")["bits"]
    Bad:  words("fr")
    """
    if language not in WORDS:
        raise ValueError(f"no words for language {language!r}; choose from {', '.join(WORDS)}")
    return WORDS[language]


def languages_said(languages: str, language: str) -> str:
    """`English and Chinese` as a reader of `language` would say it."""
    return LANGUAGE_NAMES.get(languages, languages) if language == "zh" else languages


def decided_said(decided_by: str, language: str) -> str:
    """`order 3` in the reader's language; anything else as it stands."""
    match = re.fullmatch(r"order (\d+)", decided_by)
    return words(language)["order"].format(n=match[1]) if match else decided_by


def write_bits(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def write_signed(value: float) -> str:
    """A difference: `−0.187`, `+2.211`, `0.000`; a real minus sign."""
    text = f"{abs(value):.3f}"
    if float(text) == 0:
        return text
    return ("−" if value < 0 else "+") + text


def write_p(value: float | None) -> str:
    if value is None:
        return ""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def write_size(count: int) -> str:
    """Decimal units: `246 kB`, `4.1 MB`."""
    size = float(count)
    if size < 999.5:
        return f"{count} B"
    for unit in ("kB", "MB", "GB", "TB"):
        size /= 1000
        if size < 9.95:
            return f"{size:.1f} {unit}"
        if size < 999.5 or unit == "TB":
            break
    return f"{size:.0f} {unit}"


def write_clock(seconds: float) -> str:
    """`m:ss`, or `h:mm:ss` from an hour on."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def write_significant(value: float, digits: int = 2) -> str:
    """Two significant digits, never scientific: `0.031`, `1.9`, `140`."""
    if value <= 0:
        return "0"
    decimals = max(0, digits - 1 - floor(log10(value)))
    return f"{value:.{decimals}f}"


def write_percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.0f}%" if percent >= 9.95 else f"{percent:.1f}".removesuffix(".0") + "%"


def align_points(numbers: Sequence[str], *, digit: str = " ", point: str = " ") -> list[str]:
    """Padded at the end so that, flush right, the decimal points stand above one another.

    digit and point are the paddings as wide as those; figure and punctuation space on a page.
    """
    tails = [len(number.partition(".")[2]) for number in numbers]
    widest = max(tails, default=0)
    return [
        number + (point if widest and not tail else "") + digit * (widest - tail)
        for number, tail in zip(numbers, tails, strict=True)
    ]


def one_line(text: str) -> str:
    """Text from a model, safe and flat for one line of a terminal: no control characters."""
    shown = []
    for character in text.strip():
        if character == "\n":
            shown.append("↵")
        elif character.isspace():
            shown.append(" ")
        elif unicodedata.category(character) in ("Cc", "Cf", "Cs"):
            shown.append("�")
        else:
            shown.append(character)
    return "".join(shown)
