"""Which files of a context .dockerignore leaves out.

The rules are Docker's (moby/patternmatcher): a pattern matches a path or a
folder above it, `**` any number of folders, a later pattern overrides an
earlier one, and `!` makes exceptions. A folder is no exception to what is not
said of itself: with `**/a` and `!b` what is `b/a` stays out.
"""

from __future__ import annotations

import re

from ligan.dockerfile.words import SPACE
from ligan.errors import Invalid

_LONGEST_LINE = 65535  # bytes: the buffer of Go's line scanner
_MOST_KNOWN = 10_000  # folders that are remembered
_MAGIC = re.compile(r"[*?\[\]\\]")
_ITEM = r"(?:\\.|[^\\\]\-])"
_CLASS = re.compile(rf"\[(\^?)((?:{_ITEM}(?:-{_ITEM})?)+)\]", re.DOTALL)
_RANGE = re.compile(r"(\\.|.)(?:-(\\.|.))?", re.DOTALL)


class Ignore:
    """The patterns of a .dockerignore."""

    def __init__(self, text: str) -> None:
        """Read the file's text. Raises Invalid for a pattern that is none."""
        self._runs: list[_Run] = []
        self._exceptions: list[list[str]] = []
        for is_exception, pattern in _patterns(text):
            if not self._runs or self._runs[-1].is_exception != is_exception:
                self._runs.append(_Run(is_exception))
            self._runs[-1].add(pattern)
            if is_exception:
                self._exceptions.append(_literal_folders(pattern))
        for run in self._runs:
            run.compile()
        self._known = {"": [False] * len(self._runs)}

    def matches(self, path: str) -> bool:
        """Return whether a path, relative and clean, is left out. The context itself never is."""
        return bool(path) and self._look(path, self._matched(path.rpartition("/")[0]))

    def _look(self, path: str, above: list[bool], found: list[bool] | None = None) -> bool:
        """Return whether a path is left out. `above` says of each run whether it matches the path's folder.

        What matches the path is put into `found`. A run that would change nothing is not asked: what is below
        the path asks it again.
        """
        is_out = False
        for run, is_matched in zip(self._runs, above, strict=True):
            matched = is_matched or (run.is_exception == is_out and run.matches(path))
            if matched:
                is_out = not run.is_exception
            if found is not None:
                found.append(matched)
        return is_out

    def _matched(self, folder: str) -> list[bool]:
        """Return of each run whether it matches a folder, or one above it.

        That is remembered: mostly what is in the same folder is asked next.
        """
        below = []
        while folder not in self._known:
            below.append(folder)
            folder = folder.rpartition("/")[0]
        matched = self._known[folder]
        if len(self._known) > _MOST_KNOWN:
            self._known = {"": self._known[""]}
        for name in reversed(below):
            above, matched = matched, []
            self._look(name, above, matched)
            self._known[name] = matched
        return matched

    def may_hold_exceptions(self, folder: str) -> bool:
        """Return whether something in a folder that is left out may be in: false spares a walk."""
        if not self._exceptions:
            return False
        parts = folder.split("/")
        return any(parts[: len(literal)] == literal[: len(parts)] for literal in self._exceptions)


class _Run:
    """Patterns that follow each other, all exceptions or none of them: any match counts."""

    def __init__(self, is_exception: bool) -> None:
        self.is_exception = is_exception
        self._paths: set[str] = set()
        self._expressions: list[str] = []
        self._search: re.Pattern[str] | None = None

    def add(self, pattern: str) -> None:
        if _MAGIC.search(pattern):
            self._expressions.append(_expression(pattern))
        else:
            self._paths.add(pattern)

    def compile(self) -> None:
        if self._expressions:
            self._search = re.compile("|".join(self._expressions), re.DOTALL)

    def matches(self, path: str) -> bool:
        """Return whether a pattern matches the path itself."""
        return path in self._paths or (self._search is not None and self._search.fullmatch(path) is not None)


def _patterns(text: str) -> list[tuple[bool, str]]:
    """Return the patterns, cleaned, each with whether it makes an exception. Raises Invalid."""
    found: list[tuple[bool, str]] = []
    for line in text.removeprefix("\ufeff").split("\n"):
        if len(line.encode("utf-8", "surrogatepass")) > _LONGEST_LINE:
            raise Invalid("bufio.Scanner: token too long")
        pattern = line.strip(SPACE)
        if line.startswith("#") or not pattern:
            continue
        is_exception = pattern.startswith("!")
        pattern = pattern[1:].strip(SPACE) if is_exception else pattern
        cleaned = _clean(pattern)
        if not pattern or (is_exception and cleaned == "/"):  # Go cleans "!/" once more
            raise Invalid('illegal exclusion pattern: "!"')
        found.append((is_exception, cleaned))
    return found


def _clean(pattern: str) -> str:
    """Return the shortest form of a pattern, as Go's filepath.Clean has it, relative."""
    is_rooted = pattern.startswith("/")
    parts: list[str] = []
    for part in pattern.split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in ("", ".") and not (part == ".." and is_rooted):
            parts.append(part)
    return "/".join(parts) or ("/" if is_rooted else ".")


def _literal_folders(pattern: str) -> list[str]:
    """Return the parts of a pattern in front of the first that is not literal."""
    parts: list[str] = []
    for part in pattern.split("/"):
        if _MAGIC.search(part):
            break
        parts.append(part)
    return parts


def _expression(pattern: str) -> str:
    """Return the regular expression of a pattern. Raises Invalid.

    What a star precedes is looked for once, where it comes first (`(?>`): were
    other places tried too, a pattern of many stars would take for ever. No
    other place is better where what follows begins with a star, or a folder.
    """
    if pattern.startswith("**") and not _MAGIC.search(pattern[2:]):
        # The ending alone counts: `**a` matches `ba` too.
        ending = re.escape(pattern[2:].removeprefix("/"))
        return f"(?:.*/)?{ending}" if pattern[2:3] == "/" else f".*{ending}"
    blocks = _blocks(pattern)
    starts_folder = [number == 0 or blocks[number - 1][-1:] in ("/", "") for number in range(len(blocks))]
    expressions: list[str] = []
    for number, block in enumerate(blocks):
        is_last = number == len(blocks) - 1
        if is_last and number and not block:
            expressions.append(".*")  # it ends with two stars
            continue
        text = "/".join([_part(part) for part in block.split("/")])
        if number and starts_folder[number]:
            text = f"(?:[^/]*/)*?{text}" if block else ""
            text = f"(?>{text})" if not is_last and starts_folder[number + 1] else text
        elif number:
            text = f"(?:.*/)?{text}"
        expressions.append(text)
    return "".join(expressions)


def _blocks(pattern: str) -> list[str]:
    """Return what is between the double stars, each of which takes a slash behind it too."""
    blocks, start, at = [], 0, 0
    while at < len(pattern):
        if pattern[at] == "\\":
            at += 2
        elif pattern[at] == "[":
            match = _CLASS.match(pattern, at)
            if match is None:
                raise Invalid("syntax error in pattern")
            at = match.end()
        elif pattern.startswith("**", at):
            blocks.append(pattern[start:at])
            start = at = at + 2 + pattern.startswith("/", at + 2)
        else:
            at += 1
    return [*blocks, pattern[start:]]


def _part(part: str) -> str:
    """Return the regular expression of a part between slashes, without double stars."""
    segments, at = [""], 0
    while at < len(part):
        char = part[at]
        if char == "*":
            segments.append("")
            at += 1
            continue
        if char == "[":
            match = _CLASS.match(part, at)
            if match is None:
                raise Invalid("syntax error in pattern")
            segments[-1] += _class(match[1], match[2])
            at = match.end()
            continue
        if char == "\\":
            at += 1
            if at == len(part):
                raise Invalid("syntax error in pattern")
        segments[-1] += "[^/]" if char == "?" else re.escape(part[at])
        at += 1
    first, *others = segments
    if not others:
        return first
    middle = "".join([f"(?>[^/]*?{segment})" for segment in others[:-1]])
    return f"{first}{middle}[^/]*{others[-1]}"


def _class(negation: str, body: str) -> str:
    """Return a class of characters; none has a slash in it. Raises Invalid."""
    text = ""
    for low, high in _RANGE.findall(body):
        first, last = low[-1], (high or low)[-1]
        if first > last:
            raise Invalid("syntax error in pattern")
        text += re.escape(first) + (f"-{re.escape(last)}" if high else "")
    return f"(?!/)[{negation}{text}]"
