"""Messages as bytes in Redis.

The payload holds what never changes: actor, arguments, options and time, with empty parts left out. The queue is in the
key and the id is the field's name, so neither is repeated. Dramatiq's global encoder is used, so a deployment that set
one (``dramatiq.set_encoder``) keeps it.
"""

from __future__ import annotations

from json import JSONDecoder
from json import JSONEncoder as StandardEncoder
from typing import Any

from dramatiq.encoder import JSONEncoder
from dramatiq.message import Message, get_encoder

from callboard.errors import PayloadInvalid

#: Decodes without looking for white space around, which our own encoding never has.
_raw_decode = JSONDecoder().raw_decode

#: As Dramatiq's encoder writes, but for NaN and Infinity, which JSON (RFC 8259, 6) does not have.
_encode = StandardEncoder(separators=(",", ":"), allow_nan=False).encode

#: How deep a payload's objects and lists may lie in one another. Readers in other languages, and the libraries that
#: check and show payloads, have limits of their own, the lowest at 128.
MAX_DEPTH = 100

#: What decode_payload gives: actor, args, kwargs, options, timestamp (ms).
Parts = tuple[str, tuple[Any, ...], dict[str, Any], dict[str, Any], int]


def encode_payload(
    actor: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any], timestamp: int
) -> bytes:
    """The stored form of a message.

    Raises: PayloadInvalid when the encoder cannot take the arguments, or they are more than ``MAX_DEPTH`` deep.
    """
    body: dict[str, Any] = {"a": actor, "t": timestamp}
    if args:
        body["p"] = args
    if kwargs:
        body["k"] = kwargs
    if options:
        body["o"] = options
    try:
        encoder = get_encoder()
        if type(encoder) is not JSONEncoder:
            return encoder.encode(body)
        encoded = _encode(body).encode()
    except Exception as error:
        # An encoder of the application's own raises what it likes: pickle an AttributeError, for one.
        raise PayloadInvalid(f"the payload for {actor!r} cannot be stored: {error}") from error
    # Few payloads have so many brackets, so that few are walked through.
    if encoded.count(b"{") + encoded.count(b"[") > MAX_DEPTH and _is_deeper((args, kwargs, options), MAX_DEPTH + 1):
        raise PayloadInvalid(f"the payload for {actor!r} is more than {MAX_DEPTH} levels deep")
    return encoded


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether ``value`` has more than ``levels`` levels of objects and lists."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return False
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in value)


def decode_payload(data: bytes, overlay: bytes = b"") -> Parts:
    """The parts of a stored message; ``overlay`` are options that an attempt changed.

    Raises: ValueError when the bytes are not a stored message.
    """
    try:
        encoder = get_encoder()
        body = _raw_decode(data.decode())[0] if type(encoder) is JSONEncoder else encoder.decode(data)
        actor, kwargs = body["a"], body.get("k", {})
        options: Any = encoder.decode(overlay) if overlay else body.get("o", {})
        if not (isinstance(actor, str) and isinstance(kwargs, dict) and isinstance(options, dict)):
            raise TypeError("it is not of the shape that is written here")
        return actor, tuple(body.get("p", ())), kwargs, options, int(body["t"])
    except Exception as error:
        raise ValueError(f"the stored message cannot be decoded: {error}") from error


def to_message(queue: str, job_id: str, parts: Parts) -> Message[Any]:
    """Dramatiq's message of a stored job."""
    actor, args, kwargs, options, timestamp = parts
    return Message(
        queue_name=queue, actor_name=actor, args=args, kwargs=kwargs, options=options, message_id=job_id,
        message_timestamp=timestamp,
    )  # fmt: skip
