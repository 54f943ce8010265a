#!/bin/bash
# Ends what a script of this folder started in DIR, by process ID, and unmounts what is left below DIR.
# Usage: stop.sh DIR
set -u
dir=$(realpath -m "$1")
for file in "$dir"/*.pid; do
  [ -f "$file" ] || continue
  pid=$(head -1 "$file")
  kill "$pid" 2>/dev/null || continue
  for _ in $(seq 300); do
    kill -0 "$pid" 2>/dev/null || break
    sleep .1
  done
done
# Deepest first: a mount point below another mount must go before it.
awk -v dir="$dir/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r point; do
  umount -l "$(printf '%b' "$point")"
done
