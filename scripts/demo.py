"""The demo: Ligan's main job on real input, every answer checked.

Runs the `ligan` of the PATH on a store in a temporary folder. Prints each
command before its output; exits non-zero at the first answer that is not as
expected.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ARCHIVE = os.path.join("tests", "data", "alpine-chain.tar.gz")

NOTES_1 = "d86f1c980b0c"
NOTES_2 = "1c8583c3b6e7"
SHARED_STEP = "3f2f000812a3"
ALPINE = "bde3ebc20807"


class Demo:
    def __init__(self, folder: str) -> None:
        self.root = os.path.join(folder, "root")
        self.environment = os.environ | {
            "LIGAN_ROOT": self.root,
            # The demo shows undo even where the disk is nearly full.
            "LIGAN_UNDO_DISK_LIMIT": "100%",
        }

    def say(self, text: str) -> None:
        print(f"\n# {text}", flush=True)

    def run(self, command: str, *expected: str, status: int = 0, absent: str = "") -> str:
        """Show and run a command; its output must hold every expected text, and end with the status."""
        print(f"$ {command}", flush=True)
        done = subprocess.run(
            shlex.split(command), env=self.environment, cwd=HERE, text=True, capture_output=True, check=False
        )
        output = done.stdout + done.stderr
        print(output, end="", flush=True)
        if done.returncode != status:
            sys.exit(f"demo: exit status {done.returncode}, expected {status}")
        for text in expected:
            if text not in output:
                sys.exit(f"demo: the output lacks {text!r}")
        if absent and absent in output:
            sys.exit(f"demo: the output has {absent!r}")
        return done.stdout

    def blob_bytes(self) -> int:
        folder = os.path.join(self.root, "blobs", "sha256")
        return sum(entry.stat().st_size for entry in os.scandir(folder))

    def expect(self, what: str, found: object, expected: object) -> None:
        print(f"# {what}: {found}", flush=True)
        if found != expected:
            sys.exit(f"demo: {what} is {found}, expected {expected}")


def load_and_look(demo: Demo) -> None:
    demo.say("What a real dockerd saved: two applications on one base, with their build steps")
    demo.run(f"ligan load -i {ARCHIVE}", "Loaded image: notes:1.0", "Loaded image: notes:2.0")
    demo.run("ligan images", "archive/notes", NOTES_1, NOTES_2, ALPINE, absent=SHARED_STEP)
    demo.say("-a also shows the intermediate images of the classic builder")
    demo.run("ligan images -a", SHARED_STEP)
    demo.run("ligan system df", "Images")


def lose_a_name(demo: Demo) -> None:
    demo.say("Move both names of notes:1.0 to the new image: the old one becomes <none>")
    demo.run("ligan tag notes:2.0 notes:1.0")
    demo.run("ligan tag notes:2.0 archive/notes:first")
    demo.run("ligan images --filter dangling=true", "<none>", NOTES_1)
    demo.say("What was it called?")
    demo.run(f"ligan why {NOTES_1}", "notes:1.0")


def delete_and_explain(demo: Demo) -> None:
    demo.say("An intermediate image that others were built from cannot be deleted. Why?")
    demo.run(f"ligan rmi {SHARED_STEP}", "(cannot be forced) - image has dependent child images", status=1)
    demo.run(f"ligan why {SHARED_STEP}", "child", "ligan rmi")
    demo.say("Delete by tag, by short ID, by digest")
    demo.run("ligan rmi archive/notes:first", "Untagged: archive/notes:first", absent="Deleted")
    demo.run(f"ligan rmi {NOTES_2}", "(must be forced)", status=1)
    demo.run(
        f"ligan rmi -f {NOTES_2}", "Untagged: notes:1.0", "Untagged: notes:2.0", f"Deleted: sha256:{NOTES_2}"
    )
    demo.say("That was not meant: bring it back")
    demo.run("ligan undo", "notes:2.0")
    demo.run("ligan images notes", NOTES_2)
    demo.run("ligan rmi notes:1.0", "Untagged: notes:1.0", absent="Deleted")
    image = demo.run("ligan images -q --no-trunc notes:2.0").strip()
    demo.run(f"ligan rmi {image}", f"Deleted: {image}")
    demo.run("ligan undo", "notes:2.0")


def prune_and_undo(demo: Demo) -> None:
    demo.say("What would a prune do, to the byte?")
    before = demo.blob_bytes()
    demo.run("ligan plan prune --now", NOTES_1)
    demo.run("ligan image prune -f", f"deleted: sha256:{NOTES_1}")
    demo.expect("bytes on disk while undo keeps them", demo.blob_bytes(), before)
    demo.run("ligan undo", NOTES_1)
    demo.run("ligan images --filter dangling=true", NOTES_1)
    demo.say("This time for good")
    demo.run("ligan image prune -f", f"deleted: sha256:{NOTES_1}")
    demo.run("ligan undo --list", "prune")
    demo.run("ligan reclaim --all")
    if demo.blob_bytes() >= before:
        sys.exit("demo: reclaim freed nothing")


def save_and_load(demo: Demo, folder: str) -> None:
    demo.say("Save, delete, load: the same image")
    archive = os.path.join(folder, "notes.tar")
    image = demo.run("ligan images -q --no-trunc notes:2.0").strip()
    before = demo.blob_bytes()
    demo.run(f"ligan save -o {archive} notes:2.0 alpine")
    demo.run("ligan rmi --now notes:2.0 alpine:latest", f"Deleted: {image}")
    demo.expect("bytes on disk without images", demo.blob_bytes(), 0)
    demo.run(f"ligan load -i {archive}", "Loaded image: notes:2.0")
    demo.expect("image ID", demo.run("ligan images -q --no-trunc notes:2.0").strip(), image)
    again = os.path.join(folder, "again.tar")
    demo.run(f"ligan save -o {again} notes:2.0 alpine")
    demo.run(f"cmp {archive} {again}")
    demo.say("Only the intermediate images were not saved: their configs are what the store has lost")
    if demo.blob_bytes() >= before:
        sys.exit("demo: the store has grown")
    demo.run("ligan rmi --now notes:2.0 alpine:latest")
    demo.expect("bytes on disk at the end, as before the first load", demo.blob_bytes(), 0)
    demo.run("ligan fsck")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ligan-demo-") as folder:
        demo = Demo(folder)
        load_and_look(demo)
        lose_a_name(demo)
        delete_and_explain(demo)
        prune_and_undo(demo)
        save_and_load(demo, folder)
    print("\ndemo: every answer was as expected")


if __name__ == "__main__":
    main()
