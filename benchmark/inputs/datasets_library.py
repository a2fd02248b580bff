"""Hub datasets by name, configuration and split, as the library `datasets` reads them.

It is imported only for a workload that names no file: that takes seconds.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmark.errors import CannotRun, InputError, NotFetched
from benchmark.inputs.workload_entry import WorkloadEntry


def dataset_records(entry: WorkloadEntry, download: bool) -> Iterator[Any]:
    """Yield the records of a split; without `download` only from what the library has on this machine.

    Raises:
        CannotRun: it is not on this machine and may not or cannot be fetched.
        InputError: there is no such dataset, configuration or split.
    """
    import datasets

    source = entry.source
    assert source.id is not None
    name = source.id if source.config is None else f"{source.id}, {source.config}"
    try:
        with _offline(datasets, not download):
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
    yield from records


@contextmanager
def _offline(library: Any, offline: bool) -> Iterator[None]:
    """Inside the block the library does not touch the network, if so asked."""
    before = library.config.HF_HUB_OFFLINE
    library.config.HF_HUB_OFFLINE = before or offline
    try:
        yield
    finally:
        library.config.HF_HUB_OFFLINE = before


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
