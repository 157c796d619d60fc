"""What Prometheus is told. ``families.py`` and what is beside it count a worker's own work; ``exported.py`` and
what is beside that read the state of the queues from Redis. Who serves which is up to the settings.
"""
