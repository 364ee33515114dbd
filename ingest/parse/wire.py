"""What parent and parsing child say to each other over pipes: length-prefixed MessagePack. Starts no process."""

import struct
from collections.abc import Callable
from typing import BinaryIO

import msgspec

from ingest import errors
from ingest.document import Document
from ingest.parse.limits import ParseLimits
from ingest.parse.picture import Order, Picture

HEADER = struct.Struct(">Q")  # length of the message in bytes


class Request(msgspec.Struct, frozen=True):
    """One file to parse, or one page of it to draw."""

    path: str
    name: str
    limits: ParseLimits
    order: Order | None = None


class Reply(msgspec.Struct, frozen=True):
    """What was wanted, or the class and sentence of why there is none. `peak_bytes` is the child's largest memory."""

    document: Document | None = None
    picture: Picture | None = None
    error: str = ""
    message: str = ""
    peak_bytes: int = 0


_ENCODER = msgspec.msgpack.Encoder()
_REPLY = msgspec.msgpack.Decoder(Reply)
_REQUEST = msgspec.msgpack.Decoder(Request)
UNREADABLE = {
    kind.__name__: kind
    for kind in (
        errors.EmptyFile,
        errors.EncryptedDocument,
        errors.NoTextFound,
        errors.WrongType,
        errors.BrokenDocument,
        errors.ParserLimit,
    )
}


def encode(message: Request | Reply) -> bytes:
    """Header and body."""
    body = _ENCODER.encode(message)
    return HEADER.pack(len(body)) + body


def decode_reply(body: bytes | bytearray) -> Reply:
    """Raises msgspec.DecodeError when the body is not of the agreed form."""
    return _REPLY.decode(body)


def read_request(stream: BinaryIO) -> Request | None:
    """The next request, or None when the parent is gone."""
    body = _read(stream.read)
    return None if body is None else _REQUEST.decode(body)


def _read(read: Callable[[int], bytes]) -> bytes | None:
    header = read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    (length,) = HEADER.unpack(header)
    body = read(length)
    return body if len(body) == length else None
