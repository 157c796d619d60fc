"""MessagePack as Redis' Lua speaks it: strings without the later ``bin`` type, read back as bytes."""

from __future__ import annotations

from typing import Any

import msgpack


def pack(value: Any) -> bytes:
    """``value`` (lists, dicts, numbers, text, bytes) for ``cmsgpack.unpack``."""
    packed: bytes = msgpack.packb(value, use_bin_type=False)
    return packed


def unpack(packed: bytes) -> Any:
    """What ``cmsgpack.pack`` made; text comes as bytes."""
    return msgpack.unpackb(packed, raw=True)


def unpack_text(packed: bytes) -> Any:
    """What :func:`pack` made of text alone; text comes as str."""
    return msgpack.unpackb(packed)
