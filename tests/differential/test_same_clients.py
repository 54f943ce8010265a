"""Every docker client of this machine, old and new, gets from Ligan what it gets from a real dockerd.

Each image command once, at the least. Debian's client and Docker's own are
looked for where their packages put them, whatever the PATH says.
"""

from __future__ import annotations

import os
import shlex
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from tests.differential import engines
from tests.differential.corpus import APP_1, COPY
from tests.differential.scripts import EVERYTHING, FACTS, Step
from tests.support import normalise
from tests.support.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.differential.engines import Engine

PLACES = ("/usr/bin/docker", "/usr/local/bin/docker", shutil.which("docker") or "docker")
CLIENTS = sorted({place for place in PLACES if os.path.exists(place)}) or ["docker"]

COMMANDS = f"""
    images
    load -i chain.tar
    load -q -i tools.tar
    load -i cut.tar
    load -i nosuch.tar
    images
    images -a
    images -q --no-trunc
    images --digests app
    images --filter dangling=true
    images --filter reference=app:*
    images --filter label=tier=web
    images --filter before=app:1
    images --filter nope=1
    tag app:1 team/copy:2
    tag nosuch:1 x:1
    tag app:1 Bad:1
    history app:1
    history --no-trunc -q app:1
    history nosuch
    inspect app:1
    image inspect --format "{FACTS}" {APP_1.id} tool:latest
    inspect nosuch:1
    rmi nosuch:1 app:latest
    rmi {COPY.id}
    rmi {APP_1.id}
    load -i saved-1.tar
    rmi -f {APP_1.id}
    load -i saved-1.tar
    load -i siblings.tar
    system df
    import chain.tar Bad:1
    image prune -f --filter nope=1
    image prune -f
    image prune -a -f
    system df
"""
ALIKE = (
    'import --message why --change "CMD sh" chain.tar made:1',
    'images --format "{{.Repository}}:{{.Tag}} {{.Size}}"',
    'history --format "{{.Comment}} {{.Size}} {{.CreatedBy}}" made:1',
    'image inspect --format "{{.Config.Cmd}} {{.Size}} {{.Comment}}" made:1',
    'info --format "{{.Images}} {{.Containers}} {{.OSType}} {{.Architecture}}"',
    'version --format "{{.Client.Version}} {{.Client.APIVersion}} {{.Server.Os}} {{.Server.Arch}}"',
)
"""Commands after which the engines are asked for what cannot differ: a new image has the time in its ID."""


def script() -> list[Step]:
    steps = [Step(tuple(shlex.split(line))) for line in COMMANDS.strip().splitlines()]
    save = Step(("save", "-o", "saved-1.tar", "app:1", "tool:latest"), "saved-1.tar", shares_ligans=True)
    place = next(index for index, step in enumerate(steps) if step.argv[0] == "rmi")
    return [*steps[:place], save, *steps[place:], Step(EVERYTHING)]


@pytest.fixture
def pair(
    request: pytest.FixtureRequest, dockerd: str, store_root: str, tmp_path: os.PathLike[str]
) -> Iterator[tuple[Engine, Engine]]:
    """The client of the parameter, on a dockerd without images and on Ligan."""
    with serving(store_root) as daemon:
        yield (
            engines.docker(dockerd, os.path.join(tmp_path, "docker"), request.param),
            engines.ligan_daemon(daemon.host, os.path.join(tmp_path, "ligan"), request.param),
        )


@pytest.mark.dockerd
@pytest.mark.parametrize("pair", CLIENTS, indirect=True)
def test_same_answers_to_every_client(pair: tuple[Engine, Engine]) -> None:
    docker, ligan = pair
    start = time.time()
    steps = script()
    found = engines.unlike(steps, docker, ligan)
    if found:
        index, difference = found
        pytest.fail("\n".join([shlex.join(steps[index].argv), difference]), pytrace=False)
    period = ("--since", f"{start:.9f}", "--until", f"{time.time():.9f}")
    told = [
        engine.run(
            "events", *period, "--format", "{{.Type}} {{.Action}} {{.Actor.ID}} {{.Actor.Attributes.name}}"
        )
        for engine in pair
    ]
    assert normalise.pruning(told[1].stdout) == normalise.pruning(told[0].stdout)
    assert "image tag" in told[1].stdout
    for command in ALIKE:
        theirs, ours = (engine.run(*shlex.split(command)) for engine in pair)
        if command.startswith("import"):
            theirs, ours = (answer._replace(stdout="") for answer in (theirs, ours))
        assert ours == theirs, command
        assert ours.status == 0, command
    for command in ("info", "version", "system df -v", "image ls", "image history made:1"):
        assert ligan.run(*command.split()).status == 0, command
