#!/usr/bin/env bash
# Run the tests that need Ray, in an environment of their own.
set -euo pipefail

usage() {
    cat <<'EOF'
Usage: scripts/ray-test.sh [pytest arguments]

Installs the packages of the checks and Ray (requirements-dev.lock, requirements-ray.lock) into
.venv-ray, and runs the tests marked `ray` there: a cluster of three machines on this one, real
MongoDB and Redis. scripts/test.sh runs without Ray, skips these and says so.

  scripts/ray-test.sh --durations=5
EOF
}

case "${1:-}" in
    -h | --help) usage; exit 0 ;;
esac

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
venv=.venv-ray
for lock in requirements-dev.lock requirements-ray.lock; do
    if ! cmp -s -- "$lock" "$venv/$lock"; then
        [ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
        "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check \
            --only-binary=:all: --require-hashes --requirement "$lock" >&2
        cp -- "$lock" "$venv/"
    fi
done
"$venv/bin/python" -m tests.servers --fetch
# Ray's sockets need a short path, and files of its own.
RAY_TMPDIR=$(mktemp -d /tmp/ray-test-XXXXXX)
export RAY_TMPDIR
trap 'rm -rf -- "$RAY_TMPDIR"' EXIT
"$venv/bin/python" -m pytest -m ray "$@" tests/ray
