"""Instructions that change nothing but the settings of an image: what they do, and what its history says.

`commit --change`, `import --change` and both builders use the same. Source:
engine 20.10, builder/dockerfile/dispatchers.go, and BuildKit's
frontend/dockerfile/dockerfile2llb/convert.go for what is not classic.
"""

from __future__ import annotations

from posixpath import join, normpath

from ligan.dockerfile.faults import quoted
from ligan.dockerfile.health import health_check
from ligan.dockerfile.words import expand, expand_words
from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from ligan.dockerfile.nodes import Instruction
    from ligan.dockerfile.words import Variables

_SHELL = ["/bin/sh", "-c"]
_EXPANDED = ("ADD", "ARG", "COPY", "ENV", "LABEL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR")


class State:
    """The settings as they stand between two instructions of a stage.

    `config` has the fields of `oci.runconfig.run_config`; `has_command` says
    that a CMD of this stage is in them, which an ENTRYPOINT then leaves there;
    `author` is empty until a MAINTAINER.
    """

    def __init__(self, config: Mapping[str, Any], *, classic: bool) -> None:
        self.config = dict(config)
        self.classic = classic
        self.has_command = False
        self.author = ""

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the settings; of two with one name, the first counts in 20.10, else the last."""
        entries: Iterable[str] = self.config.get("Env") or ()
        pairs = [entry.partition("=") for entry in entries]
        return {name: value for name, _, value in (reversed(pairs) if self.classic else pairs)}

    @property
    def shell(self) -> list[str]:
        """What a command line is given to."""
        return self.config.get("Shell") or _SHELL


def expanded(instruction: Instruction, variables: Variables, escape: str, *, classic: bool) -> Instruction:
    """Return an instruction with its words as they are meant. Raises Invalid.

    The words of commands are not touched: a shell expands them. Nor is a LABEL
    in JSON, which no file can have: builders put one there for `--label`.
    """
    if instruction.name == "EXPOSE":
        words: list[str | None] = []
        for item in sorted(map(str, instruction.arguments)):
            words += expand_words(item, variables, escape, classic=classic)
        return instruction.replace(arguments=tuple(words))
    if instruction.name not in _EXPANDED or (instruction.name == "LABEL" and instruction.is_json):
        return instruction
    words = [
        None if word is None else expand(word, variables, escape, classic=classic)
        for word in instruction.arguments
    ]
    return instruction.replace(arguments=tuple(words))


def apply(state: State, instruction: Instruction) -> str:
    """Do an instruction whose words are expanded.

    Returns what history says of it, without `#(nop)` and the shell; empty for
    a modern ONBUILD, of which it says nothing. Raises Invalid.
    """
    return _APPLY[instruction.name](state, instruction)


def _words(instruction: Instruction) -> list[str]:
    return [str(word) for word in instruction.arguments]


def _pairs(instruction: Instruction) -> list[tuple[str, str]]:
    words = _words(instruction)
    return list(zip(words[::2], words[1::2], strict=True))


def _told(instruction: Instruction) -> str:
    return " ".join([instruction.name, *[f"{name}={value}" for name, value in _pairs(instruction)]])


def _env(state: State, instruction: Instruction) -> str:
    env = list(state.config.get("Env") or ())
    places: dict[str, int] = {}
    for place, entry in enumerate(env):
        places.setdefault(entry.partition("=")[0], place)
    for name, value in _pairs(instruction):
        place = places.setdefault(name, len(env))
        env[place : place + 1] = [f"{name}={value}"]
    state.config["Env"] = env
    return _told(instruction)


def _label(state: State, instruction: Instruction) -> str:
    labels = {**(state.config.get("Labels") or {}), **dict(_pairs(instruction))}
    state.config["Labels"] = dict(sorted(labels.items()))
    return _told(instruction)


def _add_to_set(state: State, field: str, names: Iterable[str]) -> None:
    whole = {**(state.config.get(field) or {}), **{name: {} for name in names}}
    state.config[field] = dict(sorted(whole.items()))


def _cmd(state: State, instruction: Instruction) -> str:
    command = _command(state, instruction)
    state.config["Cmd"] = command
    if not state.classic:
        state.config["ArgsEscaped"] = True
    state.has_command = state.has_command or not state.classic or bool(instruction.arguments)
    return f"CMD {_quoted_list(command)}"


def _entrypoint(state: State, instruction: Instruction) -> str:
    command = _command(state, instruction) if instruction.arguments or not state.classic else None
    state.config["Entrypoint"] = command or None
    if not state.has_command:
        state.config["Cmd"] = None
    return f"ENTRYPOINT {_quoted_list(command)}"


def _command(state: State, instruction: Instruction) -> list[str]:
    words = _words(instruction)
    if instruction.is_json:
        return words
    return [*state.shell, *(words if state.classic else [" ".join(words)])]


def _quoted_list(words: list[str] | None) -> str:
    return f"[{' '.join(map(quoted, words or ()))}]"


def _expose(state: State, instruction: Instruction) -> str:
    from ligan.dockerfile.ports import exposed_ports

    words = _words(instruction)
    ports = [port for word in words for port in exposed_ports(word, classic=state.classic)]
    _add_to_set(state, "ExposedPorts", ports)
    return f"EXPOSE {' '.join(words)}" if state.classic else f"EXPOSE [{' '.join(ports)}]"


def _user(state: State, instruction: Instruction) -> str:
    [state.config["User"]] = _words(instruction)
    return f"USER {state.config['User']}"


def _volume(state: State, instruction: Instruction) -> str:
    volumes = _words(instruction)
    if not all(volumes):
        raise Invalid("VOLUME specified can not be an empty string")
    _add_to_set(state, "Volumes", volumes)
    return f"VOLUME [{' '.join(volumes)}]"


def _workdir(state: State, instruction: Instruction) -> str:
    [path] = _words(instruction)
    here = state.config.get("WorkingDir") or ""
    if state.classic and not path:
        raise Invalid("cannot normalize nothing")
    if not state.classic or not path.startswith("/"):  # 20.10 keeps an absolute path as it is written
        path = "/" + normpath(join("/", here, path)).lstrip("/")
    state.config["WorkingDir"] = path
    return f"WORKDIR {path}"


def _stopsignal(state: State, instruction: Instruction) -> str:
    from ligan.oci.signals import parse_signal

    [text] = _words(instruction)
    parse_signal(text)
    state.config["StopSignal"] = text
    return f"STOPSIGNAL {text}"


def _shell(state: State, instruction: Instruction) -> str:
    state.config["Shell"] = _words(instruction)
    return f"SHELL [{' '.join(state.config['Shell'])}]"


def _onbuild(state: State, instruction: Instruction) -> str:
    [trigger] = _words(instruction)
    state.config["OnBuild"] = [*(state.config.get("OnBuild") or ()), trigger]
    return f"ONBUILD {trigger}" if state.classic else ""


def _maintainer(state: State, instruction: Instruction) -> str:
    [state.author] = _words(instruction)
    return f"MAINTAINER {state.author}"


def _healthcheck(state: State, instruction: Instruction) -> str:
    from ligan.dockerfile.health import classic_record, modern_record

    check = health_check(instruction, classic=state.classic)
    state.config["Healthcheck"] = check
    return f"HEALTHCHECK {classic_record(check) if state.classic else modern_record(check)}"


_APPLY: dict[str, Callable[[State, Instruction], str]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "ONBUILD": _onbuild,
    "SHELL": _shell,
    "STOPSIGNAL": _stopsignal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
