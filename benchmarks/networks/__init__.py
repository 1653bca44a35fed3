"""Bars of the networks: how they learn, from how much text, and how fast they read and write."""
