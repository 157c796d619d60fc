"""How Callboard reaches Redis: connections (``connect``), scripts (``scripts``) and the calls on them (``store``).

Every client is made with ``retries=0``: redis-py would otherwise send a script again by itself after a lost reply, and
run it twice. Only our own code resends, with the number of the call, so that the second answer is the first one.
"""
