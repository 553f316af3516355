"""The systemd unit and pm2's ecosystem file: they start what there is, and let it finish."""

from __future__ import annotations

import getpass
import re
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from config.settings.settings import load_settings
from tests.unit.deploy.files import (
    CHECKOUT,
    DEFAULTS,
    DEPLOY,
    SETTINGS,
    apps,
    environment_of,
    passes,
    seconds,
    text_of,
    unit,
    unit_environment,
)

if TYPE_CHECKING:
    from pathlib import Path

_UNIT = "work-order-service@.service"
_HARDENED = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "CapabilityBoundingSet": "",
}


def test_the_examples_name_nothing_that_the_service_does_not_know() -> None:
    assert set(environment_of("service.env.example", commented=True)) <= SETTINGS
    assert set(unit_environment()) <= SETTINGS | {"PYTHONDONTWRITEBYTECODE"}
    for app in apps():
        assert set(app["env"]) <= SETTINGS


def test_the_example_is_one_that_a_node_starts_with() -> None:
    # As it stands for the loopback, and uncommented for several machines.
    settings = load_settings(environment_of("service.env.example"))
    assert (settings.store_kind, settings.lease_kind) == ("mongodb", "redis")
    everything = environment_of("service.env.example", commented=True)
    for name, number in (("API_TOKENS", 1), ("OPERATOR_TOKENS", 2), ("CLUSTER_SECRET", 3)):
        first, *others = everything[name].split("REPLACE")
        tokens = (f"a-token-for-tests-{number}{index}" for index in range(9))
        everything[name] = first + "".join(f"{next(tokens)}{each}" for each in others)
    settings = load_settings(everything)
    assert settings.nodes_allowed == ("http://10.0.0.*:3001",)


def test_the_unit_is_hardened_and_runs_as_a_user_of_its_own() -> None:
    found = unit()
    assert found["User"] == found["Group"] == ["work-orders"]
    for key, value in _HARDENED.items():
        assert found[key] == [value], key
    # The only place that it may write is where its data is.
    (state,) = found["StateDirectory"]
    assert unit_environment()["DATA_DIR"] == f"/var/lib/{state}"
    assert "ReadWritePaths" not in found


def test_the_unit_lets_a_node_finish_and_starts_it_again_unless_its_settings_are_wrong() -> None:
    found = unit()
    assert seconds(found["TimeoutStopSec"][0]) > DEFAULTS.shutdown_s
    assert (found["KillMode"], found["KillSignal"]) == (["mixed"], ["SIGTERM"])
    assert (found["Restart"], found["RestartPreventExitStatus"]) == (["always"], ["2"])
    assert int(found["LimitNOFILE"][0]) > 2 * DEFAULTS.max_connections
    assert unit_environment()["PORT"] == "%i"


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    (command,) = unit()["ExecStart"]
    python, *arguments = command.split()
    (folder,) = unit()["WorkingDirectory"]
    assert python == f"{folder}/.venv/bin/python"
    assert arguments == ["-m", "web"]
    # A copy that starts what this machine has: there need be no /opt/… and no such user here.
    text = text_of(f"systemd/{_UNIT}").replace(python, f'"{sys.executable}"')
    text = text.replace(folder, str(tmp_path)).replace("=work-orders\n", f"={getpass.getuser()}\n")
    copy = tmp_path / _UNIT.replace("@", "@3001")
    copy.write_text(text)
    passes("systemd-analyze", "verify", copy)


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("work-order-ray-head.service", "ray-head.sh"),
        ("work-order-ray-node@.service", "ray-node.sh %i"),
    ],
)
def test_systemd_finds_nothing_wrong_with_the_units_of_ray(
    name: str, script: str, tmp_path: Path
) -> None:
    text = text_of(f"systemd/{name}")
    assert f"ExecStart=/opt/work-order-service/scripts/{script}\n" in text
    front_door = text_of("systemd/work-order-ray.conf")
    for shared in ("RAY_TMPDIR", "RAY_AUTH_TOKEN_PATH"):
        (setting,) = re.findall(rf"^Environment={shared}=.*$", text, re.MULTILINE)
        assert f"{setting}\n" in front_door
    # By another name, as a checkout's own may have spaces.
    (tmp_path / "scripts").symlink_to(CHECKOUT / "scripts")
    text = text.replace("/opt/work-order-service", str(tmp_path))
    copy = tmp_path / name.replace("@", "@head")
    copy.write_text(text.replace("=work-orders\n", f"={getpass.getuser()}\n"))
    passes("systemd-analyze", "verify", copy)


def test_pm2_runs_two_nodes_that_do_not_get_into_each_others_way() -> None:
    first, second = apps()
    for key in ("PORT", "NODE_ID"):
        assert first["env"][key] != second["env"][key]
    assert first["name"] != second["name"]
    assert first["env"]["DATA_DIR"] == second["env"]["DATA_DIR"]
    assert first["env"]["PORT"] == str(DEFAULTS.port)
    for app in (first, second):
        assert load_settings(app["env"]).node_id == app["name"]


def test_pm2_starts_the_node_itself_and_lets_it_finish() -> None:
    for app in apps():
        assert app["cwd"] == str(CHECKOUT)
        assert app["script"] == str(CHECKOUT / ".venv/bin/python")
        assert (app["args"], app["interpreter"]) == (["-m", "web"], "none")
        assert (app["exec_mode"], app["instances"], app["treekill"]) == ("fork", 1, False)
        assert app["kill_timeout"] > 1000 * DEFAULTS.shutdown_s
        assert app["stop_exit_codes"] == [2]
        assert app["autorestart"]
        assert app["exp_backoff_restart_delay"] > 0
        assert app["max_memory_restart"] == "1G"


def test_pm2_hands_on_the_settings_of_the_file_beside_it(tmp_path: Path) -> None:
    apps(tmp_path)  # without that file
    shutil.copy(DEPLOY / "service.env.example", tmp_path / "config/deploy/pm2/service.env")
    for app in apps(tmp_path):
        given = environment_of("service.env.example")
        assert given.items() <= app["env"].items()
        assert app["env"]["MONGODB_URI"].endswith("/factory?replicaSet=rs0")
        assert "API_TOKENS" not in app["env"]
