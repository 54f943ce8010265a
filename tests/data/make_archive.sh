#!/bin/bash
# Makes the archive beside this script: tests/data/make_archive.sh [OUTPUT]
# Needs root, docker and a dockerd of engine 20.10. The image IDs differ each time:
# they depend on the time of the build.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
output=$(realpath -m "${1:-$here/alpine-chain.tar.gz}")
work=$(mktemp -d)
trap '"$here/../servers/stop.sh" "$work/engine"; rm -rf "$work"' EXIT

eval "export $("$here/../servers/dockerd.sh" "$work/engine")"
export DOCKER_BUILDKIT=0 # the classic builder: the one that makes parent links
xz -dc "$here/../golden/data/base_images.tar.xz" | docker load --quiet

mkdir "$work/context"
cd "$work/context"
printf '#!/bin/sh\nexec wc -w "${1:-/srv/notes/README}"\n' >count-words
seq 1 400 | sed 's/.*/note &: sunk on purpose, tied to a buoy/' >notes.txt

# 1.0 and 2.0 share the base and the first three steps.
cat >shared <<'F'
FROM alpine:latest
ENV NOTES=/srv/notes
RUN mkdir -p /srv/notes && cp /etc/alpine-release /srv/notes/README && ln -s README /srv/notes/index
COPY notes.txt /srv/notes/notes.txt
F
cat shared - >Dockerfile.1 <<'F'
LABEL version=1.0
CMD ["cat", "/srv/notes/README"]
F
cat shared - >Dockerfile.2 <<'F'
COPY count-words /usr/local/bin/count-words
RUN chmod 755 /usr/local/bin/count-words && rm /srv/notes/index && echo 2.0 >/srv/notes/README
LABEL version=2.0
CMD ["count-words"]
F
docker build --quiet --network none -f Dockerfile.1 -t notes:1.0 .
docker tag notes:1.0 archive/notes:first
docker build --quiet --network none -f Dockerfile.2 -t notes:2.0 .

# docker writes `Parent` links only between images of one archive, so the
# intermediate images are named too, by ID.
intermediates() {
  local image
  image=$(docker image inspect -f '{{.Parent}}' "$1")
  while [ "$image" != "$base" ]; do
    echo "$image"
    image=$(docker image inspect -f '{{.Parent}}' "$image")
  done
}
base=$(docker image inspect -f '{{.Id}}' alpine:latest)
mapfile -t untagged < <({ intermediates notes:1.0; intermediates notes:2.0; } | sort -u)
docker save alpine:latest notes:1.0 archive/notes:first notes:2.0 "${untagged[@]}" | gzip -9n >"$output"
docker images --all --no-trunc
docker version --format 'client {{.Client.Version}}, engine {{.Server.Version}}'
