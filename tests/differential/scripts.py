"""Random scripts of image commands: the same seed gives the same script."""

from __future__ import annotations

import random
from typing import NamedTuple

from tests.differential.corpus import BAD_NAMES, IMAGES, NAMES, archives

ARCHIVES = tuple(archives())
WHOLE = (
    "chain.tar",
    "branch.tar",
    "tools.tar",
    "siblings.tar",
    "other.tar.gz",
    "loose.tar",
    "hidden.tar",
    "orphan.tar",
)
SAVED = ("saved-1.tar", "saved-2.tar")
EVERYTHING = ("images", "--all", "--no-trunc", "--digests")
FACTS = "{{.Id}} {{.Parent}} {{.RepoTags}} {{.RepoDigests}} {{.Size}} {{.RootFS.Layers}}"


class Step(NamedTuple):
    argv: tuple[str, ...]
    saves: str = ""
    """The file that this step writes, or nothing."""
    shares_ligans: bool = False
    """Whether later steps read the file as Ligan wrote it; else as Docker did."""
    names: str = ""
    """What the ID that this step prints is called from then on: `@name` in a command is that ID."""


def script(seed: int, length: int = 30) -> list[Step]:
    """Return `length` random steps, each that may change something followed by a full listing."""
    chance = random.Random(seed)
    steps = [Step(("load", "-i", chance.choice(WHOLE)))]
    while len(steps) < length:
        verbs, weights = zip(*_VERBS, strict=True)
        step = chance.choices(verbs, weights)[0](chance)
        steps.append(step)
        if step.argv[0] in ("load", "rmi", "tag", "image"):
            steps.append(Step(EVERYTHING))
    facts = ("inspect", "--format", FACTS, *(image.id for image in IMAGES))
    return [*steps, Step(EVERYTHING), Step(facts)]


def _name(chance: random.Random) -> str:
    return chance.choice(BAD_NAMES) if chance.random() < 0.1 else chance.choice(NAMES)


def _image(chance: random.Random) -> str:
    """Name an image by tag, or by an ID in one of its spellings."""
    if chance.random() < 0.5:
        return _name(chance)
    full = chance.choice(IMAGES).id
    return chance.choice((full, full[7:], full[7:19], full[7:11], full[:14], full[7:8]))


def _some(chance: random.Random, most: int) -> list[str]:
    return [_image(chance) for _ in range(chance.randint(1, most))]


def _load(chance: random.Random) -> Step:
    kind = chance.choice((WHOLE, WHOLE, WHOLE, ARCHIVES, SAVED))
    return Step(("load", *chance.choice(((), ("-q",))), "-i", chance.choice(kind)))


def _tag(chance: random.Random) -> Step:
    return Step(("tag", _image(chance), _name(chance)))


def _rmi(chance: random.Random) -> Step:
    flags = chance.choice(((), (), (), ("-f",), ("--force", "--no-prune"), ("--no-prune",)))
    return Step(("rmi", *flags, *_some(chance, chance.choice((1, 1, 3)))))


def _prune(chance: random.Random) -> Step:
    # Never --all with a filter that spares a child and not its parent: there Ligan keeps the parent whole.
    options = (
        (),
        ("--all",),
        ("--filter", "label=tier"),
        ("--filter", "label!=tier=web"),
        ("--filter", f"until=2023-01-01T0{chance.randint(1, 9)}:30:00Z"),
        ("--all", "--filter", "nope=1"),
        ("--filter", "until=bad"),
    )
    return Step(("image", "prune", "--force", *chance.choice(options)))


def _save(chance: random.Random) -> Step:
    file = chance.choice(SAVED)
    return Step(("save", "-o", file, *_some(chance, 4)), file, chance.random() < 0.5)


def _images(chance: random.Random) -> Step:
    options = (
        (),
        ("-a",),
        ("-q",),
        ("-aq", "--no-trunc"),
        ("--digests",),
        ("--format", "{{.Repository}}:{{.Tag}} {{.ID}} {{.Size}} {{.CreatedAt}}"),
        ("--format", "table {{.ID}}\t{{.Repository}}"),
        ("--filter", "dangling=true"),
        ("--filter", "dangling=false"),
        ("--filter", f"before={_image(chance)}"),
        ("-a", "--filter", f"since={_image(chance)}"),
        ("--filter", f"label={chance.choice(('tier', 'tier=web', 'v=2', 'tier='))}"),
        ("--filter", f"reference={chance.choice(('app', 'app:*', '*/*', 'team/*:1', '*', '[a', 'base:1'))}"),
        ("--filter", "nope=1"),
        (_name(chance),),
    )
    return Step(("images", *chance.choice(options)))


def _inspect(chance: random.Random) -> Step:
    options = (
        (),
        (),
        ("--format", FACTS),
        ("-f", "{{json .Config.Labels}} {{.Config.Cmd}} {{.Created}} {{.Comment}}"),
    )
    if chance.random() < 0.5:
        return Step(("image", "inspect", *chance.choice(options), *_some(chance, 2)))
    # Names only: a short ID might be that of one of Docker's networks.
    return Step(("inspect", *chance.choice(options), _name(chance), _name(chance)))


def _history(chance: random.Random) -> Step:
    options = (
        (),
        ("--no-trunc",),
        ("-q",),
        ("--human=false",),
        ("--format", "{{.ID}}|{{.CreatedBy}}|{{.Size}}"),
    )
    return Step(("history", *chance.choice(options), _image(chance)))


_VERBS = (
    (_load, 5),
    (_rmi, 8),
    (_tag, 5),
    (_prune, 2),
    (_save, 3),
    (_images, 3),
    (_inspect, 2),
    (_history, 2),
)
