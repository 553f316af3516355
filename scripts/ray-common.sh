# Sourced by ray-head.sh and ray-node.sh: enter_checkout, token_file, and the options of a machine.
# shellcheck shell=bash

# enter_checkout: what both start with; the shards' processes inherit this environment.
enter_checkout() {
    cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
    # shellcheck source=scripts/venv.sh
    . scripts/venv.sh
    ensure_venv requirements-ray.lock
    export PYTHONPATH=$PWD RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=token
    # Else Ray takes the first interface's address for the loopback's.
    export RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0
    token_file=${RAY_AUTH_TOKEN_PATH:-$HOME/.ray/auth_token}
    # shellcheck disable=SC2034  # used by those that source this
    machine=(
        --block --disable-usage-stats --num-cpus 0
        --node-ip-address "${RAY_NODE_IP:-127.0.0.1}"
        --resources "{\"shard\": ${RAY_SHARD_ROOM:-16}}"
        # Nothing of ours goes through it: as small as it may be.
        --object-store-memory 78643200
        --node-manager-port 6391 --object-manager-port 6392
        --runtime-env-agent-port 6393 --metrics-export-port 6394
        --dashboard-agent-listen-port 6395 --dashboard-agent-grpc-port 6396
        --min-worker-port 6400 --max-worker-port 6463
    )
}
