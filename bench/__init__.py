"""Side-by-side benchmarks: stock Dramatiq, BullMQ and Callboard on one Redis, in one run (``bin/bench``).

One file a measurement; its docstring is its method and is printed in docs/benchmarks.md. ``systems`` says how each
system is started, ``apps`` and ``peers`` hold the programs that are started, ``plan`` the sizes.
"""
