"""One spelling for what reads the same, before anything is counted or compared."""

from __future__ import annotations

import re
import unicodedata

_REMOVED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """Text in Unicode NFC with newlines as LF and without control characters.

    Removed: C0, DEL and C1 controls but newline and tab, and byte order marks anywhere; a form
    feed between two words therefore joins them. Surrogates, which no encoder takes, become
    U+FFFD. clean(clean(text)) == clean(text).

    Does not fold case, trim or squeeze spaces, or normalise compatibility forms (NFKC): full-width
    Chinese punctuation, ligatures and U+2028 stay. Does not repair wrongly decoded text.
    """
    text = _SURROGATE.sub("\ufffd", text)
    # Before NFC and before newlines: what is removed may stand between a letter and its accent,
    # or between CR and LF.
    text = _REMOVED.sub("", text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", text)
