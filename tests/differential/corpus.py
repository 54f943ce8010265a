"""The archives that random scripts load, and the names and IDs they speak of. All bytes are fixed."""

from __future__ import annotations

import gzip

from tests.support.archives import Image, Item, docker_archive, image, layer

# Every image has a second of its own: Docker lists images of one second in no fixed order.
BASE = image("ADD base", "2023-01-01T01:00:00.5Z", add=layer({"bin/sh": b"#!" * 700, "etc/os": b"base\n"}))
ENV = image("ENV A=1", "2023-01-01T02:00:00.25Z", parent=BASE)
COPY = image("COPY app", "2023-01-01T03:00:00Z", parent=ENV, add=layer({"app": b"app 1\n" * 40}))
APP_1 = image("LABEL tier=web", "2023-01-01T04:00:00Z", parent=COPY, labels={"tier": "web", "v": "1"})
FIX = image("RUN fix", "2023-01-01T05:00:00Z", parent=COPY, add=layer({".wh.app": b"", "fixed": b"fix\n"}))
APP_2 = image("LABEL tier=web", "2023-01-01T06:00:00Z", parent=FIX, labels={"tier": "web", "v": "2"})
TOOL = image("COPY tool", "2023-01-01T07:00:00Z", parent=BASE, add=layer({"tool": bytes(3000)}))
TWICE = image("COPY tool", "2023-01-01T08:00:00Z", parent=TOOL, add=TOOL.layers[-1], labels={"tier": "db"})
OTHER = image("ADD other", "2023-01-01T09:00:00Z", add=layer({"other": b"other\n" * 99}))
LOOSE = image(
    "RUN loose", "2023-01-01T10:00:00Z", parent=OTHER, add=layer({"loose": b"!"}), labels={"tier": ""}
)
BARE = image("LABEL bare=1", "2023-01-01T11:00:00Z", labels={"bare": "1"})

IMAGES: tuple[Image, ...] = (BASE, ENV, COPY, APP_1, FIX, APP_2, TOOL, TWICE, OTHER, LOOSE, BARE)

NAMES = (
    "base:1",
    "app:1",
    "app:2",
    "app",
    "team/app:1",
    "localhost:5000/team/tool:v1",
    "tool",
    "other:x",
    "docker.io/library/base:1",
)
BAD_NAMES = ("App:1", "app:", "a/-b", "app:-1", "sha256:zz", "nosuch", "nosuch:1", "0" * 64, "sha256")


def archives() -> dict[str, bytes]:
    """Return the archives by file name."""
    chain = [
        Item(BASE, ("base:1",)),
        Item(ENV, parent=BASE),
        Item(COPY, parent=ENV),
        Item(APP_1, ("app:1", "app:latest"), COPY),
    ]
    broken = BASE.layers[0][:-1024]
    return {
        "chain.tar": docker_archive(chain),
        "branch.tar": docker_archive(
            # Docker forgets a parent that is in the store alone, Ligan does not: so ENV comes without one.
            [
                Item(ENV),
                Item(COPY, parent=ENV),
                Item(FIX, (), COPY),
                Item(APP_2, ("app:2", "app:latest"), FIX),
            ]
        ),
        "siblings.tar": docker_archive([*chain[:3], Item(APP_1, (), COPY), Item(FIX, (), COPY)]),
        "orphan.tar": docker_archive([Item(APP_2, ("team/app:1", "app:latest"))]),
        "tools.tar": docker_archive(
            [
                Item(TOOL, ("localhost:5000/team/tool:v1", "tool:latest"), BASE),
                Item(TWICE, ("tool:twice",), TOOL),
                Item(BASE, ("base:1", "base:latest")),
            ]
        ),
        "other.tar.gz": gzip.compress(docker_archive([Item(OTHER, ("other:x", "base:1"))]), mtime=0),
        "loose.tar": docker_archive([Item(OTHER, ("other:x",)), Item(LOOSE)]),
        "hidden.tar": docker_archive([Item(LOOSE), Item(OTHER, ("other:x",))]),
        "bare.tar": docker_archive([Item(BARE, ("bare:1",))]),
        "stranger.tar": docker_archive([Item(OTHER, ("other:x",)), Item(TOOL, ("tool:latest",), OTHER)]),
        "short.tar": docker_archive([Item(Image(APP_2.config, APP_2.layers[:-1]), ("app:2",))]),
        "changed.tar": docker_archive([Item(BASE, ("base:1",)), Item(Image(OTHER.config, TOOL.layers[-1:]))]),
        "cut.tar": docker_archive([Item(TOOL, ("tool:latest",))])[:3000],
        "torn.tar": docker_archive([Item(Image(BASE.config, (broken,)), ("base:1",))]),
        "empty.tar": docker_archive([]),
        "junk.tar": b"junk\n",
    }
