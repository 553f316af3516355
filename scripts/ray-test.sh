#!/usr/bin/env bash
# Run the tests that need Ray, in an environment of their own.
set -euo pipefail

usage() {
    cat <<'USAGE'
Usage: scripts/ray-test.sh [--set-up] [pytest arguments]

Makes .venv-ray, which has the packages of .venv and, of its own, those of requirements-ray.lock that
are not there, and runs the tests marked `ray` in it: a cluster of three machines on this one, real
MongoDB and Redis. Where Ray can't be had, as no wheel is made for this Python or none can be fetched,
it says so on one line and ends with status 0.

  --set-up    make .venv-ray, and no more; status 1 where Ray can't be had

  scripts/ray-test.sh --durations=5
  .venv-ray/bin/python -m scripts.ray_chaos --kills 5 --freezes 2 --blindings 1
USAGE
}

only=
case "${1:-}" in
    -h | --help) usage; exit 0 ;;
    --set-up) only=yes; shift ;;
esac

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/venv.sh
. scripts/venv.sh
ensure_venv requirements-dev.lock
venv=.venv-ray
lock=requirements-ray.lock

skip() {
    say "SKIPPED: no tests on Ray: $*"
    [ -z "$only" ]
    exit
}

set_up() {
    rm -f -- "$venv"/*.lock
    .venv/bin/python -m venv --clear "$venv"
    # What is pinned in both locks has the same version: it is taken from there.
    .venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
        >"$(echo "$venv"/lib/python3.*/site-packages)/checks.pth"
    "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check \
        --only-binary=:all: --require-hashes --requirement "$lock" >&2 || return
    cp -- requirements-dev.lock "$lock" "$venv/"
}

if ! cmp -s -- requirements-dev.lock "$venv/requirements-dev.lock" ||
    ! cmp -s -- "$lock" "$venv/$lock"; then
    set_up || skip "$lock can't be installed: pip says why above"
fi
"$venv/bin/python" -c 'import ray' 2>/dev/null ||
    skip "there is none for $("$venv/bin/python" --version)"
[ -z "$only" ] || exit 0
"$venv/bin/python" -m tests.servers --fetch
"$venv/bin/python" -m pytest -m ray "$@" tests/ray
