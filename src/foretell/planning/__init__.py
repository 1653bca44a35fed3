"""Floor 4: what training a model would take, before anything is trained.

`shapes` says what a network's sizes are and how many parameters they make; `published` holds the
sizes that papers give; `resources` turns a shape into compute and memory, `hardware` says what
devices there are, and `plan` brings them together: a sharding that fits, days and energy.
"""
