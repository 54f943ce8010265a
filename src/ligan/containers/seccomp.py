"""A seccomp profile as Docker takes it -> the filter of an OCI specification. Pure.

Source: engine 20.10, profiles/seccomp (seccomp.go, seccomp_linux.go).
"""

from __future__ import annotations

from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

_NATIVE = {
    "amd64": "SCMP_ARCH_X86_64",
    "arm64": "SCMP_ARCH_AARCH64",
    "mips64": "SCMP_ARCH_MIPS64",
    "mips64n32": "SCMP_ARCH_MIPS64N32",
    "mipsel64": "SCMP_ARCH_MIPSEL64",
    "mips64le": "SCMP_ARCH_MIPSEL64",
    "riscv64": "SCMP_ARCH_RISCV64",
    "s390x": "SCMP_ARCH_S390X",
}
"""Architectures that have others to run as well, by the name Go gives them."""


def parse_profile(text: str) -> dict[str, Any]:
    """Return the profile of `--security-opt seccomp=`, whose text is JSON. Raises Invalid."""
    from ligan.oci.compact_json import loads

    try:
        profile = loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"Decoding seccomp profile failed: {error}") from None
    if not isinstance(profile, dict) or not _is_well_formed(profile):
        raise Invalid("Decoding seccomp profile failed: not a seccomp profile")
    if profile.get("architectures") and profile.get("archMap"):
        raise Invalid(
            "'architectures' and 'archMap' were specified in the seccomp profile, "
            "use either 'architectures' or 'archMap'"
        )
    if any(rule.get("name") and rule.get("names") for rule in profile.get("syscalls") or ()):
        raise Invalid(
            "'name' and 'names' were specified in the seccomp profile, use either 'name' or 'names'"
        )
    return profile


def resolve(
    profile: Mapping[str, Any], machine: str, kernel: tuple[int, int], capabilities: Collection[str]
) -> dict[str, Any] | None:
    """Return the filter for processes of these capabilities on this machine, or None for an empty profile.

    `machine` is Go's name of the architecture, `kernel` the version's first two numbers.
    """
    rules = profile.get("syscalls") or []
    if not profile.get("defaultAction") and not rules:
        return None
    resolved: dict[str, Any] = {"defaultAction": profile.get("defaultAction", "")}
    if architectures := profile.get("architectures") or _architectures(profile, machine):
        resolved["architectures"] = list(architectures)
    for key in ("defaultErrnoRet", "flags", "listenerPath", "listenerMetadata"):
        if profile.get(key):
            resolved[key] = profile[key]
    resolved["syscalls"] = [
        _rule(rule)
        for rule in rules
        if _includes(rule.get("includes") or {}, machine, kernel, capabilities)
        and not _excludes(rule.get("excludes") or {}, machine, kernel, capabilities)
    ]
    return resolved


def _architectures(profile: Mapping[str, Any], machine: str) -> list[str]:
    native = _NATIVE.get(machine)
    for entry in profile.get("archMap") or ():
        if native and entry.get("architecture") == native:
            return [native, *(entry.get("subArchitectures") or ())]
    return []


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    kept = {"names": rule.get("names") or [rule.get("name", "")], "action": rule.get("action", "")}
    if rule.get("errnoRet") is not None:
        kept["errnoRet"] = rule["errnoRet"]
    if rule.get("args"):
        kept["args"] = rule["args"]
    return kept


def _includes(
    wanted: Mapping[str, Any], machine: str, kernel: tuple[int, int], capabilities: Collection[str]
) -> bool:
    return (
        (not wanted.get("arches") or machine in wanted["arches"])
        and all(name in capabilities for name in wanted.get("caps") or ())
        and (not wanted.get("minKernel") or kernel >= _version(wanted["minKernel"]))
    )


def _excludes(
    unwanted: Mapping[str, Any], machine: str, kernel: tuple[int, int], capabilities: Collection[str]
) -> bool:
    return (
        machine in (unwanted.get("arches") or ())
        or any(name in capabilities for name in unwanted.get("caps") or ())
        or bool(unwanted.get("minKernel") and kernel >= _version(unwanted["minKernel"]))
    )


def _version(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor)


def _is_well_formed(profile: Mapping[str, Any]) -> bool:
    """Return whether everything that is read here has the kind it must have."""
    rules, maps = profile.get("syscalls") or [], profile.get("archMap") or []
    architectures = profile.get("architectures") or []
    if not all(isinstance(part, list) for part in (rules, maps, architectures)):
        return False
    return (
        all(isinstance(entry, dict) for entry in maps)
        and all(isinstance(entry.get("subArchitectures") or [], list) for entry in maps)
        and all(isinstance(rule, dict) and _has_good_conditions(rule) for rule in rules)
    )


def _has_good_conditions(rule: Mapping[str, Any]) -> bool:
    for condition in (rule.get("includes") or {}, rule.get("excludes") or {}):
        if not isinstance(condition, dict):
            return False
        if not all(isinstance(condition.get(key) or [], list) for key in ("arches", "caps")):
            return False
        major, _, minor = str(condition.get("minKernel") or "0.0").partition(".")
        if not (major.isdecimal() and minor.isdecimal() and len(major + minor) < 10):
            return False
    return True
