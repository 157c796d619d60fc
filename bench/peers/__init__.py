"""The peers that do not come with Python's packages: BullMQ, from npm, at exact versions."""
