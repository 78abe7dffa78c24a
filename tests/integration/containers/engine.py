"""The Docker engine, where there is one, and parts of temporal-compose.yml run on it."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from testcontainers.compose import DockerCompose

ROOT = Path(__file__).parents[3]


def _problem() -> str:
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        try:
            asked = subprocess.run(command, check=False, capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"`{' '.join(command)}`: {error}"
        if asked.returncode:
            return f"`{' '.join(command)}`: {asked.stderr.strip().splitlines()[0]}"
    return ""


_found = _problem()

docker_marks = [
    pytest.mark.docker,
    pytest.mark.skipif(bool(_found), reason=f"no Docker engine with compose: {_found}"),
    pytest.mark.timeout(900),  # the first start pulls the images
]


@contextmanager
def services_of_compose(
    folder: Path, environment: Mapping[str, str], services: Sequence[str], profiles: Sequence[str] = (), *, wait: bool = True
) -> Iterator[None]:
    """Run these services of temporal-compose.yml, and those they depend on, in a project of their own; nothing is left afterwards."""
    env_file = folder / "env"
    project = {"COMPOSE_PROJECT_NAME": f"test-{uuid4().hex[:12]}"}
    env_file.write_text("".join(f"{name}={value}\n" for name, value in {**environment, **project}.items()))

    def compose(chosen: Sequence[str]) -> DockerCompose:
        return DockerCompose(
            ROOT, "temporal-compose.yml", wait=wait, env_file=str(env_file), services=list(chosen), profiles=list(profiles)
        )

    try:
        compose(services).start()
        yield
    finally:
        compose([]).stop()
