#!/usr/bin/env bash
# Run every check: the same here and in CI.
set -euo pipefail

usage() {
    cat <<'EOF'
Usage: scripts/test.sh [--fast] [--coverage] [pytest arguments]

Lint, format, types and import rules, of Python and JavaScript, and beside them all tests; after
them those on Ray, in .venv-ray, unless Ray can't be had, which is said. Runs every check and fails
when one did. The first run creates .venv, installs the locked packages and fetches MongoDB and Redis
for the tests, unless mongod and redis-server are on PATH. Node and npm have to be there. Where
Chromium is not on PATH, root gets it by apt-get; others are told how to.

  --fast      the tests only
  --coverage  measure branch coverage, too, of the nodes that tests start as well; full runs fail
              below the floor. Takes about three times as long.
  --help      show this

Arguments are handed to pytest; full runs, those without any, take four processes side by side.
  scripts/test.sh --fast tests/unit -k mailbox

PYTHON=python3 is the Python that .venv is made with, 3.11 or newer.
EOF
}

fast=
coverage=()
while [ $# -gt 0 ]; do
    case "$1" in
        -h | --help) usage; exit 0 ;;
        --fast) fast=yes; shift ;;
        --coverage) coverage=(--cov); shift ;;
        *) break ;;
    esac
done

# Hundreds of processes start from the same sources, which are compiled once for all of them.
unset PYTHONDONTWRITEBYTECODE

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/venv.sh
. scripts/venv.sh
ensure_venv requirements-dev.lock
bin=$PWD/.venv/bin

failed=()
# check NAME COMMAND...: go on after a failure, so that one run shows them all.
check() {
    local name=$1
    shift
    say "== $name"
    "$@" || failed+=("$name")
}

# The checks that run nothing, beside the tests, which wait for nodes and servers much of the time.
static_checks() {
    check "ruff check" "$bin/python" -m ruff check .
    check "ruff format" "$bin/python" -m ruff format --check .
    check "mypy" "$bin/python" -m mypy
    check "import rules" "$bin/python" "$bin/lint-imports"
    check "javascript" scripts/js/check.sh
    [ ${#failed[@]} -eq 0 ] || say "failed:$(printf ' [%s]' "${failed[@]}")"
    [ ${#failed[@]} -eq 0 ]
}

if [ -z "$fast" ]; then
    static_output=$(mktemp)
    static_checks >"$static_output" 2>&1 &
    static=$!
    trap 'kill "$static" 2>/dev/null || true; rm -f "$static_output"' EXIT
fi
without=
if [ $# -eq 0 ]; then
    # Beside the download: else each of the processes compiles all tests by itself.
    "$bin/python" -m pytest --collect-only --quiet >/dev/null 2>&1 &
    compiled=$!
fi
# Before the tests, whose time limits are not made for downloads.
check "servers for tests" "$bin/python" -m tests.servers --fetch
if [ $# -eq 0 ]; then
    # What is wrong with them is said when they run.
    wait "$compiled" || true
    # Beside the tests, which are not to wait for a download.
    scripts/ray-test.sh --set-up &
    ray=$!
    # Four processes for two cores: much of the time the tests wait for nodes and servers.
    check "pytest" "$bin/python" -m pytest "${coverage[@]}" --numprocesses 4 --dist worksteal
    if wait "$ray"; then
        # By itself: a cluster of three machines is as much as two cores bear.
        check "pytest on Ray" scripts/ray-test.sh
    else
        without="; those on Ray SKIPPED, as said above"
    fi
else
    [ ${#coverage[@]} -eq 0 ] || coverage+=(--cov-fail-under=0)
    check "pytest" "$bin/python" -m pytest "${coverage[@]}" "$@"
fi

if [ -z "$fast" ]; then
    wait "$static" || failed+=("static checks")
    cat "$static_output"
fi

if [ ${#failed[@]} -gt 0 ]; then
    say "failed:$(printf ' [%s]' "${failed[@]}")"
    exit 1
fi
say "all checks passed$without"
