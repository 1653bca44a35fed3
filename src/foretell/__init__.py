"""foretell: one workbench for language models, from n-gram to GPT."""

__version__ = "0.1.0"
