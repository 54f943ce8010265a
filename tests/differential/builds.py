"""Contexts that are built on two engines: what they hold, and what is changed between two builds of one."""

from __future__ import annotations

import io
import tarfile
from typing import NamedTuple

MTIME = 1_600_000_000
"""Of every file of a context: what an image has of it is older than all that a build makes."""


class File(NamedTuple):
    """A member of a context. A `target` makes it a link, symbolic unless `hard`."""

    data: bytes | str = ""
    mode: int = 0o644
    target: str = ""
    hard: bool = False
    mtime: int = MTIME
    uid: int = 0
    gid: int = 0
    kind: bytes = b""


FOLDER = File(mode=0o755, kind=tarfile.DIRTYPE)

Files = dict[str, "File | str | bytes"]


def context(dockerfile: str, files: Files) -> bytes:
    """Return a context as clients send it."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        members: Files = {**({"Dockerfile": dockerfile} if dockerfile else {}), **files}
        for name, content in members.items():
            file = content if isinstance(content, File) else File(content)
            data = file.data.encode() if isinstance(file.data, str) else file.data
            info = tarfile.TarInfo(name)
            info.mode, info.mtime, info.size = file.mode, file.mtime, len(data)
            info.uid, info.gid = file.uid, file.gid
            if file.kind:
                info.type = file.kind
            if file.target:
                info.type = tarfile.LNKTYPE if file.hard else tarfile.SYMTYPE
                info.linkname = file.target
            tar.addfile(info, io.BytesIO(data))
    return target.getvalue()


def archive(files: Files, compression: str = "") -> bytes:
    """Return a tar to be a file of a context."""
    import bz2
    import gzip
    import lzma

    plain = context("", files)
    packers = {"gz": lambda data: gzip.compress(data, mtime=0), "bz2": bz2.compress, "xz": lzma.compress}
    return packers[compression](plain) if compression else plain


class Build(NamedTuple):
    """One build: the Dockerfile, the files beside it, and parameters of the API."""

    dockerfile: str
    files: Files = {}  # noqa: RUF012  # nobody writes to it
    parameters: dict[str, str | list[str]] = {}  # noqa: RUF012  # as above


_TREE: Files = {
    "src": FOLDER,
    "src/a": "a\n",
    "src/b": File("b\n", 0o755),
    "src/sub": FOLDER,
    "src/sub/c": "c\n",
}
_COPY = "FROM busybox\nCOPY src /dst/\nCMD true\n"
_FILE = "FROM busybox\nCOPY f /f\n"

CASES: dict[str, list[Build]] = {
    "settings": [
        Build(
            'FROM busybox\nMAINTAINER some one <a@b>\nENV A=1 B="x y" C=$A\nENV D e f\nLABEL l=$A m=\'q"r\'\n'
            "EXPOSE 80 53/udp 90-92\nUSER nobody\nVOLUME /v /w\nSTOPSIGNAL SIGINT\n"
            'ENTRYPOINT ["echo", "a b"]\nCMD ["x\\"y", "é"]\n'
        )
    ],
    "shell forms": [Build("FROM busybox\nCMD echo $HOME <&2\nENTRYPOINT exec top\nCMD a | b\n")],
    "entrypoint drops command": [
        Build('FROM busybox\nENTRYPOINT ["a"]\n'),
        Build("FROM busybox\nENTRYPOINT []\n"),
    ],
    "no entrypoint": [
        Build('FROM busybox\nENTRYPOINT [""]\nENV A=1\nRUN true\n'),
        Build('FROM busybox\nENTRYPOINT [""]\nENV A=1\nRUN true\n'),
    ],
    "empty command": [Build("FROM busybox\nCMD []\n"), Build("FROM busybox\nCMD\n")],
    "shell": [Build('FROM busybox\nSHELL ["/bin/sh", "-ec"]\nRUN echo a > /a\nENV A=1\nCMD b\n')],
    "healthcheck": [
        Build(
            "FROM busybox\nHEALTHCHECK --interval=1m30s --timeout=2s --retries=3 CMD test -f /x\n"
            'HEALTHCHECK CMD ["true", "x"]\nHEALTHCHECK NONE\n'
        )
    ],
    "workdir": [
        Build(
            "FROM busybox\nWORKDIR /a/b\nWORKDIR c\nWORKDIR ../d/\nRUN pwd > p\nWORKDIR /tmp//x/\nENV A=1\n"
        )
    ],
    "workdir of the base": [
        Build("FROM busybox\nWORKDIR /w\nRUN rmdir /w && touch /z\nENV A=1\nENV B=1\n"),
    ],
    "workdir in the way": [
        Build("FROM busybox\nRUN touch /w\nWORKDIR /w/x\n"),
        Build("FROM busybox\nRUN touch /w\nWORKDIR /w\n"),
    ],
    "links in a circle": [
        Build("FROM busybox\nRUN ln -s b /a && ln -s a /b\nCOPY f /a/x\n", {"f": "f"}),
        Build("FROM busybox\nRUN ln -s b /a && ln -s a /b\nWORKDIR /a\n"),
    ],
    "run": [
        Build(
            'FROM busybox\nRUN echo out; echo err >&2\nRUN ["touch", "/a b"]\n'
            "RUN mkdir -p /d/e && chmod 1777 /d\n"
        )
    ],
    "run removes": [
        Build("FROM busybox\nRUN mkdir /d && touch /d/x /d/y\nRUN rm -r /d\nRUN mkdir /d && touch /d/z\n")
    ],
    "run changes nothing": [Build("FROM busybox\nRUN true\nRUN true\n")],
    "run with an entrypoint": [
        Build('FROM busybox\nENTRYPOINT ["nope"]\nHEALTHCHECK CMD x\nRUN echo a > /a\n')
    ],
    "run as a user": [Build("FROM busybox\nUSER 1000:1000\nRUN id -u; touch /tmp/x\n")],
    "run with a volume": [
        Build("FROM busybox\nRUN mkdir /v && touch /v/a\nVOLUME /v\nRUN touch /v/b && touch /c\n")
    ],
    "run without a system": [
        Build(
            "FROM scratch\nCOPY --from=busybox:glibc / /all/\nCOPY --from=busybox /bin/busybox /bin/busybox\n"
            'RUN ["/bin/busybox", "touch", "/x"]\nRUN ["/bin/busybox", "rm", "-r", "/all"]\n'
        )
    ],
    "run makes all kinds of files": [
        Build(
            "FROM busybox\nRUN mkfifo /p; ln -s a /l; touch /h1; ln /h1 /h2; mknod /n c 1 3; chmod 4755 /h1; "
            "chown -h 3:4 /l; touch '/é \n'; rm /etc/passwd\nRUN rm -r /home; echo x > /home; mv /var /var2\n"
            "RUN echo y > /etc/hosts; echo z > /etc/resolv.conf; touch /etc/new /dev/foo\n"
        )
    ],
    "run is killed": [Build("FROM busybox\nRUN kill -9 $$\n")],
    "run without its user": [
        Build("FROM busybox\nUSER foo\nRUN true\n"),
        Build("FROM busybox\nRUN rm -f /etc/passwd; mkdir /etc/passwd\nRUN true\n"),
    ],
    "volumes": [
        Build(
            'FROM busybox\nVOLUME /v\nCOPY f /v/f\nRUN ls /v; touch /v/g\nVOLUME ["/a b"]\nRUN touch /x\n',
            {"f": "f"},
        )
    ],
    "quoting": [
        Build(
            'FROM busybox\nENV C="a\\"b" D=\'x $A\' E=a\\ b\nLABEL "a b"="c\\\nd"\n'
            'CMD ["a\\tb", "\\u0001", "\\ud83d\\ude00", "`$x", "a\\nb"]\nENTRYPOINT ["<&>"]\n'
        )
    ],
    "workdir through a link": [
        Build(
            "FROM busybox\nENV D=/d\nWORKDIR $D/x\nRUN ln -s /tmp /l\nWORKDIR /l/z\nRUN pwd\nCOPY f ./g/\n",
            {"f": "f"},
        )
    ],
    "triggers that fail": [
        Build("FROM busybox\nONBUILD FOO\n"),
        Build("FROM busybox\nONBUILD RUN exit 3\n", {}, {"t": "onb"}),
        Build("FROM onb\n"),
    ],
    "failing run": [Build("FROM busybox\nRUN touch /a\nRUN echo no; exit 7\n")],
    "missing command": [Build('FROM busybox\nRUN ["/nope"]\n')],
    "arguments": [
        Build(
            "FROM busybox\nARG A=1\nARG B\nRUN echo $A-$B > /a\nLABEL a=$A\n", {}, {"buildargs": '{"B":"2"}'}
        ),
        Build(
            "FROM busybox\nARG A=1\nARG B\nRUN echo $A-$B > /a\nLABEL a=$A\n", {}, {"buildargs": '{"B":"3"}'}
        ),
        Build(
            "FROM busybox\nARG A=1\nARG B\nRUN echo $A-$B > /a\nLABEL a=$A\n", {}, {"buildargs": '{"B":"2"}'}
        ),
    ],
    "arguments before": [
        Build("ARG T=latest\nARG U=${T}\nFROM busybox:$U\nARG T\nRUN echo $T$U > /t\n"),
        Build(
            "ARG T=latest\nFROM busybox:${T}\nARG T\nRUN echo $T > /t\n", {}, {"buildargs": '{"T":"glibc"}'}
        ),
    ],
    "proxies and unused": [
        Build(
            "FROM busybox\nRUN echo $HTTP_PROXY > /p\n", {}, {"buildargs": '{"HTTP_PROXY":"h","NOPE":"1"}'}
        ),
        Build("FROM busybox\nRUN echo $HTTP_PROXY > /p\n", {}, {"buildargs": '{"HTTP_PROXY":"i"}'}),
        Build(
            "FROM busybox\nARG HTTP_PROXY\nRUN echo $HTTP_PROXY > /p\n",
            {},
            {"buildargs": '{"HTTP_PROXY":"i"}'},
        ),
    ],
    "argument hidden by variable": [
        Build("FROM busybox\nENV A=env\nARG A=arg\nRUN echo $A > /a\n", {}, {"buildargs": '{"A":"given"}'})
    ],
    "labels of the request": [Build("FROM busybox\nENV A=1\n", {}, {"labels": '{"b":"$A","a":""}'})],
    "multi-stage": [
        Build(
            "FROM busybox AS one\nRUN mkdir /o && echo 1 > /o/f && chown 5:6 /o/f\n"
            "FROM busybox AS two\nCOPY --from=one /o /p/\nCOPY --from=0 /o/f /q\n"
            "FROM two\nCOPY --from=one --chown=7 /o/f /r\n"
        )
    ],
    "target": [
        Build("FROM busybox AS one\nENV A=1\nFROM one AS two\nENV B=1\n", {}, {"target": "ONE"}),
        Build("FROM busybox AS one\nENV A=1\nFROM one AS two\nENV B=1\n", {}, {"target": "1"}),
        Build("FROM busybox AS one\nENV A=1\nFROM one AS two\nENV B=1\n", {}, {"target": "no"}),
    ],
    "from an image": [Build("FROM busybox\nCOPY --from=alpine:3.10 /etc/alpine-release /x\n")],
    "from what is not there": [
        Build("FROM busybox\nCOPY --from=0 /a /b\n"),
        Build("FROM busybox\nCOPY --from=7 /a /b\n"),
    ],
    "scratch": [
        Build('FROM scratch\nCOPY f /f\nENV A=1\nCMD ["/f"]\n', {"f": "x"}),
        Build("FROM scratch\nCOPY f /f\n", {"f": "x"}),
    ],
    "only scratch": [Build("FROM scratch\n")],
    "onbuild": [
        Build(
            "FROM busybox\nONBUILD RUN echo a > /a\nONBUILD ENV B=1\nONBUILD COPY f /f\n", {}, {"t": "base:1"}
        ),
        Build("FROM base:1\nENV C=1\n", {"f": "f"}),
        Build("FROM base:1\nENV C=1\n", {"f": "g"}),
    ],
    "copy a file": [
        Build(_FILE, {"f": "one"}),
        Build(_FILE, {"f": File("one", mtime=MTIME + 5)}),
        Build(_FILE, {"f": File("one", 0o755)}),
        Build(_FILE, {"f": "two"}),
        Build(_FILE, {"f": File("one", uid=5)}),
        Build(_FILE, {"f": "one"}),
    ],
    "copy a renamed file": [
        Build("FROM busybox\nCOPY f* /d/\n", {"f1": "x"}),
        Build("FROM busybox\nCOPY f* /d/\n", {"f2": "x"}),
    ],
    "copy a folder": [
        Build(_COPY, _TREE),
        Build(_COPY, {**_TREE, "other": "x"}),
        Build(_COPY, {**_TREE, "src/sub/c": "d\n"}),
        Build(_COPY, {**_TREE, "src/sub/d": ""}),
        Build(_COPY, {**_TREE, "src/sub": File(mode=0o700, kind=tarfile.DIRTYPE)}),
    ],
    "copy the context": [Build("FROM busybox\nCOPY . /ctx\nCOPY ./src/. .\n", _TREE)],
    "copy several": [
        Build('FROM busybox\nCOPY src/a src/b /d/\nCOPY ["src/a", "/sp ace"]\nCOPY src/* /e/\n', _TREE),
        Build("FROM busybox\nCOPY src/a src/b /d\n", _TREE),
    ],
    "copy into a folder": [
        Build("FROM busybox\nWORKDIR /w\nCOPY f .\nCOPY f /tmp\nCOPY f x/\nCOPY f y\n", {"f": "f"})
    ],
    "copy links": [
        Build(
            "FROM busybox\nCOPY d /d\nCOPY d/l /l\nCOPY h1 h2 /h/\n",
            {
                "d": FOLDER,
                "d/f": "f",
                "d/l": File(target="f"),
                "d/abs": File(target="/etc/passwd"),
                "d/broken": File(target="nowhere"),
                "h1": "same",
                "h2": File(target="h1", hard=True),
            },
        )
    ],
    "copy with owners": [
        Build(
            "FROM busybox\nCOPY --chown=1:2 f /f\nCOPY --chown=daemon src /s/\n"
            "COPY --chown=nobody:9 f /new/dir/\n",
            {"f": "f", **_TREE},
        ),
        Build("FROM busybox\nCOPY --chown=nosuch f /f\n", {"f": "f"}),
        Build("FROM busybox\nCOPY --chown=1:2:3 f /f\n", {"f": "f"}),
    ],
    "copy modes": [
        Build(
            "FROM busybox\nCOPY . /x/\n",
            {"s": File("s", 0o4755), "d": File(mode=0o1777, kind=tarfile.DIRTYPE)},
        )
    ],
    "copy what is missing": [
        Build("FROM busybox\nCOPY nope /x\n"),
        Build("FROM busybox\nCOPY no* /x/\n"),
        Build("FROM busybox\nADD ../x /x\n"),
        Build("FROM busybox\nCOPY l /x\n", {"l": File(target="../../etc/passwd")}),
    ],
    "copy over a link": [
        Build("FROM busybox\nRUN mkdir /r && ln -s /r /l\nCOPY src /l/\nCOPY src/a /l/z\n", _TREE)
    ],
    "what marks a deleted file": [
        Build("FROM busybox\nCOPY . /c/\n", {"n": File(kind=tarfile.CHRTYPE)}),
        Build("FROM busybox\nADD a.tar /c/\n", {"a.tar": archive({"n": File(kind=tarfile.CHRTYPE)})}),
    ],
    "add archives": [
        Build(
            "FROM busybox\nADD a.tar /a/\nADD a.tar.gz /b\nADD a.tar.xz a.tar.bz2 /c/\nADD f /f\n"
            "COPY a.tar /d/\n",
            {
                "a.tar": archive({"x": "x", "y": FOLDER, "y/z": File("z", 0o600, uid=3, gid=4)}),
                "a.tar.gz": archive({"x": "x"}, "gz"),
                "a.tar.xz": archive({"x2": "x"}, "xz"),
                "a.tar.bz2": archive({"x3": "x"}, "bz2"),
                "f": "no archive",
            },
        )
    ],
    "ignored files": [
        Build("FROM busybox\nCOPY . /c/\n", {".dockerignore": "Dockerfile\n.dockerignore\n", "f": "f"}),
        Build("FROM busybox\nCOPY . /c/\n", {".dockerignore": "Docker*\n!Dockerfile\n", "f": "f"}),
    ],
    "another Dockerfile": [
        Build("", {"x/df": "FROM busybox\nENV A=1\n"}, {"dockerfile": "x/df"}),
        Build("", {"dockerfile": "FROM busybox\nENV A=2\n"}),
        Build("", {"f": ""}),
        Build("", {"Dockerfile": ""}),
        Build("FROM busybox\n", {}, {"dockerfile": "../x"}),
    ],
    "faults": [
        Build("FROM busybox\nFOO bar\n"),
        Build("RUN true\n"),
        Build("# nothing\n"),
        Build("FROM busybox\nRUN --mount=type=cache,target=/x true\n"),
        Build("FROM busybox\nCOPY --chmod=755 f /f\n", {"f": ""}),
        Build("FROM busybox\nRUN <<EOF\necho\nEOF\n"),
        Build("FROM busybox\nSTOPSIGNAL foo\n"),
        Build("FROM busybox\nEXPOSE x\n"),
        Build("FROM busybox\nENV A=${B\n"),
        Build("FROM busybox AS a\nFROM busybox AS a\n"),
        Build("FROM ${X}\n"),
    ],
    "continued lines": [
        Build(
            "# syntax=x\n# escape=`\nFROM busybox\nRUN echo a `\n  # no\n\n  && echo b > /b\n"
            "ENV A=x`\n  B=y\n"
        )
    ],
    "cache": [
        Build("FROM busybox\nENV A=1\nRUN echo x > /x\nENV B=1\n", {}, {"t": "cached"}),
        Build("FROM busybox\nENV A=1\nRUN echo x > /x\nENV B=1\n", {}, {"t": "cached"}),
        Build("FROM busybox\nENV A=2\nRUN echo x > /x\nENV B=1\n", {}, {"t": "cached"}),
        Build("FROM busybox\nENV A=1\nRUN echo x > /x\nENV B=1\n", {}, {"t": "cached"}),
        Build("FROM busybox\nENV A=1\nRUN echo x > /x\nENV B=1\n", {}, {"nocache": "1"}),
    ],
    "cache from": [
        Build("FROM busybox\nENV A=cf\nRUN echo x > /x\nENV B=1\n", {}, {"t": "src:1"}),
        Build("FROM busybox\nENV A=cf\nRUN echo x > /x\nENV B=1\n", {}, {"cachefrom": '["src:1"]'}),
        Build("FROM busybox\nENV A=cf\nRUN echo x > /x\nENV B=2\n", {}, {"cachefrom": '["src:1","nope"]'}),
        Build("FROM busybox\nENV A=cf\nRUN echo x > /x\nENV B=1\n", {}, {"cachefrom": '["busybox"]'}),
    ],
    "quiet": [
        Build("FROM busybox\nENV Q=1\n", {}, {"q": "1"}),
        Build("FROM busybox\nRUN exit 2\n", {}, {"q": "1"}),
    ],
    "tags": [
        Build("FROM busybox\nENV T=1\n", {}, {"t": ["a:1", "b", "a:1"]}),
        Build("FROM busybox\nENV T=1\n", {}, {"t": "Bad"}),
        Build("FROM busybox\nENV T=1\n", {}, {"t": "x@sha256:" + "0" * 64}),
    ],
    "kept containers": [Build("FROM busybox\nENV K=1\nRUN true\nWORKDIR /k\n", {}, {"rm": "0"})],
    "limits": [
        Build(
            "FROM busybox\nRUN cat /sys/fs/cgroup/memory/memory.limit_in_bytes\n",
            {},
            {"memory": "67108864", "memswap": "-1"},
        ),
        Build(
            "FROM busybox\nRUN ulimit -n; df /dev/shm | tail -1 | awk '{print $2}'\n",
            {},
            {"ulimits": '[{"Name":"nofile","Hard":99,"Soft":88}]', "shmsize": "1048576"},
        ),
        Build("FROM busybox\nRUN grep extra /etc/hosts\n", {}, {"extrahosts": "extra:10.9.8.7"}),
        Build("FROM busybox\nRUN true\n", {}, {"memory": "1"}),
    ],
}
"""What is built, by what it tries; the builds of one case follow on each other."""
