"""What examples and answers look like, and how they are read."""
