"""Dockerfiles as their parts, and what is wrong with others in the words of 20.10 and of BuildKit."""

from __future__ import annotations

import contextlib

import pytest

from ligan.dockerfile.faults import DockerfileError
from ligan.dockerfile.nodes import Heredoc, Instruction
from ligan.dockerfile.parse import parse, parse_trigger


def steps(text: str, *, classic: bool = False) -> tuple[Instruction, ...]:
    """Return the instructions after a FROM."""
    [stage] = parse(f"FROM x\n{text}", classic=classic).stages
    return stage.steps


def fault(text: str | bytes, *, classic: bool) -> DockerfileError:
    with pytest.raises(DockerfileError) as caught:
        parse(text, classic=classic)
    return caught.value


@pytest.mark.parametrize("classic", [True, False])
@pytest.mark.parametrize(
    ("line", "arguments", "is_json"),
    [
        ("ENV a=b c='d e' f=\\ g", ("a", "b", "c", "'d e'", "f", "\\ g"), False),
        ("ENV a  b  c ", ("a", "b  c"), False),
        ("ENV a=", ("a", ""), False),
        ('LABEL "a b"=c', ('"a b"', "c"), False),
        ("ARG A B=1 C=", ("A", None, "B", "1", "C", ""), False),
        ("RUN  echo  hi ", ("echo  hi",), False),
        ('RUN ["a", "b c"]', ("a", "b c"), True),
        ("RUN [\"a\", 'b']", ("[\"a\", 'b']",), False),
        ("CMD []", (), True),
        ("CMD", (), False),
        ('SHELL ["/bin/bash", "\\u0041\\ud800"]', ("/bin/bash", "A\ufffd"), True),
        ("COPY a  b\tc", ("a", "b", "c"), False),
        ('ADD ["a b", "/c"]', ("a b", "/c"), True),
        ("EXPOSE 80 $A", ("80", "$A"), False),
        ("VOLUME /a /b", ("/a", "/b"), False),
        ("HEALTHCHECK NONE", ("NONE",), False),
        ('HEALTHCHECK --retries=2 cmd  ["a"]', ("cmd", "a"), True),
        ("HEALTHCHECK CMD a b", ("CMD", "a b"), False),
        ("WORKDIR a b", ("a b",), False),
        ("MAINTAINER A <a@b>", ("A <a@b>",), False),
        ("ONBUILD  RUN  a ", ("RUN  a ",), False),
        ("onbuild FOO a", ("FOO a",), False),
    ],
)
def test_arguments(line: str, arguments: tuple[str, ...], is_json: bool, classic: bool) -> None:
    [step] = steps(line, classic=classic)
    assert (step.arguments, step.is_json) == (arguments, is_json)
    assert step.name == line.split()[0].upper()
    assert step.original == line.strip()


@pytest.mark.parametrize(
    ("line", "flags", "arguments"),
    [
        ("COPY --from=a --chown='b c' d e", ("--from=a", "--chown=b c"), ("d", "e")),
        ("COPY --chown=a\\ b c d", ("--chown=a b",), ("c", "d")),
        ("COPY --from=a -- --b c", ("--from=a",), ("--b", "c")),
        ("HEALTHCHECK --interval=3s\tCMD x", ("--interval=3s",), ("CMD", "x")),
        ("CMD -x --y", (), ("-x --y",)),
    ],
)
def test_flags(line: str, flags: tuple[str, ...], arguments: tuple[str, ...]) -> None:
    [step] = steps(line)
    assert (step.flags, step.arguments) == (flags, arguments)


def test_stages() -> None:
    file = parse(
        "ARG V=1\nFROM --platform=$P a:$V AS One\nRUN x\nfrom scratch\nCOPY --from=one a b", classic=False
    )
    assert [step.arguments for step in file.arguments] == [("V", "1")]
    assert [(stage.base, stage.name, stage.platform) for stage in file.stages] == [
        ("a:$V", "one", "$P"),
        ("scratch", "", ""),
    ]
    assert [len(stage.steps) for stage in file.stages] == [1, 1]


@pytest.mark.parametrize("classic", [True, False])
def test_lines_are_joined(classic: bool) -> None:
    text = "FROM x\n\n# one\nRUN a \\\n  # two\n  b \\  \n\tc\n#\nRUN d"
    first, second = parse(text, classic=classic).stages[0].steps
    assert first.original == "RUN a   b \tc"
    assert (first.line, first.end) == (4, 7)
    assert (second.line, second.end) == (9, 9)


def test_an_escaped_escape_does_not_continue() -> None:
    assert [step.original for step in steps("RUN a\\\\\nRUN b")] == ["RUN a\\\\", "RUN b"]


@pytest.mark.parametrize("classic", [True, False])
def test_directives(classic: bool) -> None:
    file = parse(
        "\ufeff# Syntax = docker/dockerfile:1 \r\n#ESCAPE=`\nFROM x\nRUN a `\n b\\\nRUN c", classic=classic
    )
    assert file.directives == (("syntax", "docker/dockerfile:1"), ("escape", "`"))
    assert file.escape == "`"
    assert [step.original for step in file.stages[0].steps] == ["RUN a  b\\", "RUN c"]


def test_directives_end_at_the_first_other_line() -> None:
    assert parse("\n#escape=`\nFROM x", classic=True).escape == "\\"
    assert parse("#check=skip=all\n#escape=`\nFROM x", classic=True).escape == "\\"
    assert parse("#check=skip=all\n#escape=`\nFROM x", classic=False).escape == "`"


def test_empty_lines_within_an_instruction_are_warned_of() -> None:
    assert parse("FROM x\nRUN a \\\n\n b", classic=True).warnings == (
        "[WARNING]: Empty continuation line found in:\n    RUN a  b",
        "[WARNING]: Empty continuation lines will become errors in a future release.",
    )


def test_documents() -> None:
    run, copy, last = steps(
        'RUN <<EOF\na $b\n# no comment\nEOF\nCOPY <<-"A B" 3<< C /d/\n\ta\n\tA B\n\tc\r\nC\r\nRUN cat << E\nE'
    )
    assert run.heredocs == (Heredoc("EOF", "a $b\n# no comment\n", True),)
    assert (run.line, run.end) == (2, 5)
    assert copy.arguments == ('<<-"A', 'B"', "3<<", "C", "/d/")
    assert copy.heredocs == (Heredoc("A B", "a\n", False), Heredoc("C", "\tc\r\n", True))
    assert last.heredocs == (Heredoc("E", "", True),)


@pytest.mark.parametrize(
    "line", ['RUN ["<<EOF"]', "ENV a=<<EOF", "RUN echo '<<EOF", "RUN a < b <<< c", 'RUN "<<EOF"']
)
def test_what_is_no_document(line: str) -> None:
    assert steps(line)[0].heredocs == ()


def test_a_trigger_keeps_its_documents() -> None:
    [step] = steps("ONBUILD RUN <<EOF\n a\nEOF")
    assert step.arguments == ("RUN <<EOF\n a\nEOF",)
    assert parse_trigger(str(step.arguments[0]), classic=False).heredocs == (Heredoc("EOF", " a\n", True),)


@pytest.mark.parametrize(
    ("trigger", "message"),
    [
        ("RUN a\nRUN b", "onbuild trigger should be a single expression"),
        ("FOO a", "unknown instruction: FOO"),
        ("FROM a", "*instructions.Stage is not a command type"),
        ("WORKDIR", "WORKDIR requires exactly one argument"),
    ],
)
def test_triggers_that_cannot_run(trigger: str, message: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        parse_trigger(trigger, classic=True)
    assert caught.value.message == message


_AT = {True: "dockerfile parse error line 2: ", False: "dockerfile parse error on line 2: "}


@pytest.mark.parametrize("classic", [True, False])
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("FROM", "FROM requires either one or three arguments"),
        ("FROM a b c", "FROM requires either one or three arguments"),
        (
            "FROM a AS 1",
            'invalid name for build stage: "1", name can\'t start with a number or contain symbols',
        ),
        (
            "COPY a",
            "COPY requires at least two arguments, but only one was provided. "
            "Destination could not be determined",
        ),
        ("ENV", "ENV requires at least one argument"),
        ("ENV =a", "ENV names can not be blank"),
        ("ARG", "ARG requires at least one argument"),
        ("ARG a =b", "ARG names can not be blank"),
        ("MAINTAINER", "MAINTAINER requires exactly one argument"),
        ("EXPOSE", "EXPOSE requires at least one argument"),
        ("VOLUME []", "VOLUME requires at least one argument"),
        ('VOLUME [" "]', "VOLUME specified can not be an empty string"),
        ("SHELL a b", "SHELL requires the arguments to be in JSON form"),
        ("SHELL []", "SHELL requires at least one argument"),
        ("STOPSIGNAL", "STOPSIGNAL requires exactly one argument"),
        ("ONBUILD", "ONBUILD requires at least one argument"),
        ("ONBUILD ONBUILD RUN a", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("ONBUILD from a", "FROM isn't allowed as an ONBUILD trigger"),
        ("HEALTHCHECK", "HEALTHCHECK requires at least one argument"),
        ("HEALTHCHECK NONE a", "HEALTHCHECK NONE takes no arguments"),
        ("HEALTHCHECK FOO a", 'Unknown type "FOO" in HEALTHCHECK (try CMD)'),
        ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK --interval=1us CMD a", 'Interval "interval" cannot be less than 1ms'),
        ("HEALTHCHECK --interval=a CMD a", 'time: invalid duration "a"'),
        ("HEALTHCHECK --retries=a CMD a", 'strconv.ParseInt: parsing "a": invalid syntax'),
        ("RUN \0", "RUN cannot have a NUL character"),
        ('RUN ["\\u0000"]', "RUN cannot have a NUL character"),
    ],
)
def test_faults_of_an_instruction(line: str, message: str, classic: bool) -> None:
    error = fault(f"FROM x\n{line}\nRUN y", classic=classic)
    assert (error.message, error.line, error.end) == (_AT[classic] + message, 2, 2)


@pytest.mark.parametrize(
    ("line", "classic", "modern"),
    [
        ("echo a", "unknown instruction: ECHO", "unknown instruction: echo"),
        ("COPPY a b", "unknown instruction: COPPY", "unknown instruction: COPPY (did you mean COPY?)"),
        ("Coppy a b", "unknown instruction: COPPY", "unknown instruction: Coppy (did you mean copy?)"),
        ("COPY --form=a b c", "Unknown flag: form", "unknown flag: --form (did you mean from?)"),
        ("COPY --from=a --from=b c d", "Duplicate flag specified: from", "duplicate flag specified: --from"),
        ("COPY --from b c", "Missing a value on flag: from", "missing a value on flag: --from"),
        ("RUN --mount=type=foo a", 'unsupported mount type "foo"', ""),
        ("RUN --network=foo a", "Unknown flag: network", 'invalid network mode "foo"'),
        (
            "COPY --link=maybe a b",
            "Unknown flag: link",
            "expecting boolean value for flag --link, not: maybe",
        ),
        ("COPY --link= a b", "Unknown flag: link", "missing a value on flag: --link"),
        ("COPY a <<EOF\nEOF", "", "COPY cannot accept a heredoc as a destination"),
        ("HEALTHCHECK --interval=0s CMD a", 'Interval "interval" cannot be less than 1ms', ""),
        ("HEALTHCHECK --retries=0 CMD a", "--retries must be at least 1 (not 0)", ""),
        (
            "HEALTHCHECK --retries=-1 CMD a",
            "--retries must be at least 1 (not -1)",
            "--retries cannot be negative (-1)",
        ),
        (
            "RUN --mount=from=$a b",
            "",
            "'from' doesn't support variable expansion, define alias stage instead",
        ),
    ],
)
def test_faults_that_differ(line: str, classic: str, modern: str) -> None:
    if classic:
        assert fault(f"FROM x\n{line}", classic=True).message == _AT[True] + classic
    if modern:
        assert fault(f"FROM x\n{line}", classic=False).message == _AT[False] + modern


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("\n# a\n", "file with no instructions", 2),
        ("#escape=a\nFROM x", "invalid escape token 'a' does not match ` or \\", 0),
        ("#escape=`\n#escape=`\nFROM x", "only one escape parser directive can be used", 1),
        ("FROM x\nENV a", "ENV must have two arguments", 2),
        ("FROM x\nENV a=b c", 'Syntax error - can\'t find = in "c". Must be of the form: name=value', 2),
        ("FOO\nCMD [1]", "when using JSON array syntax, arrays must be comprised of strings only", 2),
        ("FOO\nONBUILD CMD [1]", "when using JSON array syntax, arrays must be comprised of strings only", 2),
        (f"FROM x\nRUN {'a' * 65532}", "dockerfile line greater than max allowed size of 65535", 1),
    ],
)
def test_text_that_cannot_be_read(text: str, message: str, line: int) -> None:
    assert fault(text, classic=True).message == f"failed to parse Dockerfile: {message}"
    error = fault(text, classic=False)
    assert (error.message, error.line) == (message, line)


def test_a_document_has_to_end() -> None:
    error = fault("FROM x\nRUN <<A <<B\na\nA\n", classic=False)
    assert (error.message, error.line, error.end) == ("unterminated heredoc", 2, 4)


@pytest.mark.parametrize("classic", [True, False])
def test_a_stage_has_to_come_first(classic: bool) -> None:
    error = fault("ARG a\nRUN b\nFROM c", classic=classic)
    assert (error.message, error.line) == ("no build stage in current context", 2)


def test_files_without_a_stage() -> None:
    assert fault("", classic=True).message == "the Dockerfile (Dockerfile) cannot be empty"
    assert fault(b"", classic=False).message == "the Dockerfile cannot be empty"
    assert fault("ARG a", classic=False).message == "dockerfile contains no stages to build"


def test_only_a_classic_parse_ignores_what_follows_an_array() -> None:
    line = 'CMD ["a"] b'
    assert steps(line, classic=True)[0].arguments == ("a",)
    assert steps(line)[0].arguments == ('["a"] b',)


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    for text in (b"FROM x\nRUN \xe2\x80 \xff", "FROM x\nRUN \udce2\udc80 \udcff"):
        [step] = parse(text, classic=True).stages[0].steps
        assert step.arguments == ("\ufffd\ufffd \ufffd",)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("classic", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        "RUN a \\\n" * 200_000 + "b",
        "ENV a='" + "\\\n'" * 200_000,
        "COPY " + "--a=b \\\n" * 100_000 + "c d",
        "COPY " + "\\\n--exclude=b" * 100_000 + " c d",
        "ONBUILD \\\n" * 100_000 + "RUN a",
        "RUN [" + "[ \\\n" * 100_000,
        "RUN << \\\n" * 100_000,
        "\n" * 1_000_000 + "RUN",
        "#" * 60_000 + "\n" + "RUN " + "$" * 60_000,
        "EXPOSE " + "a \\\n" * 100_000,
        "\0" * 60_000,
    ],
    ids=lambda text: text[:9] if isinstance(text, str) else None,
)
def test_hostile_text_is_read_or_refused_quickly(text: str, classic: bool) -> None:
    with contextlib.suppress(DockerfileError):
        parse(f"FROM x\n{text}\n", classic=classic)
