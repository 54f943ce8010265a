"""Random scripts about containers: the same seed gives the same script.

No answer may hang on who is faster. So what a container does follows from its name: a `short` ends by itself,
and after each start it is waited for; a `sleeper` hears nothing but SIGKILL, as any first process that has no
handler; a `trapper` ends at SIGTERM, and after each start is asked whether its handler is there.
"""

from __future__ import annotations

import random

from tests.differential.scripts import Step

ARCHIVE = "busybox.tar"
SHORT = ("short-1", "short-2")
LONG = ("sleeper-1", "sleeper-2", "trapper-1")
NAMES = (*SHORT, *LONG)
MADE = ("made:1", "made:2")

ALL = (
    *("ps", "--all", "--no-trunc", "--format"),
    "{{.Names}} {{.ID}} {{.Image}} {{.Command}} {{.State}} {{.Status}} {{.Size}} {{.Mounts}} {{.Networks}}",
)
IMAGES = ("images", "--all", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}} {{.Size}}")
USAGE = ("system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}} {{.Size}}")
FACTS = (
    "{{range .Mounts}}{{.Type}} {{.Name}} {{.Destination}} {{.Driver}} {{.Mode}} {{.RW}}{{end}} "
    "{{.Name}} {{.Image}} {{.Path}} {{.Args}} {{.RestartCount}} {{json .Config}}"
    " {{.State.Status}} {{.State.Running}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Error}}"
)
IMAGE_FACTS = "{{.Id}} {{.Parent}} {{.RepoTags}} {{.Size}} {{.Author}} {{.Comment}} {{json .Config}}"

_BEHAVIOUR = {
    "short": "echo out; echo err >&2; echo $((1 + $(cat /ended 2>&-))) > /ended; exit $(($(cat /ended) - 1))",
    "sleeper": "touch /dev/shm/ready; exec sleep 600",
    "trapper": "trap 'echo bye; exit 7' TERM; touch /dev/shm/ready; while :; do sleep 0.05; done",
}
_READY = "until [ -e /dev/shm/ready ]; do sleep 0.01; done"
"""What a script waits with: /dev/shm is new at each start, and no part of what the container changed."""

_OPERATIONS = (
    "echo new > /new",
    "mkdir -p /made/a/b; head -c 5000 /dev/zero > /made/a/file",
    "rm -f /bin/cat",
    "echo more >> /etc/passwd",
    "rm -rf /made; mkdir -p /home/x",
    "chmod 600 /etc/group",
    "exit 9",
    "nosuch",
)
_CHANGES = (
    'CMD ["sh", "-c", "exit 5"]',
    "ENV A=1 B=two",
    "LABEL v=2",
    "WORKDIR /made",
    "USER 1:1",
    "EXPOSE 80",
    "VOLUME /data",
    "ONBUILD RUN x",
    "CMD",
    "FROM busybox",
)


def script(seed: int, length: int = 16) -> list[Step]:
    """Return `length` random commands, each with what it takes to settle and a full listing after it."""
    chance = random.Random(f"containers {seed}")
    steps = [Step(("load", "-q", "-i", ARCHIVE)), *_run(chance), *_run(chance)]
    verbs, weights = zip(*_VERBS, strict=True)
    for _ in range(length):
        made = chance.choices(verbs, weights)[0](chance)
        steps += made
        if made[0].argv[0] not in _LOOKING:
            steps.append(Step(ALL))
        if made[0].argv[0] in ("commit", "rmi", "image"):
            steps.append(Step(IMAGES))
    facts = Step(("inspect", "--type", "container", "--format", FACTS, *NAMES))
    removals = (("rm", "--force", *NAMES), ("container", "prune", "--force"), ("volume", "prune", "--force"))
    return [*steps, Step(USAGE), facts, *map(Step, removals), Step(ALL), Step(USAGE)]


def _container(chance: random.Random, names: tuple[str, ...] = NAMES) -> str:
    """Name a container, now and then by its ID, or one that is nowhere."""
    if chance.random() < 0.05:
        return "nosuch"
    name = chance.choice(names)
    return chance.choice((name, name, name, f"@{name}", f"@{name}/12"))


def _image(chance: random.Random) -> str:
    return chance.choice(("busybox", "busybox", *MADE))


def _made(chance: random.Random, verb: str, name: str) -> Step:
    """Run or create a container that behaves as its name says."""
    options = (
        (),
        (),
        ("--label", "tier=web"),
        ("--env", "B=3", "--workdir", "/var"),
        ("--hostname", "host", "--user", "0"),
        ("--tmpfs", "/scratch", "--stop-signal", "SIGKILL"),
        ("--volume", "/data"),
        ("--read-only",),
    )
    words = (*chance.choice(options), _image(chance), "sh", "-c", _BEHAVIOUR[name.partition("-")[0]])
    return Step((*verb.split(), "--pull", "never", "--network", "none", "--name", name, *words), names=name)


def _settle(name: str) -> Step:
    kind = name.removeprefix("@").partition("-")[0]
    return Step(("wait", name) if kind == "short" else ("exec", name, "sh", "-c", _READY))


def _run(chance: random.Random) -> list[Step]:
    name = chance.choice(NAMES)
    return [_made(chance, "run --detach", name), _settle(name)]


def _create(chance: random.Random) -> list[Step]:
    return [_made(chance, "create", chance.choice(NAMES))]


def _foreground(chance: random.Random) -> list[Step]:
    commands = (
        ("sh", "-c", "echo out; echo err >&2; exit 3"),
        ("sh", "-c", "echo $A $B; pwd; id -u; hostname > /name; ls / | wc -l"),
        ("nosuch",),
        ("/etc/passwd",),
        (),
    )
    name = ("--name", chance.choice(SHORT)) if chance.random() < 0.3 else ()
    flags = ("--pull", "never", "--network", "none", *chance.choice(((), ("--rm",), ("--rm",))), *name)
    return [Step(("run", *flags, _image(chance), *chance.choice(commands)))]


def _start(chance: random.Random) -> list[Step]:
    if chance.random() < 0.2:
        return [Step(("start", "--attach", _container(chance, SHORT)))]
    name = _container(chance)
    return [Step(("start", name)), _settle(name)]


def _stop(chance: random.Random) -> list[Step]:
    # A trapper gets the time that it needs; between SIGTERM and SIGKILL at once either may be what ends it.
    name = _container(chance)
    seconds = "9" if "trapper" in name else chance.choice("001")
    return [Step(("stop", "-t", seconds, name))]


def _restart(chance: random.Random) -> list[Step]:
    name = _container(chance)
    return [Step(("restart", "-t", "9" if "trapper" in name else "0", name)), _settle(name)]


def _kill(chance: random.Random) -> list[Step]:
    name = _container(chance)
    signal = chance.choice(((), (), ("-s", "TERM"), ("-s", "WINCH"), ("-s", "nosuch")))
    heard = "trapper" in name and "TERM" in signal
    return [Step(("kill", *signal, name)), *([Step(("wait", name))] if heard else ())]


def _rm(chance: random.Random) -> list[Step]:
    flags = chance.choice(((), (), ("-f",), ("-f", "-v")))
    return [Step(("rm", *flags, *(_container(chance) for _ in range(chance.choice((1, 1, 2))))))]


def _exec(chance: random.Random) -> list[Step]:
    return [Step(("exec", _container(chance, LONG), "sh", "-c", chance.choice(_OPERATIONS)))]


def _commit(chance: random.Random) -> list[Step]:
    name = chance.choice(MADE)
    flags: list[str] = []
    for change in chance.sample(_CHANGES, chance.choice((0, 0, 1, 2))):
        flags += ["--change", change]
    flags += chance.choice(((), ("--message", "why", "--author", "who"), ("--pause=false",)))
    target = (name,) if chance.random() < 0.8 else ()
    facts = Step(("image", "inspect", "--format", IMAGE_FACTS, f"@{name}"))
    return [Step(("commit", *flags, _container(chance), *target), names=name), facts]


def _rmi(chance: random.Random) -> list[Step]:
    flags = chance.choice(((), (), ("-f",)))
    image = chance.choice(("busybox", "busybox", *MADE, *(f"@{name}" for name in MADE)))
    steps = [Step(("rmi", *flags, image)), Step(ALL)]
    return [*steps, Step(("load", "-q", "-i", ARCHIVE))] if image == "busybox" else steps


def _tag(chance: random.Random) -> list[Step]:
    return [Step(("tag", _image(chance), chance.choice(MADE)))]


def _rename(chance: random.Random) -> list[Step]:
    # Among those of a kind, for the name says how a container behaves.
    first, second = chance.choice((SHORT, SHORT[::-1], LONG[:2], LONG[1::-1]))
    return [Step(("rename", first, second))]


def _prune(chance: random.Random) -> list[Step]:
    filters = ((), ("--filter", "label=tier"), ("--filter", "label!=tier=web"), ("--filter", "nope=1"))
    if chance.random() < 0.3:
        return [Step(("image", "prune", "--force"))]
    return [Step(("container", "prune", "--force", *chance.choice(filters)))]


def _ps(chance: random.Random) -> list[Step]:
    filters = (
        "status=running",
        "status=exited",
        "status=created",
        "status=nope",
        "exited=0",
        "exited=137",
        "exited=x",
        "name=sleeper",
        "name=^/short-.$",
        "ancestor=busybox",
        "ancestor=made:1",
        "label=tier",
        "label=tier=web",
        "volume=/data",
        "network=none",
        f"before={_container(chance)}",
        f"since={_container(chance)}",
        f"id={_container(chance)}",
        "nope=1",
    )
    flags = chance.choice(((), ("-q",), ("-l",), ("-n", "2"), ("-a",), ("-a",), ("-a",)))
    chosen = chance.sample(filters, chance.choice((0, 1, 1, 2)))
    form = ("--format", "{{.Names}} {{.ID}} {{.Image}} {{.Command}} {{.Status}}")
    return [
        Step(("ps", *flags, *(form if "-q" not in flags else ()), *(f"--filter={item}" for item in chosen)))
    ]


def _look(chance: random.Random) -> list[Step]:
    name = _container(chance)
    words = (
        ("diff", name),
        ("diff", name),
        ("logs", _container(chance, SHORT)),
        ("inspect", "--type", "container", "--format", FACTS, name),
        ("inspect", "--type", "container", "--size", "--format", "{{.SizeRw}} {{.SizeRootFs}}", name),
        ("history", "--format", "{{.ID}} {{.CreatedBy}} {{.Size}} {{.Comment}}", _image(chance)),
        USAGE,
        ("port", name),
    )
    return [Step(chance.choice(words))]


_LOOKING = ("ps", "diff", "logs", "inspect", "history", "system", "port")

_VERBS = (
    (_run, 5),
    (_create, 3),
    (_foreground, 3),
    (_start, 5),
    (_stop, 4),
    (_restart, 1),
    (_kill, 3),
    (_rm, 4),
    (_exec, 4),
    (_commit, 4),
    (_rmi, 4),
    (_tag, 1),
    (_rename, 1),
    (_prune, 2),
    (_ps, 4),
    (_look, 5),
)
