"""Contexts in git repositories: `URL#ref:folder`, fetched by the `git` program.

What the URL says never reaches git as an option, nor makes it speak anything but http, https, git and ssh, be
it in a submodule.

Source: engine 20.10, builder/remotecontext/git and pkg/urlutil.
"""

from __future__ import annotations

import os
import re
from posixpath import normpath

from ligan.errors import Invalid, Unavailable
from ligan.layers.beneath import open_root, resolve
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.store.blobs import Lease

_TRANSPORTS = ("http://", "https://", "git://", "git@", "ssh://")
_REPOSITORY = re.compile(r"\.git(?:#.+)?\Z", re.DOTALL)


class Repository(Value):
    """`ref` is a branch, a tag or a commit; empty for what the repository has as its head."""

    remote: str
    ref: str
    folder: str


def is_git(url: str) -> bool:
    """Return whether Docker takes a context's name for that of a git repository."""
    if url.startswith(("git://", "github.com/", "git@", "ssh://")):
        return True
    return url.startswith(("http://", "https://")) and _REPOSITORY.search(url) is not None


def parse_repository(url: str) -> Repository:
    """Return what a URL names. Raises Invalid."""
    if not url.startswith(_TRANSPORTS):
        url = f"https://{url}"
    remote, _, fragment = url.partition("#")
    ref, _, folder = fragment.partition(":")
    if ref.startswith("-"):
        raise Invalid(f"invalid refspec: {ref}")
    if any(char.isspace() or ord(char) < 0x20 for char in remote + ref) or "\0" in folder:
        raise Invalid(f"invalid git URL: {url!r}")
    return Repository(remote, ref, folder)


def clone(url: str, lease: Lease, *, checksum: str = "") -> str:
    """Return the folder that a URL names, in a new clone that goes with the lease, submodules included.

    `checksum` is the commit that it has to be, or its beginning. Raises Invalid for another one and for the
    URL, Unavailable with what git said.
    """
    repository = parse_repository(url)
    root = lease.folder()
    ref = repository.ref or "HEAD"
    _git(root, "failed to init repo", "init", "--quiet")
    _git(root, "failed add origin repo", "remote", "add", "--", "origin", repository.remote)
    try:
        _git(root, "error fetching", "fetch", "--quiet", "--depth", "1", "origin", "--", ref)
    except Unavailable:
        # A server of plain files has no shallow history, and some give single commits only with all.
        _git(root, "error fetching", "fetch", "--quiet", "--tags", "origin")
        _git(root, "error fetching", "fetch", "--quiet", "origin", "--", ref)
    _git(root, f"error checking out {ref}", "checkout", "--quiet", "FETCH_HEAD")
    commit = _git(root, f"error reading {ref}", "rev-parse", "HEAD") if checksum else ""
    if not commit.startswith(checksum):
        raise Invalid(f"expected checksum to match {checksum}, got {commit}")
    folder = _folder(root, repository.folder)
    submodules = ("submodule", "--quiet", "update", "--init", "--recursive")
    try:
        _git(root, "error initializing submodules", *submodules, "--depth=1")
    except Unavailable:
        _git(root, "error initializing submodules", *submodules)
    return folder


def _folder(root: str, folder: str) -> str:
    """Return the path of a folder in the clone: links in it lead nowhere else."""
    clean = normpath(f"./{folder}")
    outside = Invalid(f'error setting git context, "{folder}" not within git root')
    if clean == ".." or clean.startswith("../"):
        raise outside
    top = open_root(root)
    try:
        path = f"{root}/{resolve(top, clean)}".rstrip("/")
    except OSError:
        raise outside from None
    finally:
        os.close(top)
    if not os.path.isdir(path):
        raise Invalid(f"error setting git context, not a directory: {folder}")
    return path


def _git(root: str, failure: str, *words: str) -> str:
    """Run git in a folder; returns what it says. Raises Unavailable, with the package if git is missing."""
    from subprocess import DEVNULL, PIPE, STDOUT, run

    environment = os.environ | {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "http:https:git:ssh",
        "GIT_DIR": f"{root}/.git",
        "GIT_WORK_TREE": root,
        "LC_ALL": "C",
    }
    if words[0] == "submodule":
        del environment["GIT_DIR"], environment["GIT_WORK_TREE"]
    try:
        # No hook of a template of this machine has any business here.
        command = ["git", "-c", "core.hooksPath=/dev/null", *words]
        done = run(command, cwd=root, env=environment, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, check=False)
    except FileNotFoundError:
        raise Unavailable("git is not installed", "Install it: apt-get install git") from None
    said = done.stdout.decode("utf-8", "replace").strip()
    if done.returncode:
        raise Unavailable(f"{failure}: {said}: exit status {done.returncode}")
    return said
