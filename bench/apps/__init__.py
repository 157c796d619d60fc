"""The Python programs that are measured: workers for ``dramatiq MODULE`` and producers for ``python -m MODULE``.

Every producer takes one JSON argument and prints one JSON line; ``peers/bullmq/producer.mjs`` speaks the same.
"""
