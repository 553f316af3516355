"""Readers of the files in `config/deploy`, and what the service itself says of its settings."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped] # it comes without types

from config.settings.settings import Settings, environment_fields

CHECKOUT: Final = Path(__file__).parents[3]
DEPLOY: Final = CHECKOUT / "config" / "deploy"
SETTINGS: Final = frozenset(environment_fields())
DEFAULTS: Final = Settings()
SECONDS: Final = {"s": 1, "m": 60, "h": 3600}


def text_of(name: str) -> str:
    """Read a file of `config/deploy`."""
    return (DEPLOY / name).read_text(encoding="utf-8")


def yaml_of(name: str) -> Any:  # noqa: ANN401 -- YAML
    """Read a file of `config/deploy` as YAML."""
    return yaml.safe_load(text_of(name))


def environment_of(name: str, *, commented: bool = False) -> dict[str, str]:
    """Read NAME=value lines, with `commented` those too that begin with `#NAME=`."""
    marks = "#?" if commented else ""
    return dict(re.findall(rf"^{marks}([A-Z_]+)=(.*)$", text_of(name), re.MULTILINE))


def instructions() -> list[tuple[str, str]]:
    """Read the Dockerfile: (instruction, arguments), comments out and continued lines joined."""
    text = re.sub(r"^#.*\n", "", text_of("docker/Dockerfile"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [
        (word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines) if word
    ]


def of_the_image(instruction: str) -> list[str]:
    """Return what one kind of instruction says in the last stage, which is the image."""
    found = instructions()
    start = max(index for index, (word, _) in enumerate(found) if word == "FROM")
    return [rest for word, rest in found[start:] if word == instruction]


def image_environment() -> dict[str, str]:
    """Return the environment that the image sets."""
    pairs = (word.partition("=") for rest in of_the_image("ENV") for word in shlex.split(rest))
    return {name: value for name, _, value in pairs}


def unit() -> dict[str, list[str]]:
    """Read the systemd unit: the values of each key, in their order."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(
        r"^(\w+)=(.*)$", text_of("systemd/work-order-service@.service"), re.MULTILINE
    ):
        found.setdefault(key, []).append(value)
    return found


def unit_environment() -> dict[str, str]:
    """Return the environment that the unit sets."""
    pairs = (value.partition("=") for value in unit()["Environment"])
    return {name: value for name, _, value in pairs}


def apps(folder: Path | None = None) -> list[dict[str, Any]]:
    """Have Node load the ecosystem file, as pm2 does; with `folder`, a copy in that checkout."""
    file = DEPLOY / "pm2" / "ecosystem.config.js"
    if folder is not None:
        copy = folder / "config" / "deploy" / "pm2" / file.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        file = Path(shutil.copy(file, copy))
    script = f"process.stdout.write(JSON.stringify(require({json.dumps(str(file))})))"
    loaded = subprocess.run(
        ["node", "-e", script],  # noqa: S607 -- where it is depends on the machine
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: list[dict[str, Any]] = json.loads(loaded.stdout)["apps"]
    return found


def seconds(text: str) -> float:
    """Read a span such as `40s`, `1h` or `40`."""
    match = re.fullmatch(r"(\d+)([smh]?)", text)
    assert match is not None, text
    return int(match[1]) * SECONDS.get(match[2], 1)


def passes(*command: str | Path) -> None:
    """Run a checker, where this machine has it; what it says is in the failure."""
    if shutil.which(str(command[0])) is None:
        return
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
