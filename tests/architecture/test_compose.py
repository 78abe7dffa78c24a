"""temporal-compose.yml is a compose file, keeps to itself, and says everything that must be set."""

import json
import re
from importlib import resources
from typing import Any

import jsonschema
import pytest
import yaml

from adapters.settings import Settings
from local import temporal_server
from workflows.ids import SEARCH_ATTRIBUTES

from .repository import COMPOSE_FILE, ROOT, compose, documented_variables

SERVICES: dict[str, dict[str, Any]] = compose()["services"]
VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z][A-Z0-9_]*)(:?[-?][^}]*)?\}")
BUILT = [name for name, service in SERVICES.items() if "build" in service]
STEPS = {"temporal-schema", "temporal-initialise", "migrate", "supabase-check"}


def _texts(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [text for value in node.values() for text in _texts(value)]
    if isinstance(node, list):
        return [text for value in node for text in _texts(value)]
    return [node] if isinstance(node, str) else []


def _variables(node: Any) -> list[tuple[str, str]]:
    return [(match[1], match[2] or "") for text in _texts(node) for match in VARIABLE.finditer(text)]


def test_the_file_is_valid_by_the_compose_specification() -> None:
    schema = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"

    jsonschema.validate(compose(), json.loads(schema.read_text()))


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_built_here_or_pinned_to_a_version(name: str) -> None:
    service = SERVICES[name]

    assert name in BUILT or re.fullmatch(r"[a-z0-9./-]+:v?\d+\.\d+[\w.-]*", service["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_a_published_port_is_on_this_machine_only(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert port.startswith("127.0.0.1:")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_limited_restarted_and_cannot_gain_privileges(name: str) -> None:
    service = SERVICES[name]

    assert {"cpus", "memory"} == set(service["deploy"]["resources"]["limits"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    if name == "supabase-check":
        assert "restart" not in service
    else:
        assert ("on-failure:5" if name in STEPS else "unless-stopped") == service["restart"]
    assert name in STEPS or name == "temporal-ui" or "healthcheck" in service


@pytest.mark.parametrize("name", BUILT)
def test_our_containers_write_nothing_and_have_no_capabilities(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


def test_a_service_waits_only_for_services_that_are_there_and_can_meet_the_condition() -> None:
    for name, service in SERVICES.items():
        for awaited, how in service.get("depends_on", {}).items():
            assert awaited in SERVICES, f"{name} waits for {awaited}"
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[awaited], f"{name} waits for the health of {awaited}"
            else:
                assert awaited in STEPS, f"{name} waits for the end of {awaited}"


def test_a_service_outside_a_profile_does_not_need_one_inside() -> None:
    for name, service in SERVICES.items():
        for awaited, how in service.get("depends_on", {}).items():
            same_profile = SERVICES[awaited].get("profiles", []) in ([], service.get("profiles", []))
            assert same_profile or how.get("required") is False, f"{name} cannot start without the profile of {awaited}"


def test_every_volume_and_mounted_file_is_there() -> None:
    used = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    named = {volume for volume in used if not volume.startswith("./")}

    assert set(compose()["volumes"]) == named
    assert [path for path in used if path.startswith("./") and not (ROOT / path).is_file()] == []


def test_every_variable_is_described_in_the_example() -> None:
    assert set() == {name for name, _ in _variables(SERVICES)} - set(documented_variables())


def test_no_secret_has_a_default() -> None:
    secrets = [(name, rest) for name, rest in _variables(SERVICES) if re.search("PASSWORD|SECRET|TOKEN|KEY", name)]

    assert {name for name, _ in secrets} >= {"TEMPORAL_POSTGRES_PASSWORD", "CLOUDTRADER_FEEDER_TOKEN"}
    assert [(name, rest) for name, rest in secrets if not rest.startswith(":?") and rest != ":-"] == []


def test_a_secret_without_a_demand_is_one_that_the_check_of_its_profile_demands() -> None:
    undemanded = {name for name, rest in _variables(SERVICES) if re.search("PASSWORD|SECRET", name) and rest == ":-"}

    check = SERVICES["supabase-check"]
    assert undemanded == set(check["environment"])
    assert [name for name in undemanded if name not in check["command"][-1]] == []


@pytest.mark.parametrize("name", BUILT)
def test_our_processes_are_given_only_settings_that_there_are(name: str) -> None:
    known = {f"CLOUDTRADER_{field.upper()}" for field in Settings.model_fields}

    assert set() == {key for key in SERVICES[name].get("environment", {}) if key.startswith("CLOUDTRADER_")} - known


def test_the_search_attributes_made_are_those_of_the_workflows() -> None:
    script = (ROOT / "ops/temporal/initialise.sh").read_text()
    keywords = re.search(r'^KEYWORDS="([^"]*)"', script, re.MULTILINE)

    assert keywords is not None
    assert [key.name for key in SEARCH_ATTRIBUTES] == keywords[1].split()
    assert {"KEYWORD"} == {key.indexed_value_type.name for key in SEARCH_ATTRIBUTES}


def test_compose_and_one_machine_tune_temporal_alike() -> None:
    config = yaml.safe_load((ROOT / "ops/temporal/dynamic-config.yaml").read_text())
    here = {key: yaml.safe_load(value) for key, value in (setting.split("=") for setting in temporal_server.DYNAMIC_CONFIG)}

    assert here == {key: config[key][0]["value"] for key in here}
    retention = re.search(r"^RETENTION=(\d+)h", (ROOT / "ops/temporal/initialise.sh").read_text(), re.MULTILINE)
    assert retention is not None
    assert temporal_server.RETENTION.total_seconds() == int(retention[1]) * 3600


def test_prometheus_scrapes_services_that_are_there() -> None:
    scraped = yaml.safe_load((ROOT / "ops/prometheus/prometheus.yml").read_text())["scrape_configs"]
    hosts = {target.split(":")[0] for job in scraped for static in job.get("static_configs", []) for target in static["targets"]}
    hosts |= {name for job in scraped for dns in job.get("dns_sd_configs", []) for name in dns["names"]}

    assert {"feeder", "second-feeder", "workers", "temporal"} == hosts & set(SERVICES) == hosts


def test_prometheus_scrapes_our_services_at_the_ports_they_are_given() -> None:
    scraped = yaml.safe_load((ROOT / "ops/prometheus/prometheus.yml").read_text())["scrape_configs"]
    targets = {tuple(target.split(":")) for job in scraped for static in job.get("static_configs", []) for target in static["targets"]}
    targets |= {(name, str(dns["port"])) for job in scraped for dns in job.get("dns_sd_configs", []) for name in dns["names"]}

    given = {
        (name, value)
        for name in BUILT
        for variable, value in SERVICES[name].get("environment", {}).items()
        if variable in ("CLOUDTRADER_METRICS_PORT", "CLOUDTRADER_TEMPORAL_METRICS_PORT")
    }
    assert given == {(host, port) for host, port in targets if host in BUILT}


def test_the_compose_file_starts_with_what_to_read() -> None:
    assert "docs/containers.md" in COMPOSE_FILE.read_text().splitlines()[0]
