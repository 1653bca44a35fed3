"""Networks that read whole texts, where looking ahead is allowed, and what is put on top of them.

    words -> encoder -> a vector a word -> head -> labels, tags, spans

An encoder is recurrent and learns from nothing (`recurrent`), or a pretrained language model of
which low-rank parts learn (`pretrained`). Any head goes with any encoder; `learner` teaches both.
"""
