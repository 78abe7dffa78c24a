"""Looking at a process from outside, over real sockets."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from local.supervisor import health
from local.supervisor.health import HttpHealth, PostgresHealth, look


@asynccontextmanager
async def answering(answer: bytes | None):
    """A server that says this to everybody; with None it takes the call and says nothing. Gives its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if answer is not None:
            writer.write(answer)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_success_is_healthy():
    async with answering(b"HTTP/1.1 204 No Content\r\n\r\n") as port:
        assert await look(HttpHealth(url=f"http://127.0.0.1:{port}/")) is None


async def test_an_error_is_an_answer_with_its_text():
    async with answering(b"HTTP/1.1 503 Unavailable\r\nContent-Length: 14\r\n\r\nno market data") as port:
        problem = await look(HttpHealth(url=f"http://127.0.0.1:{port}/"))

    assert (problem.text, problem.answered) == ("HTTP 503: no market data", True)


@pytest.mark.parametrize("check", [HttpHealth(url="http://127.0.0.1:1/"), PostgresHealth(database_url="postgresql://127.0.0.1:1/x")])
async def test_nobody_there_is_no_answer(check):
    problem = await look(check)

    assert "refused" in problem.text or "connection" in problem.text.lower()
    assert not problem.answered


@pytest.mark.parametrize("kind", ["http", "postgres"])
async def test_a_server_that_hangs_is_no_answer(kind, monkeypatch):
    monkeypatch.setattr(health, "CHECK_WITHIN", timedelta(milliseconds=300))
    async with answering(None) as port:
        http = HttpHealth(url=f"http://127.0.0.1:{port}/")
        problem = await look(http if kind == "http" else PostgresHealth(database_url=f"postgresql://127.0.0.1:{port}/x"))

    assert problem is not None
    assert not problem.answered
