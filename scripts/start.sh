#!/usr/bin/env bash
# Set up what is missing and run one node in the foreground.
set -euo pipefail

usage() {
    cat <<'EOF'
Usage: scripts/start.sh [--demo | --set-up]

Runs one node of the work-order service in the foreground; Ctrl-C or SIGTERM lets it finish
what is queued and end. The first run creates .venv and installs the locked packages.

  --demo   first put twenty demo orders into the store, and say what to try with them; the console
           may pause, resume and retry, unless CONSOLE_WRITE=0
  --set-up only make .venv and install the locked packages: for those whose nodes pm2 or systemd
           starts, before the first start and after each upgrade
  --help   show this

Settings are environment variables, all optional; docs/settings.md lists them. Most used:
  HOST=localhost  PORT=3001  MONGODB_URI (else SQLite)  REDIS_URL or REDIS_HOST (else a file
  lease)  DATA_DIR=data (relative to the checkout)  LOG_FORMAT=json|console
  OTEL_EXPORTER_OTLP_ENDPOINT (else no spans): the packages for OpenTelemetry are installed, too
  ACTOR_ENGINE=ray (else one process): those for Ray are; scripts/ray-head.sh starts a cluster
  PYTHON=python3 is the Python that .venv is made with, 3.11 or newer.

Standard output carries the service's log, one JSON object a line, and nothing else.
EOF
}

demo='' only_set_up=''
while [ $# -gt 0 ]; do
    case "$1" in
        --demo) demo=yes ;;
        --set-up) only_set_up=yes ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/venv.sh
. scripts/venv.sh
lock=requirements.lock
if [ -n "${OTEL_EXPORTER_OTLP_ENDPOINT:-}" ]; then
    lock=requirements-otel.lock
fi
if [ "${ACTOR_ENGINE:-}" = ray ]; then
    lock=requirements-ray.lock
fi
ensure_venv "$lock"
if [ -n "$only_set_up" ]; then
    exit 0
fi

say_what_to_try() {
    local host=${HOST:-127.0.0.1} order=000000000000000000000001 base api
    case "$host" in
        0.0.0.0) host=127.0.0.1 ;;
        ::) host='[::1]' ;;
        *:*) host="[$host]" ;;
    esac
    base="http://$host:${PORT:-3001}"
    api="$base/api/workorder"
    cat >&2 <<EOF

What to try next, in another terminal:

  curl -X POST $api/update-quantity -H 'Content-Type: application/json' -d '{"workOrderId": "$order", "type": "input", "quantity": 1}'
  curl $api/quantity-logs/$order

and in a browser, while you send some: $base/console

EOF
}

if [ -n "$demo" ]; then
    .venv/bin/python -m scripts.import_orders --demo >&2
    say_what_to_try
    export CONSOLE_WRITE="${CONSOLE_WRITE-1}"
fi
# In place of this shell, so that signals reach the node.
exec .venv/bin/python -m web
