"""What can go wrong, in words a user can act on.

Every ForetellError is one line: what is wrong and what to do instead. The command line prints
it and ends with exit code 2. A bug in foretell is any other exception, and keeps its traceback.
"""

from __future__ import annotations


class ForetellError(Exception):
    """What the user gave cannot be used; the message says why and what to do."""


class TextError(ForetellError):
    """The text cannot be read, decoded or split as asked."""


class DamagedModel(ForetellError):
    """A model folder is incomplete, altered or not a model; the message names the file."""


class OutputExists(ForetellError):
    """Something else already stands, or is being written, where the output should go."""


class Diverged(ForetellError):
    """The loss of a run is no number, or far above what it has been."""


class ContextExceeded(ForetellError):
    """A state was asked to hold more tokens than the model's `context`.

    What to do then is a policy, not a model's choice: `evaluation.windows` slides,
    `decoding.generate` slides.
    """


class Incomparable(ForetellError):
    """Two numbers whose signatures differ where they must agree."""


class MissingExtra(ForetellError):
    """An optional part of foretell is not installed; the message is the pip command."""
