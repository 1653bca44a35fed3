"""Floor 4: what a text shares with the training data, found in an index before any training.

`indexed` is an index with its tokenizer, text in and text out; `trace` finds the passages of a
text that stand in the training data; `contamination` judges a test set by what it shares.
"""
