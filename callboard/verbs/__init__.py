"""The verbs of the engine: one Lua script a verb, beside the Python that calls it.

Each script's header is its contract (KEYS, ARGV with units, what it returns); ``includes/`` has what they share. A verb
touches one queue, so one slot, and leaves every job in exactly one state.
"""
