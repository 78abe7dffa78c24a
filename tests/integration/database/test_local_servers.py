"""The local PostgreSQL and Supabase API as processes: they end with us, leave nothing behind, and recover from kill -9."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from local import postgres, supabase_lite
from local.foreground import StartError, identity
from tests.integration.servers import PostgresServer, folder_for_postgres, free_port

ROOT = Path(__file__).parents[3]
WITHIN_SECONDS = 20


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + WITHIN_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def start(data: Path, port: int) -> subprocess.Popen[bytes]:
    wrapper = subprocess.Popen([sys.executable, "-m", "local.postgres", "--data", str(data), "--port", str(port)], cwd=ROOT)
    assert eventually(lambda: (data / "cluster").exists() and postgres.is_ready(postgres.url(data, port)))
    return wrapper


def servers_on(data: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(data / "cluster")]


@pytest.fixture(scope="module")
def made_before() -> Iterator[Path]:
    """A cluster that has never been started; making one takes longer than copying it."""
    with folder_for_postgres() as folder:
        postgres.prepare(folder)
        yield folder


@pytest.fixture
def data(made_before: Path) -> Iterator[Path]:
    with folder_for_postgres() as folder:
        subprocess.run(["cp", "-a", str(made_before), str(folder)], check=True, timeout=WITHIN_SECONDS)
        yield folder
        for process in servers_on(folder):
            process.kill()


@pytest.mark.parametrize("received", [signal.SIGTERM, signal.SIGINT])
def test_postgres_stops_when_asked_and_leaves_nothing(data: Path, received: signal.Signals) -> None:
    wrapper = start(data, port := free_port())
    connection = psycopg.connect(postgres.url(data, port))  # a client does not delay a fast shutdown
    wrapper.send_signal(received)

    assert wrapper.wait(WITHIN_SECONDS) == 0
    assert servers_on(data) == []
    assert not (data / "cluster" / "postmaster.pid").exists()
    connection.close()


def test_postgres_ends_with_its_wrapper_even_when_that_is_killed(data: Path) -> None:
    wrapper = start(data, free_port())
    wrapper.kill()
    wrapper.wait()

    assert eventually(lambda: servers_on(data) == [])


def test_the_wrapper_ends_with_its_server(data: Path) -> None:
    wrapper = start(data, free_port())
    (postmaster,) = [process for process in servers_on(data) if process.ppid() == wrapper.pid]
    postmaster.kill()

    assert wrapper.wait(WITHIN_SECONDS) != 0


def test_the_wrapper_ends_with_its_parent(data: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "local.postgres", "--data", str(data), "--port", str(port)]
    script = f"import subprocess, time; subprocess.Popen({command!r}); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    assert eventually(lambda: (data / "cluster").exists() and postgres.is_ready(postgres.url(data, port)))
    parent.kill()
    parent.wait()

    assert eventually(lambda: servers_on(data) == [])


def test_after_kill_9_of_the_server_nothing_committed_is_lost(data: Path) -> None:
    wrapper = start(data, port := free_port())
    with psycopg.connect(postgres.url(data, port)) as connection:
        connection.execute("create table kept as select 42 as answer")
        connection.commit()
        (postmaster,) = [process for process in servers_on(data) if process.ppid() == wrapper.pid]
        postmaster.kill()
    wrapper.wait(WITHIN_SECONDS)
    assert (data / "cluster" / "postmaster.pid").exists()

    with postgres.running(data, port) as url, psycopg.connect(url) as connection:
        assert connection.execute("select answer from kept").fetchone() == (42,)


def test_an_orphaned_server_is_stopped_before_the_next_starts(data: Path) -> None:
    start(data, port := free_port()).terminate()
    assert eventually(lambda: servers_on(data) == [])
    cluster, user = data / "cluster", postgres.prepare(data)
    orphan = subprocess.Popen(
        [str(postgres.binaries() / "postgres"), "-D", str(cluster), "-p", str(free_port()), "-c", "unix_socket_directories="],
        cwd=cluster,
        **identity(user),
    )
    assert eventually((cluster / "postmaster.pid").exists)

    with postgres.running(data, port):
        assert orphan.wait(WITHIN_SECONDS) == 0


def test_a_stale_lock_file_with_the_number_of_a_living_process_is_no_obstacle(data: Path) -> None:
    start(data, port := free_port()).terminate()
    assert eventually(lambda: servers_on(data) == [])
    (data / "cluster" / "postmaster.pid").write_text(f"{os.getpid()}\n{data / 'cluster'}\n1\n{port}\n\n127.0.0.1\n0 0\nready\n")

    with postgres.running(data, port) as url:
        assert postgres.is_ready(url)


def test_an_interrupted_first_start_is_begun_anew() -> None:
    with folder_for_postgres() as data:
        (data / "cluster.new" / "half").mkdir(parents=True)

        with postgres.running(data, free_port()) as url:
            assert postgres.is_ready(url)


def test_a_second_wrapper_on_the_same_folder_says_who_has_it(data: Path) -> None:
    with postgres.running(data, port := free_port()) as url:
        command = [sys.executable, "-m", "local.postgres", "--data", str(data), "--port", str(free_port())]
        second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_SECONDS, check=False)

        assert second.returncode == 1
        assert f"{data} is in use by process" in second.stderr
        assert postgres.is_ready(url)
        taken = subprocess.run(
            [*command[:-3], str(data.with_name("other")), "--port", str(port)],
            cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_SECONDS, check=False,
        )  # fmt: skip
        assert f"Port {port} of 127.0.0.1 is in use" in taken.stderr


def test_postgres_wants_the_password_and_syncs_to_disk(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("select current_setting('fsync'), current_setting('listen_addresses')").fetchone() == ("on", "127.0.0.1")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(psycopg.conninfo.make_conninfo(postgres_url, password="postgres"))


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    return postgres.url("postgres")


def test_secrets_are_made_once_and_kept_from_others(tmp_path: Path) -> None:
    first, second = supabase_lite.keys(tmp_path), supabase_lite.keys(tmp_path)

    assert first == second
    assert first != supabase_lite.keys(tmp_path / "other")
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["keys.json"]


def test_the_api_leaves_no_secret_where_others_can_read(migrated: str, tmp_path: Path) -> None:
    with supabase_lite.running(tmp_path, free_port(), migrated):
        secrets = [supabase_lite.keys(tmp_path).secret, migrated.split(":")[2].split("@", maxsplit=1)[0]]
        readable = [file for file in tmp_path.rglob("*") if file.is_file() and file.stat().st_mode & 0o077]

        assert [file.name for file in readable if any(secret in file.read_text() for secret in secrets)] == []


def test_the_api_ends_with_its_wrapper(migrated: str, tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "local.supabase_lite", "--state", str(tmp_path), "--port", str(port), "--database-url", migrated]
    wrapper = subprocess.Popen(command, cwd=ROOT)
    assert eventually(lambda: supabase_lite.is_ready(port))
    (server,) = psutil.Process(wrapper.pid).children()
    wrapper.kill()
    wrapper.wait()

    assert eventually(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)
    assert not supabase_lite.is_ready(port)


def test_preparing_a_database_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="Preparing the Auth tables failed"):
        supabase_lite.bootstrap_local(tmp_path, f"postgresql://postgres:x@127.0.0.1:{free_port()}/postgres")
