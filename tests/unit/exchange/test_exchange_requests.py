"""HTTP requests out of a byte stream."""

import pytest

from local.exchange.http11 import MalformedRequestError, Response, take_request

GET = b"GET /api/v3/klines?symbol=%E5%B8%81USDT&limit=2 HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n"


def test_a_request_that_arrives_in_pieces_is_taken_once_it_is_whole():
    buffer = bytearray(GET[:30])
    early = take_request(buffer, "127.0.0.1")
    buffer += GET[30:]
    request = take_request(buffer, "127.0.0.1")

    assert early is None
    assert request.query == {"symbol": "币USDT", "limit": "2"}
    assert bytes(buffer) == b""


def test_requests_that_arrive_together_are_taken_one_by_one():
    buffer = bytearray(b"POST /control/speed HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello" + GET)
    first, second, third = (take_request(buffer, "127.0.0.1") for _ in range(3))

    assert (first.body, second.path, third) == (b"hello", "/api/v3/klines", None)


@pytest.mark.parametrize(
    "bytes_received",
    [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"x" * 20_000],
)
def test_what_is_no_request_is_refused(bytes_received):
    with pytest.raises(MalformedRequestError):
        take_request(bytearray(bytes_received), "127.0.0.1")


def test_only_a_long_reply_to_a_client_that_asks_is_compressed():
    asking = take_request(bytearray(GET), "127.0.0.1")
    plain = take_request(bytearray(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "127.0.0.1")
    long = Response(body=b"[" + b"1," * 5_000 + b"1]")

    assert [
        b"Content-Encoding: gzip" in reply for reply in (long.encode(asking), long.encode(plain), Response(body=b"{}").encode(asking))
    ] == [True, False, False]
