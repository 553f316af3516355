"""The image and the compose file: they fit the service, each other and the monitoring files."""

from __future__ import annotations

import http.server
import json
import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from config.settings.settings import SettingsError, load_settings
from tests.servers import free_port
from tests.unit.deploy.files import (
    CHECKOUT,
    DEFAULTS,
    DEPLOY,
    SETTINGS,
    environment_of,
    image_environment,
    of_the_image,
    passes,
    seconds,
    text_of,
    yaml_of,
)

if TYPE_CHECKING:
    from pathlib import Path

_OF_PYTHON = {"PATH", "PYTHONDONTWRITEBYTECODE"}
_WORD = "t0ken-for-tests-only"


@pytest.fixture(name="compose")
def read_compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml_of("docker/compose.yml")
    return found


@pytest.fixture(name="nodes")
def read_nodes(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the services of the compose file that run the image."""
    image = "work-order-service"
    return {name: each for name, each in compose["services"].items() if each["image"] == image}


def test_the_image_runs_as_nobody_in_particular_and_without_a_shell() -> None:
    (user,) = of_the_image("USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    (command,) = of_the_image("CMD")
    assert json.loads(command) == ["python", "-m", "web"]
    assert of_the_image("ENTRYPOINT") == []
    assert of_the_image("STOPSIGNAL") == ["SIGTERM"]


def test_what_the_image_takes_is_there_and_is_let_through() -> None:
    copied = [each.split()[0] for each in of_the_image("COPY") if "--from" not in each]
    ignored = (CHECKOUT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    assert {"actors", "config", "scripts", "web"} < set(copied)
    for name in copied:
        assert (CHECKOUT / name).exists()
        assert f"!{name}" in ignored
    for lock in re.findall(r"requirements[\w-]*\.lock", text_of("docker/Dockerfile")):
        assert (CHECKOUT / lock).exists()
        assert f"!{lock}" in ignored


def test_packages_are_installed_by_their_hashes() -> None:
    (install,) = re.findall(r"pip install (.+?) &&", " ".join(text_of("docker/Dockerfile").split()))
    assert "--require-hashes" in install
    assert "--only-binary=:all:" in install


def test_the_image_and_the_nodes_set_nothing_that_the_service_does_not_know(
    nodes: dict[str, dict[str, Any]],
) -> None:
    named = set(environment_of("docker/nodes.env.example", commented=True))
    for node in nodes.values():
        named |= set(node["environment"])
    assert named <= SETTINGS
    assert set(image_environment()) <= SETTINGS | _OF_PYTHON


def test_a_node_starts_once_the_tokens_are_in_and_not_before(
    nodes: dict[str, dict[str, Any]],
) -> None:
    shared = environment_of("docker/nodes.env.example")
    number = iter(range(10))
    filled = {
        name: re.sub("REPLACE", lambda _: f"{_WORD}-{next(number)}", value)
        for name, value in shared.items()
    }
    for node in nodes.values():
        assert node["env_file"] == "nodes.env"
        around = {**image_environment(), **node["environment"]}
        with pytest.raises(SettingsError):
            load_settings({**around, **shared})
        settings = load_settings({**around, **filled})
        assert (settings.store_kind, settings.lease_kind) == ("mongodb", "redis")
        assert settings.node_url.lower() in settings.nodes_allowed
        assert {operator for *_, operator in settings.tokens} == {True, False}


def test_nodes_are_where_they_say_and_prometheus_looks_there(
    nodes: dict[str, dict[str, Any]],
) -> None:
    port = int(image_environment()["PORT"])
    assert of_the_image("EXPOSE") == [str(port)]
    assert len(nodes) == 2
    (job,) = yaml_of("prometheus/prometheus.yml")["scrape_configs"]
    (targets,) = job["static_configs"]
    assert targets["targets"] == [f"{name}:{port}" for name in nodes]
    for name, node in nodes.items():
        url = urlsplit(node["environment"]["NODE_URL"])
        assert (url.hostname, url.port) == (name, port)
        assert node["environment"]["NODE_ID"] == name
        assert [each.rpartition(":")[2] for each in node["ports"]] == [str(port)]
    assert len({node["ports"][0] for node in nodes.values()}) == 2


def test_nothing_is_published_beyond_this_machine(compose: dict[str, Any]) -> None:
    published = [each for one in compose["services"].values() for each in one.get("ports", [])]
    assert len(published) == 4
    assert all(each.startswith("127.0.0.1:") for each in published)


def test_a_node_may_drain_before_it_is_killed(nodes: dict[str, dict[str, Any]]) -> None:
    for node in nodes.values():
        assert seconds(node["stop_grace_period"]) > DEFAULTS.shutdown_s
        assert node["ulimits"]["nofile"] > 2 * DEFAULTS.max_connections


def test_what_the_compose_file_mounts_and_waits_for_is_there(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
        for mount in service.get("volumes", []):
            source = mount.partition(":")[0]
            if source.startswith("."):
                assert (DEPLOY / "docker" / source).exists(), source
            else:
                assert source in compose["volumes"]
        assert set(service.get("secrets", [])) <= set(compose["secrets"])
    for name in ("mongo", "redis"):
        assert services[name]["healthcheck"]["test"][0] == "CMD"
    context, file = (services["node-1"]["build"][key] for key in ("context", "dockerfile"))
    assert (DEPLOY / "docker" / context).resolve() == CHECKOUT
    assert (CHECKOUT / file).exists()


def test_secrets_are_files_that_git_and_the_image_leave_out(compose: dict[str, Any]) -> None:
    ignored = (CHECKOUT / ".gitignore").read_text(encoding="utf-8").splitlines()
    for secret in compose["secrets"].values():
        assert secret["file"].startswith("./secrets/")
    assert "config/deploy/docker/secrets/" in ignored
    assert "config/deploy/docker/nodes.env" in ignored
    assert "config/deploy/pm2/service.env" in ignored
    assert "config/deploy" in (CHECKOUT / ".dockerignore").read_text(encoding="utf-8").splitlines()


def test_prometheus_reads_the_rules_under_the_name_that_they_know(tmp_path: Path) -> None:
    config = yaml_of("prometheus/prometheus.yml")
    (job,) = config["scrape_configs"]
    assert f'job="{job["job_name"]}"' in text_of("prometheus/alerts.yml")
    assert seconds(config["global"]["scrape_timeout"]) < seconds(
        config["global"]["scrape_interval"]
    )
    secret = job["authorization"]["credentials_file"]
    compose = yaml_of("docker/compose.yml")
    assert secret.removeprefix("/run/secrets/") in compose["services"]["prometheus"]["secrets"]
    (rules,) = (DEPLOY / "prometheus" / each for each in config["rule_files"])
    assert yaml_of(f"prometheus/{rules.name}")["groups"][0]["rules"]
    passes("promtool", "check", "rules", rules)
    (tmp_path / "token").write_text(_WORD)
    (tmp_path / rules.name).write_bytes(rules.read_bytes())
    copy = tmp_path / "prometheus.yml"
    copy.write_text(text_of("prometheus/prometheus.yml").replace(secret, str(tmp_path / "token")))
    passes("promtool", "check", "config", copy)


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    services = yaml_of("docker/compose.yml")["services"]
    (source,) = yaml_of("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    url = urlsplit(source["url"])
    assert url.hostname in services
    assert services["prometheus"]["ports"][0].endswith(f":{url.port}")
    (provider,) = yaml_of("grafana/provisioning/dashboards/work-orders.yml")["providers"]
    mounted = [each.split(":")[1] for each in services["grafana"]["volumes"]]
    assert f"{provider['options']['path']}/work-orders.json" in mounted


class _Node(http.server.BaseHTTPRequestHandler):
    """Answers `/livez` as a node does, or with the status that its server has."""

    def do_GET(self) -> None:
        self.send_response(self.server.status if self.path == "/livez" else 404)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(("status", "well"), [(200, True), (500, False), (None, False)])
def test_the_health_check_tells_a_node_that_answers_from_one_that_does_not(
    status: int | None, *, well: bool
) -> None:
    (check,) = of_the_image("HEALTHCHECK")
    python, *arguments = json.loads(check.partition("CMD ")[2])
    assert python == "python"
    if status is None:
        assert (_answer_of(arguments, free_port()) == 0) is well
        return
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Node) as server:
        server.status = status  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            assert (_answer_of(arguments, server.server_port) == 0) is well
        finally:
            server.shutdown()
            thread.join()


def _answer_of(arguments: list[str], port: int) -> int:
    """Run the image's health check with the tests' Python, at `port`; give its exit code."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env={"PORT": str(port)},
        capture_output=True,
        check=False,
        timeout=60,
    )
    return done.returncode
