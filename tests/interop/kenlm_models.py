"""Small models for the tests of KenLM's files."""

import numpy as np

from foretell.models.ngram import NGram, Smoothing, estimate_stream
from foretell.tokenizers.whitespace import Whitespace, learn_lines

ARPA = """\\data\\
ngram 1=6
ngram 2=5
ngram 3=2

\\1-grams:
-1.0	<unk>	0
0	<s>	-0.3
-1.2	</s>	0
-0.8	a	-0.25
-0.9	b	-0.15
-1.1	c	0

\\2-grams:
-0.4	<s> a	-0.2
-0.5	a b	-0.1
-0.6	b c	0
-0.7	b </s>	0
-0.65	c a	0

\\3-grams:
-0.2	<s> a b
-0.3	a b c

\\end\\
"""


def random_lines(seed: int, *, lines: int = 60, words: int = 12, longest: int = 9) -> list[bytes]:
    """Lines of words that follow each other with a preference, some of them empty."""
    draw = np.random.default_rng(seed)
    made = []
    for _ in range(lines):
        word, line = int(draw.integers(words)), []
        for _ in range(int(draw.integers(longest + 1))):
            word = (word * 2 + int(draw.choice([0, 1, 2, 5], p=[0.5, 0.3, 0.1, 0.1]))) % words
            line.append(b"w%d" % word)
        made.append(b" ".join(line))
    return made


def train(order: int, *, seed: int = 0, lines: int = 60, prune: tuple[int, ...] = (0,)) -> NGram:
    text = b"\n".join(random_lines(seed, lines=lines)) + b"\n"
    words, stream = learn_lines(np.frombuffer(text, np.uint8))
    trie = estimate_stream(
        stream,
        vocabulary_size=words.vocabulary_size,
        boundary=Whitespace.boundary,
        smoothing=Smoothing(order, prune),
    )
    return NGram(trie, words)


def queries(seed: int) -> list[bytes]:
    """Lines as of the training text, but others, some with words that it does not have."""
    lines = random_lines(seed + 1000, lines=40, words=14)
    return [*lines, b"", b"nowhere", b"w1 nowhere w2 w3"]
