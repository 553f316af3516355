#!/usr/bin/env bash
# Run one more machine of a Ray cluster for ACTOR_ENGINE=ray in the foreground.
set -euo pipefail
# shellcheck source=scripts/ray-common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/ray-common.sh"

usage() {
    cat <<'EOF'
Usage: scripts/ray-node.sh HEAD:PORT

Adds this machine to the Ray cluster whose head scripts/ray-head.sh runs: it takes shards, and front
doors can run beside it. Ctrl-C or SIGTERM ends it. Environment: as for scripts/ray-head.sh, which
says more; RAY_NODE_IP has to be set, and the token copied from the head's machine.
EOF
}

case "${1:-}" in
    -h | --help) usage; exit 0 ;;
    *:*) ;;
    *) usage >&2; exit 2 ;;
esac

enter_checkout
[ -s "$token_file" ] || die "no token in $token_file: copy it from the machine of the head"
exec .venv/bin/ray start --address "$1" "${machine[@]}"
