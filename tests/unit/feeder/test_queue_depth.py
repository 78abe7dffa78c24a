"""What waits for a client is counted in messages and bytes, until it is sent or the client is cut."""

from feeder.broadcast import Client


def test_messages_that_wait_are_counted_until_they_are_taken() -> None:
    client = Client(b"hello", iter(()), queue_limit=100)
    client.offer(b"candles")
    assert (2, 12) == (client.waiting_messages, client.waiting_bytes)

    client.take()
    assert (1, 7) == (client.waiting_messages, client.waiting_bytes)


def test_nothing_waits_for_a_client_that_was_cut() -> None:
    client = Client(b"hello", iter(()), queue_limit=10)

    assert client.offer(b"more than it may have waiting") is False
    assert 0 == client.waiting_messages
