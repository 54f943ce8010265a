"""Records what a real dockerd 20.10 makes of COPY and ADD: python -m tests.data.make_copies, as root."""

from __future__ import annotations

import bz2
import gzip
import http.client
import io
import json
import lzma
import re
import socket
import tarfile
import tempfile
from typing import Any

from tests.support import dockerd
from tests.support.copies import RECORDED, Member, file, folder, hard, link, listed, null_device, tar_of

BASE: list[Member] = [
    ("bin", folder()),
    ("bin/box", file("box", mode=0o755)),
    ("bin/sh", link("/bin/box")),
    ("etc", folder()),
    ("etc/group", file("root:x:0:\nwheel:x:61234:\n")),
    ("etc/mtab", link("../proc/mounts")),
    ("etc/passwd", file("root:x:0:0:root:/root:/bin/sh\nann:x:61000:61234::/:/bin/sh\n")),
    ("run", folder()),
    ("tmp", folder(0o1777)),
    ("var", folder()),
    ("var/run", link("/run")),
    ("w", folder(0o750)),
    ("w/capable", file("c", pax_headers={"SCHILY.xattr.security.capability": "\x01\0\0\x02" + "\0" * 16})),
    ("w/dangling", link("none")),
    ("w/f", file("f", mode=0o4711)),
    ("w/h", hard("w/f", mode=0o4711)),
    ("w/l", link("f")),
    ("w/null", null_device()),
]
BASE = [(name, {"uid": 61000, "gid": 61234} | fields) for name, fields in BASE]

XATTR = {"SCHILY.xattr.user.b": "c"}

FILES: list[Member] = [
    ("a", file("aaa")),
    ("d", folder(0o750)),
    ("d/dangling", link("nowhere")),
    ("d/f", file("f")),
    ("d/fifo", {"type": "6", "mode": 0o600}),
    ("d/h", hard("d/f")),
    ("d/l", link("f")),
    ("d/null", null_device()),
    ("d/out", link("/../../etc/passwd")),
    ("d/shared", folder(0o2775)),
    ("d/shared/q", file("q")),
    ("d/suid", file("y", mode=0o4711)),
    ("empty", folder(0o700)),
    ("imp/licit", file("z")),
    ("lf", link("a")),
    ("ln", link("d")),
    ("loop", link("loop")),
    ("null", null_device()),
    ("r", folder()),
    ("r/passwd", folder()),
    ("r/passwd/x", file("x")),
    ("root/etc", folder(0o700)),
    ("root/etc/x", file("x")),
    ("root/var", folder()),
    ("root/var/run", folder()),
    ("root/var/run/y", file("y")),
    ("sgid", file("x", mode=0o2755)),
    ("sgid-locked", file("x", mode=0o2644)),
    ("suid", file("x", mode=0o4755)),
    ("etc", file("e")),
]

ARCHIVE: list[Any] = [
    ["a", file("aaa")],
    ["d", folder(0o750)],
    ["d/f", file("f", mode=0o4755)],
    ["d/l", link("f")],
    ["d/h", hard("d/f", mode=0o4755)],
    ["imp/x", file("x")],
    ["../up", file("u")],
    ["/abs", file("b")],
    ["etc/passwd", folder(0o711)],
    ["etc/passwd/x", file("1")],
    ["var/run/y", file("y")],
]

COPIES = [
    *[f"COPY {names} /" for names in ("a", "lf", "suid sgid sgid-locked", "etc", "empty", "root", "d/../a")],
    *[
        f"COPY {names} /n/"
        for names in ("a lf ln", "a d imp", ".", "imp", "d/[f-l]", "s*", "*/licit", "null")
    ],
    *[f"COPY {names} /x/y/z" for names in ("a", "d", "--chown=5:6 a", "--chown=5:6 d", "empty")],
    *[
        f"COPY a {path}"
        for path in (
            "/etc",
            "/var/run/n",
            "/etc/mtab",
            "/bin/sh",
            "/var/../tmp/",
            "rel",
            "./rel/",
        )
    ],
    *[f"COPY --chown={owner} a /" for owner in ("ann", "ann:wheel", "ann:5", "nobody", "5", "5:", "a:b:c")],
    *[f"COPY {names} /" for names in ("nope", "a/b", "../a", "loop", "d/dangling", "z*", "[", "d/*")],
    *["COPY a suid /x", "COPY s* /x", "COPY r /etc", "COPY r /etc/passwd", "COPY a /etc/passwd/"],
    *["COPY a /etc/passwd/x", "ADD a /n", "ADD d /n"],
    *[
        f"COPY --from=base:1 {names} /n/"
        for names in ("w", "w/f w/h", "w/l", "bin", ".", "etc/mtab", "w/null")
    ],
    *[f"COPY --from=base:1 {names} /n" for names in ("w/capable", "--chown=5:6 w", "nope", "../x", "n*")],
]

PACKED: dict[str, bytes] = {
    "t.tar": tar_of(ARCHIVE),
    "t.tgz": gzip.compress(tar_of(ARCHIVE), mtime=0),
    "t.bz2": bz2.compress(tar_of(ARCHIVE)),
    "t.xz": lzma.compress(tar_of(ARCHIVE)),
    "text.gz": gzip.compress(b"hello" * 100, mtime=0),
    "cut.tgz": gzip.compress(tar_of(ARCHIVE), mtime=0)[:-20],
    "cut.tar": tar_of(ARCHIVE)[:800],
    "zeros": bytes(1024),
    "nothing": b"",
    "out.tar": tar_of([("l", link("/../../etc")), ("l/x", file("x"))]),
}
ADDS = [
    *[f"ADD {name} /n/" for name in PACKED],
    *["ADD t.tar /", "ADD t.tar /n", "ADD --chown=5:6 t.tar text.gz /n/", "COPY t.tar /n/"],
]

HOSTILE: list[tuple[list[Member], list[str]]] = [
    ([("a", file("1")), ("a", file("22"))], ["a", ".", "*"]),
    ([("a", folder()), ("a/x", file("1")), ("a", file("22"))], ["a", "."]),
    ([("a", file("1")), ("a", folder(0o711)), ("a/x", file("22"))], ["a", "."]),
    ([("a", folder(0o700)), ("a/x", file("1")), ("a", folder(0o711)), ("a/x", file("2"))], ["a", "."]),
    (
        [
            ("../../a", file("1")),
            ("b/../c", file("2")),
            ("./e", file("3")),
            ("/f", file("4")),
            ("x//y", file("5")),
        ],
        ["a", "c", "b", "e", "f", "x", "."],
    ),
    ([("d", folder()), ("l", link("d")), ("l/x", file("1"))], ["l/x", "d", "l", "."]),
    ([("d", folder()), ("l", link("/../d")), ("l/x", file("1"))], ["l/x", "."]),
    ([("l", link("/etc")), ("l/passwd", file("1"))], ["."]),
    ([("l", link("/etc")), ("l/y/passwd", file("1"))], ["."]),
    ([("l", link("/etc/passwd"))], ["l", "."]),
    ([("a", file("1")), ("a/b", file("2"))], ["."]),
    ([("a", file("1")), ("a/b/c", file("2"))], ["."]),
    ([("a", hard("b"))], ["."]),
    ([("b", folder()), ("a", hard("b"))], ["."]),
    ([("a", file("1")), ("a", hard("a"))], ["."]),
    ([("a", hard("../../etc/passwd"))], ["."]),
    ([("a", file("1")), ("b", hard("a")), ("c", hard("b", mode=0o700))], ["a", "b", "."]),
    ([("a", file("1")), ("s", link("a")), ("c", hard("s"))], ["c", "."]),
    ([(".", folder(0o700)), ("a", file("1"))], [".", "a"]),
    ([("/", folder(0o700)), (".", file("x"))], ["."]),
    ([("a", {"type": "V"})], ["."]),
    ([("x" * 200 + "/" + "y" * 200, file("1"))], [".", "x" * 200]),
    ([("x" * 256, file("1"))], ["."]),
    ([("\u00fc\u20ac/\u00e9", file("1")), ("\udcff", file("3"))], ["."]),
    ([("a", link(""))], ["."]),
    ([("a", link("b")), ("b", link("a")), ("a/x", file("1"))], ["."]),
    (
        [("a", file("1", uid=5000000)), ("b", file("2", pax_headers=XATTR))],
        ["a", "b", "."],
    ),
]


def _contexts() -> list[tuple[list[Member], str]]:
    packed = [(name, {"hex": data.hex()}) for name, data in PACKED.items()]
    return [
        *[(FILES, copy) for copy in COPIES],
        *[(packed, copy) for copy in ADDS],
        *[(members, f"COPY {path} /n/") for members, paths in HOSTILE for path in paths],
    ]


def _record(path: str) -> list[Any]:
    """Return the base, the contexts, and the cases: a context's number, an instruction and its answer."""
    base = tar_of([("Dockerfile", file("FROM scratch\nADD base.tar /\n")), ("base.tar", {"tar": BASE})])
    _post(path, base, "t=base:1")
    contexts: list[list[Member]] = []
    cases = []
    for members, copy in _contexts():
        if members not in contexts:
            contexts.append(members)
        dockerfile = ("Dockerfile", file(f"FROM base:1\n{copy}\n"))
        answer = _answer(path, tar_of([*members, dockerfile]))
        cases.append({"context": contexts.index(members), "copy": copy, "answer": answer})
    return [BASE, contexts, cases]


def _answer(path: str, context: bytes) -> dict[str, Any]:
    said = _post(path, context, "nocache=1")
    if isinstance(said, str):
        return {"error": said}
    messages = [json.loads(line) for line in said.splitlines() if line.strip()]
    for message in messages:
        if "error" in message:
            return {"error": re.sub(r"/\S*?/(merged|diff)/", "/", message["error"])}
    image = next(message["aux"]["ID"] for message in reversed(messages) if "aux" in message)
    top = json.loads(_ask(path, "GET", f"/images/{image}/history"))[0]
    found = re.search(r"#\(nop\) \w+ (.*) in ", top["CreatedBy"])
    assert found is not None
    with tarfile.open(fileobj=io.BytesIO(_ask(path, "GET", f"/images/{image}/get"))) as saved:
        manifest = json.load(saved.extractfile("manifest.json") or io.BytesIO())[0]
        config = json.load(saved.extractfile(manifest["Config"]) or io.BytesIO())
        layer = (saved.extractfile(manifest["Layers"][-1]) or io.BytesIO()).read()
    members = [] if config["history"][-1].get("empty_layer") else listed(layer)
    return {"sum": found[1], "size": top["Size"], "members": members}


def _post(path: str, context: bytes, query: str) -> bytes | str:
    """Return the stream of a build, or the message of its refusal."""
    connection = http.client.HTTPConnection("docker")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(path)
    connection.request("POST", f"/v1.41/build?{query}", context, {"Content-Type": "application/x-tar"})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return data if answer.status == 200 else str(json.loads(data)["message"])


def _ask(path: str, method: str, target: str) -> bytes:
    connection = http.client.HTTPConnection("docker")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(path)
    connection.request(method, f"/v1.41{target}")
    data = connection.getresponse().read()
    connection.close()
    return data


def main() -> None:
    with tempfile.TemporaryDirectory() as work:
        engine = f"{work}/engine"
        host = dockerd.start(engine)
        try:
            recorded = _record(host.removeprefix("unix://"))
        finally:
            dockerd.stop(engine)
    with open(RECORDED, "w", encoding="utf-8") as out:
        base, contexts, found = [json.dumps(recorded[0]), recorded[1], recorded[2]]
        lines = [",\n".join(map(json.dumps, part)) for part in (contexts, found)]
        out.write(f"[{base},\n[{lines[0]}],\n[{lines[1]}]]\n")


if __name__ == "__main__":
    main()
