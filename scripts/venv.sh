# Sourced by start.sh and test.sh, from the root of the checkout: ensure_venv LOCK.
# shellcheck shell=bash

say() { printf '%s\n' "$*" >&2; }

die() {
    say "${0##*/}: $*"
    exit 1
}

# ensure_venv LOCK: make .venv hold exactly what LOCK pins, doing nothing where it already does.
# A copy of each lock whose packages are installed lies in .venv, written last: a set-up that was
# broken off is done again. Says what it does on standard error; standard output is the caller's.
ensure_venv() {
    local lock=$1
    if _venv_holds "$lock"; then
        return
    fi
    # Two nodes may be started at once in a fresh checkout.
    if command -v flock >/dev/null; then
        exec 9<requirements.lock
        flock 9
    fi
    _venv_holds "$lock" || _set_up_venv "$lock"
    exec 9<&-
}

_venv_holds() {
    cmp -s -- "$1" ".venv/$1" && .venv/bin/python -c '' 2>/dev/null
}

_set_up_venv() {
    local lock=$1
    rm -f .venv/requirements*.lock
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        _make_venv
    fi
    say "installing the packages of $lock into .venv (only after a change of it)"
    # Wheels only: a source would be built with the newest of whatever builds it.
    .venv/bin/python -m pip install --quiet --no-input --disable-pip-version-check \
        --only-binary=:all: --require-hashes --requirement "$lock" >&2 ||
        die "could not install $lock: pip says why above"
    # Each holds all that those before it do, at the same versions: requirements.lock,
    # requirements-otel.lock, then requirements-ray.lock or requirements-dev.lock.
    cp -- requirements.lock .venv/
    if [ "$lock" != requirements.lock ]; then
        cp -- requirements-otel.lock .venv/
    fi
    cp -- "$lock" .venv/
}

_make_venv() {
    local python=${PYTHON:-python3}
    command -v -- "$python" >/dev/null ||
        die "$python not found: install Python 3.11 or newer, or name one in PYTHON"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        die "$python is $("$python" --version 2>&1): Python 3.11 or newer is needed; name one in PYTHON"
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        die "$python lacks venv or ensurepip: install them (on Debian and Ubuntu: apt install python3-venv)"
    say "creating .venv with $("$python" --version 2>&1)"
    "$python" -m venv --clear .venv >&2 || die "could not create .venv: see above"
}
