#!/usr/bin/env bash
# Run the head of a Ray cluster for ACTOR_ENGINE=ray in the foreground.
set -euo pipefail
# shellcheck source=scripts/ray-common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/ray-common.sh"

usage() {
    cat <<'EOF'
Usage: scripts/ray-head.sh

Runs the head of the Ray cluster that keeps the shards' processes (ACTOR_ENGINE=ray), and takes
shards itself; scripts/ray-node.sh adds further machines. Ctrl-C or SIGTERM ends it. Whoever reaches
a port of Ray's and has the token can run code here: a private network and a firewall are a must.

Environment, besides the service's own settings, which the shards' processes read here:
  RAY_NODE_IP=127.0.0.1    address of this machine; any other than the loopback's opens all ports
                           below on all interfaces
  RAY_PORT=6390            the head's; 6391 to 6396 and 6400 to 6463 are used on every machine
  RAY_SHARD_ROOM=16        processes that this machine takes: those of a machine that is lost, too
  RAY_REDIS_ADDRESS        host:port of a Redis that keeps what the head knows. Without it all
                           shards end with the head, and start anew with it
  RAY_AUTH_TOKEN_PATH      file of the token, the same on all machines; ~/.ray/auth_token if unset,
                           and made where it is missing
EOF
}

case "${1:-}" in
    -h | --help) usage; exit 0 ;;
    ?*) usage >&2; exit 2 ;;
esac

enter_checkout
if [ ! -s "$token_file" ]; then
    mkdir -p -- "$(dirname -- "$token_file")"
    (umask 077 && .venv/bin/python -c 'import secrets; print(secrets.token_hex(32), end="")' >"$token_file")
    say "made a token in $token_file: copy it to all machines"
fi
if [ -z "${RAY_REDIS_ADDRESS:-}" ]; then
    say "RAY_REDIS_ADDRESS is not set: all shards end when this process does"
fi
# A machine that does not answer is given up after 4 s; a busy one may be, too, which the epochs make safe.
export RAY_health_check_initial_delay_ms=1000 RAY_health_check_period_ms=1000
export RAY_health_check_timeout_ms=1000 RAY_health_check_failure_threshold=3
exec .venv/bin/ray start --head --port "${RAY_PORT:-6390}" --include-dashboard false "${machine[@]}"
