#!/usr/bin/env bash
# Regenerate the requirements locks from pyproject.toml.
set -euo pipefail

usage() {
    cat <<'EOF'
Usage: scripts/lock.sh [uv pip compile options]

Writes requirements.lock (run time), requirements-otel.lock (run time and OpenTelemetry),
requirements-ray.lock (those and Ray) and requirements-dev.lock (run time, OpenTelemetry, tests and
checks) from the lists in pyproject.toml: every version pinned, with hashes, naming no index.
Versions already in the locks are kept where they still fit.

  scripts/lock.sh                           after a change of the lists
  scripts/lock.sh --upgrade                 take the newest versions that fit
  scripts/lock.sh --upgrade-package redis   take the newest version of one package

Uses uv from PATH, otherwise one installed for this run alone. Python: $PYTHON or python3.
EOF
}

case "${1:-}" in
    -h | --help) usage; exit 0 ;;
esac

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
uv=$(command -v uv || true)
if [ -z "$uv" ]; then
    "${PYTHON:-python3}" -m venv "$scratch/venv"
    "$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --only-binary=:all: uv==0.13.9
    uv=$scratch/venv/bin/uv
fi

# compile LOCK [options]: universal, so that one lock serves every Python and platform we run on.
compile() {
    local lock=$1
    shift
    "$uv" pip compile pyproject.toml --quiet --universal --python-version 3.11 \
        --generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links \
        --custom-compile-command scripts/lock.sh --output-file "$lock" "$@" >/dev/null
}

compile requirements.lock "$@"
# Constrained by the first: what is tested is what runs.
compile requirements-otel.lock --extra otel --constraint requirements.lock "$@"
compile requirements-dev.lock --extra otel --group dev --constraint requirements.lock "$@"
# Constrained by the last: its tests need both.
compile requirements-ray.lock --extra otel --extra ray --constraint requirements-dev.lock "$@"

if grep -nE '://|^--' requirements*.lock; then
    echo "scripts/lock.sh: the lines above name an address or an index; locks must not" >&2
    exit 1
fi
