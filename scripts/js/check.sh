#!/usr/bin/env bash
# Check all JavaScript: syntax, lint and format, types.
set -euo pipefail

usage() {
    cat <<'EOF'
Usage: scripts/js/check.sh [--write]

node --check, Biome (lint, format, order of imports) and TypeScript (types, from JSDoc) over the
console, the client for Node, the tests of both and what else there is. Needs Node 18 or newer with npm; the first run,
and the first after a change of package-lock.json, installs what is locked there from npm's registry
into node_modules beside this script.

  --write  let Biome mend what it can, before the checks
  --help   show this
EOF
}

write=
case "${1:-}" in
    '') ;;
    --write) write=yes ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac

for tool in node npm; do
    if ! command -v "$tool" >/dev/null; then
        printf '%s\n' "scripts/js/check.sh: $tool is not on PATH: install Node 18 or newer with npm (on Debian and Ubuntu: apt install nodejs npm; elsewhere from nodejs.org)" >&2
        exit 1
    fi
done

cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
# Written last: a set-up that was broken off is done again.
if ! cmp -s package-lock.json node_modules/installed-lock.json; then
    npm ci --ignore-scripts --no-audit --no-fund >&2
    cp package-lock.json node_modules/installed-lock.json
fi
bin=$PWD/node_modules/.bin
config=$PWD/lint.json
cd ../..
places=(config/deploy scripts/bench scripts/js tests/clients tests/console web/clients web/console)

if [ -n "$write" ]; then
    "$bin/biome" check --write --config-path="$config" "${places[@]}" || true
fi
status=0
find "${places[@]}" \( -name node_modules -prune \) -o \( -name '*.js' -o -name '*.mjs' \) -print0 |
    xargs -0 -n 1 node --check || status=1
"$bin/biome" ci --colors=off --config-path="$config" "${places[@]}" || status=1
"$bin/tsc" --pretty false --project scripts/js || status=1
exit "$status"
