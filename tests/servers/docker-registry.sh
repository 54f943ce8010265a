#!/bin/bash
# Debian's docker-registry (distribution 2.8) on 127.0.0.1:PORT, its data under DIR/data.
# SETTINGS are YAML that is added to its configuration.
# Prints REGISTRY=127.0.0.1:PORT and returns when it answers. Usage: docker-registry.sh DIR PORT [SETTINGS]
set -euo pipefail
dir=$(realpath -m "$1")
port=$2
mkdir -p "$dir/data"
cat >"$dir/config.yml" <<CONFIG
version: 0.1
log: {level: warn}
storage:
  filesystem: {rootdirectory: $dir/data}
  delete: {enabled: true}
http: {addr: "127.0.0.1:$port"}
CONFIG
printf '%s' "${3:-}" >>"$dir/config.yml"
setsid docker-registry serve "$dir/config.yml" >"$dir/registry.log" 2>&1 </dev/null &
server=$!
echo "$server" >"$dir/registry.pid"
for _ in $(seq 600); do
  if curl -s "http://127.0.0.1:$port/v2/" >/dev/null 2>&1; then
    echo "REGISTRY=127.0.0.1:$port"
    exit 0
  fi
  kill -0 "$server" 2>/dev/null || break
  sleep .1
done
tail -5 "$dir/registry.log" >&2
kill "$server" 2>/dev/null
exit 1
