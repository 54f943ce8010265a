"""What BuildKit advises against, in its words."""

from __future__ import annotations

import pytest

from ligan.dockerfile.faults import DockerfileError
from ligan.dockerfile.lint import check_advice, rule_url
from ligan.dockerfile.parse import parse


def warnings(text: str) -> list[str]:
    return list(map(str, parse(text, classic=False).advice))


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("FROM a as b", "FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)"),
        ("FROM a AS Bc", "StageNameCasing: Stage name 'Bc' should be lowercase (line 1)"),
        ("FROM a\nRUN b \\\n\n c", "NoEmptyContinuation: Empty continuation line (line 4)"),
        (
            "FROM a\nMAINTAINER b",
            "MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label (line 2)",
        ),
        (
            "FROM a\nRun b",
            "ConsistentInstructionCasing: Command 'Run' should match the case of the "
            "command majority (uppercase) (line 2)",
        ),
        (
            "from a\nrun b\nUSER c",
            "ConsistentInstructionCasing: Command 'USER' should match the case of the "
            "command majority (lowercase) (line 3)",
        ),
        (
            "FROM a AS b\nFROM c AS b",
            'DuplicateStageName: Duplicate stage name "b", stage names should be unique (line 2)',
        ),
        (
            "FROM a AS context",
            'ReservedStageName: Stage name should not use the same name as reserved stage "context" (line 1)',
        ),
        (
            "FROM a\nENTRYPOINT b",
            "JSONArgsRecommended: JSON arguments recommended for ENTRYPOINT to prevent unintended behavior "
            "related to OS signals (line 2)",
        ),
        (
            "FROM a\nWORKDIR b\nWORKDIR c",
            'WorkdirRelativePath: Relative workdir "b" can have unexpected results if the '
            "base image changes (line 2)",
        ),
        (
            'FROM a\nCMD ["b"]\nCMD ["c"]',
            "MultipleInstructionsDisallowed: Multiple CMD instructions should not be used in the same stage "
            "because only the last one will be used (line 2)",
        ),
        (
            "FROM a\nLABEL b c",
            'LegacyKeyValueFormat: "LABEL key=value" should be used instead of legacy '
            '"LABEL key value" format (line 2)',
        ),
        (
            "FROM a\nARG GITHUB_TOKEN PUBLIC_KEY",
            "SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data "
            '(ARG "GITHUB_TOKEN") (line 2)',
        ),
        (
            "ARG BASE=a\nFROM ${BASE}$BAES",
            "UndefinedArgInFrom: FROM argument 'BAES' is not declared (did you mean BASE?) (line 2)",
        ),
        (
            "ARG V\nFROM a:$V",
            "InvalidDefaultArgInFrom: Default value for ARG a:$V results in empty or invalid base image "
            "name (line 2)",
        ),
        (
            "FROM --platform=$TARGETPLATFORM a",
            "RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is redundant "
            "as this is the default behavior (line 1)",
        ),
        (
            "FROM --platform=linux/amd64 a AS b",
            "FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value "
            '"linux/amd64" (line 1)',
        ),
        (
            "FROM a\nEXPOSE 80/TCP",
            "ExposeProtoCasing: Defined protocol '80/TCP' in EXPOSE instruction should be lowercase (line 2)",
        ),
        (
            "FROM a\nEXPOSE 127.0.0.1:80:80",
            "ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, "
            "found '127.0.0.1:80:80' (line 2)",
        ),
    ],
)
def test_warnings(text: str, warning: str) -> None:
    assert warnings(text) == [warning]


@pytest.mark.parametrize(
    "text",
    [
        "from a as b\nrun c",
        'FROM a\nSHELL ["b"]\nCMD c',
        "FROM a\nWORKDIR $b\nWORKDIR /c\nWORKDIR d",
        "FROM a\nENV b='c d' e=f\nHEALTHCHECK CMD x",
        "# check=skip=all\nFROM a\nMAINTAINER b",
        "# check=skip=FromAsCasing, MaintainerDeprecated\nFROM a as b",
        "# check=error=true\nFROM a",
        "ARG V=1\nFROM a:$V\nFROM --platform=$BUILDPLATFORM b AS c\nFROM --platform=linux/arm64 a AS arm64",
        "FROM a\nEXPOSE 80 81/udp $PORTS",
    ],
)
def test_no_warnings(text: str) -> None:
    assert warnings(text) == []


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ("error=true", "lint violation found for rules: MaintainerDeprecated"),
        ("skip=JSONArgsRecommended;error=1", "lint violation found for rules: MaintainerDeprecated"),
        ("foo", 'failed to parse check options: invalid check option "foo"'),
        ("foo=bar", 'failed to parse check options: invalid check option "foo"'),
        (
            "error=maybe",
            'failed to parse check options: failed to parse check option "error=maybe": '
            'strconv.ParseBool: parsing "maybe": invalid syntax',
        ),
    ],
)
def test_warnings_as_errors(check: str, message: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        _check(f"# check={check}\nFROM a\nMAINTAINER b")
    assert caught.value.message == message


def _check(text: str) -> None:
    dockerfile = parse(text, classic=False)
    check_advice(dockerfile, dockerfile.advice)


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        ("JSONArgsRecommended", "json-args-recommended"),
        ("SecretsUsedInArgOrEnv", "secrets-used-in-arg-or-env"),
        ("NoEmptyContinuation", "no-empty-continuation"),
    ],
)
def test_where_a_rule_is_explained(rule: str, name: str) -> None:
    assert rule_url(rule) == f"https://docs.docker.com/go/dockerfile/rule/{name}/"
