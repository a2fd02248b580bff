"""Hub datasets by name, configuration and split, as the library `datasets` reads them.

It is imported only for a workload that names no file: that takes seconds.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmark.errors import CannotRun, InputError, NotFetched
from benchmark.inputs.workload_entry import WorkloadEntry
from benchmark.messages import printable

_COMMIT = re.compile(r"[0-9a-f]{40}")


def dataset_records(entry: WorkloadEntry, download: bool) -> Iterator[Any]:
    """Yield the records of a split; without `download` only from what the library has on this machine.

    Raises:
        CannotRun: it is not on this machine and may not or cannot be fetched.
        InputError: there is no such dataset, configuration or split.
    """
    import datasets

    source = entry.source
    assert source.id is not None
    _refuse_namesake(entry, source.id)
    name = source.id if source.config is None else f"{source.id}, {source.config}"
    try:
        with offline(datasets.config, not download):
            # No code of a repository is run: the library has no such thing any more.
            records = datasets.load_dataset(
                source.id, source.config, split=source.split, revision=source.revision, keep_in_memory=False
            )
    except (ConnectionError, datasets.exceptions.DatasetNotFoundError) as error:
        if not download:
            raise NotFetched(f"dataset {name}") from None
        if isinstance(error, datasets.exceptions.DatasetNotFoundError):
            raise InputError(
                f"{entry.where('source.id')}: no dataset '{source.id}' on the hub (or it is private and HF_TOKEN is "
                "not set)"
            ) from None
        raise CannotRun(f"dataset {name} cannot be fetched ({_reason(error)})", "check the network") from None
    except Exception as error:
        # Whatever the library calls a configuration or a split that is not there, or a damaged cache.
        raise InputError(f"{entry.where('source')}: {name} cannot be read: {_reason(error)}") from None
    commit = source.revision if source.revision and _COMMIT.fullmatch(source.revision) else ""
    if not any(commit in file["filename"] for file in records.cache_files):
        # Without the network the library takes whatever it has, of whichever commit.
        raise NotFetched(f"dataset {name} at {commit[:12]}")
    yield from records


def _refuse_namesake(entry: WorkloadEntry, name: str) -> None:
    """Refuse an id that the library would take for something else than a dataset of the hub.

    Raises:
        InputError: it would read a folder on this machine, or whatever it finds in the current one.
    """
    from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES as READERS

    where = entry.where("source.id")
    if name in READERS:
        raise InputError(f"{where}: '{name}' is a file format to the library; name a dataset as organization/name")
    if Path(name).exists():
        here = printable(Path.cwd())
        raise InputError(f"{where}: {here} has a '{name}', which would be read in its place; run in another folder")


@contextmanager
def offline(config: Any, wanted: bool, name: str = "HF_HUB_OFFLINE") -> Iterator[None]:
    """Inside the block a library does not touch the network, if so wanted.

    Args:
        config: of the library.
        wanted: whether it is not to.
        name: what its config calls that.
    """
    before = getattr(config, name)
    setattr(config, name, before or wanted)
    try:
        yield
    finally:
        setattr(config, name, before)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
