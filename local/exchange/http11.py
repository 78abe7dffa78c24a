"""As much HTTP/1.1 as a REST client needs: whole requests out of a byte buffer, replies with a length, connections kept alive."""

import gzip
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

_LARGEST_HEAD = 16_384
_LARGEST_BODY = 65_536
_WORTH_COMPRESSING = 1_024


class MalformedRequestError(Exception):
    """The bytes are no HTTP request this server takes."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request. Header names are in lower case; of a repeated query parameter the last one counts."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    peer: str
    """The client's IP address."""


@dataclass(frozen=True, kw_only=True)
class Response:
    """A reply; the body is JSON."""

    status: HTTPStatus = HTTPStatus.OK
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)

    def encode(self, request: Request | None) -> bytes:
        """The bytes to send, compressed where the client accepts that and it is worth it."""
        headers, body = dict(self.headers), self.body
        if request and "gzip" in request.headers.get("accept-encoding", "") and len(body) >= _WORTH_COMPRESSING:
            body, headers["Content-Encoding"] = gzip.compress(body, compresslevel=1, mtime=0), "gzip"
        headers |= {"Content-Type": "application/json;charset=UTF-8", "Content-Length": str(len(body))}
        lines = [f"HTTP/1.1 {self.status.value} {self.status.phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + body


def head_size(buffer: bytes | bytearray) -> int:
    """Bytes of the request's head including the blank line; 0 while it is incomplete. Raises MalformedRequestError when it is too long."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0 and len(buffer) > _LARGEST_HEAD:
        raise MalformedRequestError(f"the request's head is longer than {_LARGEST_HEAD} bytes")
    return end + 4 if end >= 0 else 0


def take_request(buffer: bytearray, peer: str) -> Request | None:
    """Remove one whole request from the buffer; `None` while there is none. Raises MalformedRequestError."""
    if not (size := head_size(buffer)):
        return None
    line, *fields = buffer[: size - 4].decode("utf-8", "replace").split("\r\n")
    try:
        method, target, _ = line.split(" ")
        headers = {name.strip().lower(): value.strip() for name, value in (entry.split(":", 1) for entry in fields)}
        length = int(headers.get("content-length", "0"))
    except ValueError as error:
        raise MalformedRequestError(f"not an HTTP request: {line[:100]!r}") from error
    if not 0 <= length <= _LARGEST_BODY or "transfer-encoding" in headers:
        raise MalformedRequestError(f"a body must have a Content-Length of at most {_LARGEST_BODY} bytes")
    if len(buffer) < size + length:
        return None
    body = bytes(buffer[size : size + length])
    del buffer[: size + length]
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Request(method=method, path=unquote(parts.path), query=query, headers=headers, body=body, peer=peer)
