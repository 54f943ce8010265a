"""Completion scripts for shells, made from the table of commands."""

from __future__ import annotations

from ligan.cli.commands import ALIASES, COMMANDS, GROUPS, Command, load
from ligan.cli.flags import BOOL
from ligan.cli.output import Failure, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.cli.flags import Options
    from ligan.cli.session import Session

_IMAGES = "ligan images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null | grep -v '<none>'"
_NAMES = {
    "IMAGE": _IMAGES,
    "SOURCE_IMAGE": _IMAGES,
    "NAME": _IMAGES,
    "REPOSITORY": _IMAGES,
    "CONTAINER": "ligan ps -a --format '{{.Names}}' 2>/dev/null",
    "VOLUME": "ligan volume ls -q 2>/dev/null",
    "NETWORK": "ligan network ls --format '{{.Name}}' 2>/dev/null",
}
"""What prints the names that a word of a usage stands for, one a line."""

_SHELLS = ("bash", "fish", "zsh")


def _completion(_session: Session, options: Options) -> int:
    shell = options.arguments[0]
    if shell not in _SHELLS:
        raise Failure(f'unknown shell "{shell}": must be one of {", ".join(_SHELLS)}')
    write({"bash": _bash, "fish": _fish, "zsh": _zsh}[shell]())
    return 0


COMPLETION = Command(
    _completion,
    "bash|fish|zsh",
    "Print a shell's completion script: source <(ligan completion bash)",
    least=1,
    most=1,
)


def _words_after(words: str) -> list[str]:
    """Return the words that can follow: of no words the commands, of a group its commands."""
    if words:
        return sorted(name.split(" ")[1] for name in [*COMMANDS, *ALIASES] if name.startswith(f"{words} "))
    return sorted({name.split(" ")[0] for name in COMMANDS} | {"help"})


def _names(command: Command) -> list[str]:
    """Return what prints the names that a command takes."""
    words = "".join([char if char.isalpha() or char == "_" else " " for char in command.usage]).split()
    return list(dict.fromkeys([_NAMES[word] for word in words if word in _NAMES]))


def _takes_files(command: Command) -> bool:
    return (
        "FILE" in command.usage
        or "file" in command.usage
        or "PATH" in command.usage
        or any(flag.name in ("input", "output") for flag in command.flags)
    )


def _flags(command: Command) -> list[str]:
    return [f"--{flag.name}" for flag in command.flags if flag.help] + ["--help"]


def _bash() -> str:
    cases = [f'    "") words="{" ".join(_words_after(""))} --root --version --help" ;;']
    cases += [f'    "{group}") words="{" ".join(_words_after(group))} --help" ;;' for group in GROUPS]
    for name in [*COMMANDS, *ALIASES]:
        command = load(ALIASES.get(name, name))
        names = "".join([f" $({source})" for source in _names(command)])
        cases.append(
            f'    "{name}") words="{" ".join(_flags(command))}{names}"; files={int(_takes_files(command))} ;;'
        )
    return f"""# bash completion for ligan: source <(ligan completion bash)
_ligan() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} command="" word words="" files=0 i=1
  while ((i < COMP_CWORD)); do
    word=${{COMP_WORDS[i]}}
    case $word in
    --root) ((i++)) ;;
    -*) ;;
    *)
      if [[ -z $command ]]; then
        command=$word
      elif [[ " {" ".join(GROUPS)} " == *" $command "* ]]; then
        command="$command $word"
      fi
      ;;
    esac
    ((i++))
  done
  case $command in
{chr(10).join(cases)}
  esac
  # A colon splits words in bash: complete what follows it.
  local prefix=""
  if [[ $COMP_WORDBREAKS == *:* ]]; then
    if [[ $current == : ]]; then
      prefix=${{COMP_WORDS[COMP_CWORD - 1]}}: current=""
    elif ((COMP_CWORD > 1)) && [[ ${{COMP_WORDS[COMP_CWORD - 1]}} == : ]]; then
      prefix=${{COMP_WORDS[COMP_CWORD - 2]}}:
    fi
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$prefix$current")
  COMPREPLY=("${{COMPREPLY[@]#"$prefix"}}")
  if ((files)) && ((${{#COMPREPLY[@]}} == 0)); then
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}}
complete -F _ligan ligan
"""


def _zsh() -> str:
    """Return bash's completion under zsh's bashcompinit, with a colon as a part of words, as zsh has it."""
    return f"""#compdef ligan
# zsh completion for ligan: source <(ligan completion zsh)
autoload -Uz compinit bashcompinit
(( $+functions[compdef] )) || compinit
_ligan_words() {{
  local command="" word
  local -a candidates
  for word in ${{words[2,CURRENT-1]}}; do
    case $word in
    -*) ;;
    *)
      if [[ -z $command ]]; then
        command=$word
      elif [[ " {" ".join(GROUPS)} " == *" $command "* && $command != *" "* ]]; then
        command="$command $word"
      fi
      ;;
    esac
  done
  case $command in
{_zsh_cases()}
  esac
  compadd -- $candidates
}}
compdef _ligan_words ligan
"""


def _zsh_cases() -> str:
    cases = [f'  "") candidates=({" ".join(_words_after(""))} --root --version --help) ;;']
    cases += [f'  "{group}") candidates=({" ".join(_words_after(group))} --help) ;;' for group in GROUPS]
    for name in [*COMMANDS, *ALIASES]:
        command = load(ALIASES.get(name, name))
        names = "".join([f' ${{(f)"$({source})"}}' for source in _names(command)])
        files = "; _files" if _takes_files(command) else ""
        cases.append(f'  "{name}") candidates=({" ".join(_flags(command))}{names}){files} ;;')
    return "\n".join(cases)


def _fish() -> str:
    lines = [
        "# fish completion for ligan: ligan completion fish | source",
        "complete -c ligan -f",
        "complete -c ligan -n __fish_use_subcommand -l root -r -d 'Folder of the image store'",
    ]
    for word in _words_after(""):
        summary = GROUPS.get(word) or (load(word).summary if word in COMMANDS else "Help about a command")
        lines.append(f"complete -c ligan -n __fish_use_subcommand -a {word} -d {_fish_quoted(summary)}")
    for name in [*COMMANDS, *ALIASES]:
        command = load(ALIASES.get(name, name))
        first, _, second = name.partition(" ")
        seen = f"__fish_seen_subcommand_from {first}"
        if second:
            others = " ".join(_words_after(first))
            lines.append(
                f"complete -c ligan -n '{seen}; and not __fish_seen_subcommand_from {others}' "
                f"-a {second} -d {_fish_quoted(command.summary)}"
            )
            seen += f"; and __fish_seen_subcommand_from {second}"
        lines += [f"complete -c ligan -n '{seen}' {option}" for option in _fish_options(command)]
    return "\n".join(lines) + "\n"


def _fish_options(command: Command) -> list[str]:
    options = []
    for flag in command.flags:
        if not flag.help:
            continue
        short = f"-s {flag.short} " if flag.short else ""
        value = "" if flag.kind == BOOL else "-r "
        options.append(f"{short}-l {flag.name} {value}-d {_fish_quoted(flag.help.splitlines()[0])}")
    options += [f"-a {_fish_quoted(f'({source})')}" for source in _names(command)]
    if _takes_files(command):
        options.append("-F")
    return options


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
