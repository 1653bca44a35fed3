"""The first release: the ladder, its laws, its comparison and its refusals."""
