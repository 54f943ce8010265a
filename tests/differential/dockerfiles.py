"""Bad and odd Dockerfiles: what two engines say of each is compared, to the word."""

from __future__ import annotations

UNREADABLE = [
    "",
    "\n# only a comment\n",
    "#escape=`\n#escape=`\nFROM scratch\n",
    "#escape=x\nFROM scratch\n",
    "FROM scratch\nENV a",
    "FROM scratch\nENV a=b c",
    "FROM scratch\nENV a=\u3000b",
    "FOO\nENV a",
    'FROM scratch\nCMD ["a", 1]',
    "FROM scratch\nONBUILD CMD [[]]",
    f"FROM scratch\nENV a={'x' * 65530}",
]
"""What cannot be read, whatever its instructions mean."""

REFUSED = [
    "RUN x",
    "ARG a=1\nENV b=c\nFROM scratch\n",
    "FROM",
    "FROM scratch foo bar",
    "FROM scratch AS 1a",
    "FROM --platfrom=x scratch",
    *[
        f"FROM scratch\n{line}"
        for line in (
            "echo hi",
            "RUN <<EOF\necho hi\nEOF",
            "COPY <<EOF /x\nhi\nEOF",
            "ENV",
            "ENV =b",
            "ENV --x=y a=b",
            "LABEL =x",
            "MAINTAINER",
            "EXPOSE",
            "USER",
            "VOLUME []",
            'VOLUME [" "]',
            "WORKDIR",
            "STOPSIGNAL",
            "SHELL a",
            "SHELL []",
            "ARG",
            "ARG =b",
            "ONBUILD",
            "ONBUILD ONBUILD RUN a",
            "ONBUILD maintainer a",
            "HEALTHCHECK NONE a",
            "HEALTHCHECK CMD",
            "HEALTHCHECK foo a",
            "HEALTHCHECK --retries=0 CMD a",
            "HEALTHCHECK --retries=99999999999 CMD a",
            "HEALTHCHECK --interval=5 CMD a",
            "HEALTHCHECK --interval=0s CMD a",
            "HEALTHCHECK --start-interval=1s CMD a",
            "COPY a",
            "COPY --from a b",
            "COPY --from=a --from=b c d",
            "COPY --link a b",
            "ADD --from=x a b",
            "RUN --network=none a",
            "RUN --mount=type=foo a",
            "RUN --mount= a",
            "RUN --mount=sharing=locked a",
            "RUN --mount=type=secret a",
        )
    ],
]
"""What can be read and is refused before the first step."""

FAILING = [
    "FROM ${a",
    "FROM ${a#b}\n",
    "ARG a\nFROM $a\n",
    "ARG a=${b?no}\nFROM scratch",
    "FROM scratch\nFROM scratch AS a\nENV a=b\nFROM a AS A\n",
    *[
        f"FROM scratch\n{line}"
        for line in (
            "ENV a='b",
            "ENV a=${b:!c}",
            "ENV a=${b-c}",
            "ENV $a=b",
            "ARG a=${",
            "EXPOSE 99999",
            "EXPOSE 80/foo",
            "EXPOSE ::1:80:80",
            "EXPOSE [::1:80:80",
            "EXPOSE 1.2.3:1:2",
            "EXPOSE 80-81:90-92",
            "VOLUME $x",
            "WORKDIR $x",
            "STOPSIGNAL foo",
            "COPY --chmod=1 a b",
            "COPY --from=0 a b",
            "COPY --from=1 a b",
            "RUN --mount=type=cache,target=/x a",
        )
    ],
]
"""What fails at a step."""

ODD = [
    "\ufeff# escape = `\r\nFROM scratch\r\nENV a=b`\r\n c=d\r\n",
    "  \\\n FROM 'scratch'\n\tenv a=b \\\n# comment\n\n  c=`d \\",
    "FROM scratch\nHEALTHCHECK --retries=39 CMD a\nHEALTHCHECK --interval=1h2m3.5s CMD [1\n",
    "FROM scratch\nENV P='80 81' \"a b\"=c\nEXPOSE $P/udp 70-72/SCTP\n",
    'FROM scratch\nCMD ["\\u00e9\\n\\"\\\\\\ud83d\\ude00\\ud800"] x\nSTOPSIGNAL 99999999999\nUSER \'\' \n',
    "FROM scratch\nONBUILD FOO a  \nONBUILD COPY --bad a\nARG --x=y a\nLABEL b=1 a=\xff\n",
]
"""What is built all the same."""
