"""Every family obeys every law with every tokenizer, and each planted bug breaks its own."""

from __future__ import annotations

from benchmarks.result import Result, say
from foretell.testing.laws import LAWS, check_laws

QUICK_TOKENIZERS = ("bytes", "bpe")
WIDTH, QUICK_WIDTH = 40, 24
"""Tokens of the longest text a law reads; more than the window of the small transformer."""


def measure(*, quick: bool) -> Result:
    from tests.laws import planted
    from tests.laws.test_families import FAMILIES, TOKENIZERS, ngram

    width = QUICK_WIDTH if quick else WIDTH
    kinds = [kind for kind in TOKENIZERS if not quick or kind in QUICK_TOKENIZERS]
    checked, broken = 0, []
    for family, build in FAMILIES.items():
        before = len(broken)
        for kind in kinds:
            results = check_laws(build(TOKENIZERS[kind]), width=width)
            checked += len(results)
            broken += [f"{family}, {kind}: {r.law}: {r.message}" for r in results if not r.passed]
            missing = set(LAWS) - {r.law for r in results}
            broken += [f"{family}, {kind}: {law}: not checked" for law in missing]
        say(f"{family}: {len(broken) - before} laws broken with {len(kinds)} tokenizers")
    caught = {}
    for bug, (spoil, law) in planted.BUGS.items():
        results = check_laws(spoil(ngram(TOKENIZERS["bytes"])))
        caught[bug] = law in [r.law for r in results if not r.passed]
        say(f"{bug}: {'caught' if caught[bug] else 'NOT caught'} by {law}")
    return Result(
        met=not broken and all(caught.values()),
        figures={
            "families": len(FAMILIES),
            "tokenizers": len(kinds),
            "laws": len(LAWS),
            "checked": checked,
            "broken": broken,
            "bugs": len(caught),
            "caught": sum(caught.values()),
            "unseen": [bug for bug, seen in caught.items() if not seen],
        },
    )
