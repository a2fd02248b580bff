"""Files of hub repositories: those already on this machine and, only when asked for, those to be fetched.

Without `--download` nothing here touches the network. With it, an unreachable hub is noticed at the first request and
remembered, so that forty models do not wait for forty time-outs.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub import constants, errors

from benchmark.errors import CannotRun, InputError
from benchmark.specs import ModelSpec, WorkloadSpec

REQUEST_SECONDS = 5.0
_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_SINGLES = ("model.safetensors", "pytorch_model.bin")
_SMALL_FILES = ("*.json", "*.jinja", "*.txt", "*.model", "*.tiktoken")

Describe = Callable[[str], str]
"""Turns a field name into the address of that field in the person's YAML file."""


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a model folder in the transformers layout; empty when any of them is missing."""
    for name in _INDEXES:
        if (folder / name).is_file():
            shards = sorted(set(json.loads((folder / name).read_text())["weight_map"].values()))
            files = [folder / Path(shard).name for shard in shards]
            return files if all(file.is_file() for file in files) else []
    return [folder / name for name in _SINGLES if (folder / name).is_file()][:1]


class Hub:
    """The hub as one session sees it."""

    def __init__(self, download: bool) -> None:
        """Allow fetching only when `download` is true."""
        self.download = download
        self._unreachable: str | None = None

    def model_on_disk(self, spec: ModelSpec) -> Path | None:
        """Snapshot folder of a hub model whose files are all on this machine, or None."""
        config = huggingface_hub.try_to_load_from_cache(_id(spec), "config.json", revision=spec.revision)
        if not isinstance(config, str):
            return None
        folder = Path(config).parent
        return folder if weight_files(folder) else None

    def fetch_model(self, spec: ModelSpec, check: Callable[[dict[str, Any], int], None]) -> Path:
        """Download a hub model and return its snapshot folder.

        `check(config, weight_bytes)` is called with the parsed `config.json` and the size of the weight files before
        any weights are fetched, and raises CannotRun when they would be of no use here.

        Raises:
            CannotRun: the download was not asked for, the hub is out of reach, or the repository is gated.
            InputError: the id or the revision does not exist.
        """
        if not self.download:
            raise CannotRun("not on this machine", "add --download to fetch it", _size(spec))
        info = self._info(_id(spec), spec.revision, "model", spec.where)
        sizes = {item.rfilename: item.size or 0 for item in info.siblings or []}
        weights = _wanted_weights(sizes)
        if not weights:
            raise CannotRun(
                f"hub repository {spec.id} has no safetensors or PyTorch weights", "name a repository that has"
            )
        config_file = self._get(lambda: huggingface_hub.hf_hub_download(_id(spec), "config.json", revision=info.sha))
        weight_bytes = sum(sizes[name] for name in weights)
        check(json.loads(Path(config_file).read_text()), weight_bytes)
        _refuse_full_disk(weight_bytes)
        patterns = [*_SMALL_FILES, *weights, *(["*.py"] if spec.trust_remote_code else [])]
        # By name of the branch, so that the cache remembers which commit the name stood for.
        folder = self._get(
            lambda: huggingface_hub.snapshot_download(_id(spec), revision=spec.revision, allow_patterns=patterns)
        )
        return Path(folder)

    def dataset_file(self, spec: WorkloadSpec) -> Path:
        """Path of the data file of a hub workload, fetched if needed and allowed.

        Raises:
            CannotRun: it is not on this machine and cannot or may not be fetched.
            InputError: the id, the revision or the file does not exist.
        """
        source, repo = spec.source, spec.source.id
        assert repo is not None
        cached = huggingface_hub.try_to_load_from_cache(
            repo, source.file, revision=source.revision, repo_type="dataset"
        )
        if isinstance(cached, str):
            return Path(cached)
        if not self.download:
            raise CannotRun("not on this machine", "add --download to fetch it", f"dataset {repo}")
        self._info(repo, source.revision, "dataset", spec.where)
        try:
            path = self._get(
                lambda: huggingface_hub.hf_hub_download(
                    repo, source.file, repo_type="dataset", revision=source.revision
                )
            )
        except errors.EntryNotFoundError:
            raise InputError(f"{spec.where('source.file')}: {repo} has no file '{source.file}'") from None
        return Path(path)

    def _info(self, repo: str, revision: str | None, kind: str, where: Describe) -> Any:
        if self._unreachable is not None:
            raise CannotRun(self._unreachable, "check the network, or HF_ENDPOINT and HF_HUB_OFFLINE")
        try:
            return huggingface_hub.HfApi().repo_info(
                repo, revision=revision, repo_type=kind, files_metadata=True, timeout=REQUEST_SECONDS
            )
        except errors.GatedRepoError:
            raise CannotRun(
                f"hub repository {repo} is gated",
                f"accept its terms at {constants.ENDPOINT}/{repo} and set HF_TOKEN",
            ) from None
        except errors.RevisionNotFoundError:
            raise InputError(f"{where('revision')}: {repo} has no revision '{revision}'") from None
        except errors.RepositoryNotFoundError:
            raise InputError(
                f"{where('id')}: no {kind} '{repo}' on the hub (or it is private and HF_TOKEN is not set)"
            ) from None
        except Exception as error:
            # Whatever the HTTP library calls it: no answer, a refusal, offline mode. One try is enough.
            self._unreachable = f"the hub cannot be reached ({type(error).__name__})"
            raise CannotRun(self._unreachable, "check the network, or HF_ENDPOINT and HF_HUB_OFFLINE") from None

    def _get(self, fetch: Callable[[], str]) -> str:
        try:
            return fetch()
        except errors.EntryNotFoundError:
            raise
        except errors.GatedRepoError as error:
            raise CannotRun("the hub repository is gated", "accept its terms there and set HF_TOKEN") from error
        except Exception as error:
            reason = f"the download broke off ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
            raise CannotRun(reason, "run the same command again to resume it") from None


def _id(spec: ModelSpec) -> str:
    assert spec.id is not None
    return spec.id


def _size(spec: ModelSpec) -> str:
    """Parameters, and what they weigh in 16 bit."""
    if spec.parameters is None:
        return "size unknown"
    return f"{spec.parameters / 1e9:.3g} B, {2 * spec.parameters / 1e9:.3g} GB"


def _wanted_weights(sizes: dict[str, int]) -> list[str]:
    """The weight files transformers would read: safetensors first, one layout only, nothing in sub-folders."""
    for stem, suffix in (("model", ".safetensors"), ("pytorch_model", ".bin")):
        index = f"{stem}{suffix}.index.json"
        if index in sizes:
            return [name for name in sizes if name.startswith(f"{stem}-") and name.endswith(suffix)]
        if f"{stem}{suffix}" in sizes:
            return [f"{stem}{suffix}"]
    return []


def _refuse_full_disk(needed: int) -> None:
    folder = Path(constants.HF_HUB_CACHE)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise CannotRun(
            f"needs {needed / 1e9:.3g} GB of disk, {free / 1e9:.3g} GB are free in {folder}",
            "make room, or set HF_HOME to a larger disk",
        )
