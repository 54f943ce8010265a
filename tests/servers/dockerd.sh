#!/bin/bash
# A real dockerd of its own under DIR, without a bridge network. Needs root and Debian's docker.io.
# Prints DOCKER_HOST=unix://DIR/docker.sock and returns when it answers. Usage: dockerd.sh DIR
set -euo pipefail
dir=$(realpath -m "$1")
mkdir -p "$dir"
PATH=$PATH:/usr/sbin:/sbin
setsid dockerd --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/dockerd.pid" \
  -H "unix://$dir/docker.sock" --iptables=false --ip6tables=false --bridge=none >"$dir/dockerd.log" 2>&1 </dev/null &
server=$!
for _ in $(seq 600); do
  if curl -fs --unix-socket "$dir/docker.sock" http://docker/_ping >/dev/null 2>&1; then
    echo "DOCKER_HOST=unix://$dir/docker.sock"
    exit 0
  fi
  kill -0 "$server" 2>/dev/null || break
  sleep .1
done
tail -5 "$dir/dockerd.log" >&2
kill "$server" 2>/dev/null
exit 1
