"""Giving a container another name (engine 20.10, daemon/rename.go)."""

from __future__ import annotations

from ligan.containers import naming, rows
from ligan.errors import Conflict, Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.store.store import Store


def rename(store: Store, name: str, new_name: str) -> None:
    """Give a container another name. Raises NoSuchContainer, NameTaken, Invalid."""
    if not name or not new_name:
        raise Invalid("Neither old nor new names may be empty")
    with store.database.write() as tx:
        container = rows.resolve(tx, name)
        if new_name.removeprefix("/") == container.name:
            raise Invalid("Renaming a container with the same name as its current name")
        try:
            new_name = naming.checked(f"/{new_name.removeprefix('/')}")
            naming.check_free(tx, new_name)
        except (Invalid, Conflict) as error:
            kind = Conflict if isinstance(error, Conflict) else Invalid
            raise kind(f"Error when allocating new name: {error.message}") from None
        rows.set_name(tx, container.key, new_name)
        renamed = container.replace(name=new_name)
        rows.record(tx, store.now(), "rename", renamed, {"oldName": f"/{container.name}"})
