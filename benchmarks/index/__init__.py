"""The claims about n-grams and the index, one bar a file."""
