"""The ``callboard`` command: one file a subcommand, and the processes that it starts and watches.

It stands on top of everything: no other part of the engine imports it, and it starts the application (actors, later
the ops API) as processes instead of importing it. ``main`` loads a subcommand only when it is called.

- ``supervisor``, ``tree``, ``tether``, ``signals``: keeping worker processes running
- ``embedded``: the Valkey server of ``callboard up``
"""
