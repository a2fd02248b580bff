"""Files of models, fetched ahead of a run, on a machine that need not be able to run them."""

from pathlib import Path

from benchmark.errors import CannotRun
from benchmark.inputs.model_entry import ModelEntry
from benchmark.models.hub import Hub


def on_this_machine(entry: ModelEntry, hub: Hub) -> bool:
    """Return whether nothing of a model of the hub needs to be fetched."""
    if entry.id is None:
        return False
    return (hub.gguf_on_disk(entry) if entry.file is not None else hub.model_on_disk(entry)) is not None


def fetch(entry: ModelEntry, hub: Hub) -> Path:
    """Fetch what is missing of a model of the hub, whatever its size, and return its folder or GGUF file.

    A process that fetches the same files meanwhile is waited for, and what broke off is taken up where it was.

    Raises:
        CannotRun: the hub does not give it, the disk is too small, or it is of a package or a folder.
        InputError: the id, the revision or the file does not exist.
    """
    if entry.id is None:
        field = entry.source_field
        raise CannotRun(f"its '{field}' is not on the hub", "name a model with an id, or install and copy it yourself")
    if entry.file is not None:
        return hub.fetch_gguf(entry, lambda weights: None)
    return hub.fetch_model(entry, lambda config, size: None)
