"""Files of hub repositories: those already on this machine and, only when asked for, those to be fetched.

Without permission to download nothing here touches the network. With it, an unreachable hub is noticed at the first
request and remembered, so that forty models do not wait for forty time-outs.
"""

import json
import shutil
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub import constants, errors
from huggingface_hub.utils import validate_repo_id

from benchmark.errors import CannotRun, InputError, NotFetched
from benchmark.inputs.model_entry import ModelEntry
from benchmark.inputs.workload_entry import WorkloadEntry
from benchmark.messages import printable

REQUEST_SECONDS = 5.0
# In the order in which transformers looks for them: one file, or an index that names its shards.
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
_SMALL_FILES = ("*.json", "*.jinja", "*.txt", "*.model", "*.tiktoken")
_IN_FOLDERS = "*/*"

Describe = Callable[[str], str]
"""Turns a field name into the address of that field in the person's YAML file."""


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a model folder in the transformers layout; empty when any of them is missing."""
    name = next((name for name in _WEIGHTS if (folder / name).is_file()), None)
    if name is None:
        return []
    files = [folder / shard for shard in _shards(folder / name)]
    return files if all(file.is_file() for file in files) else []


def missing_weights(folder: Path) -> list[str]:
    """Return the names of weight files that the index in a model folder lists and that are not there."""
    indexes = [folder / name for name in _WEIGHTS if name.endswith(".json") and (folder / name).is_file()]
    return sorted({shard for index in indexes for shard in _shards(index) if not (folder / shard).is_file()})


class Hub:
    """The hub as one session sees it."""

    def __init__(self, download: bool) -> None:
        """Allow fetching only when `download` is true."""
        self.download = download
        self._unreachable: str | None = None

    def model_on_disk(self, spec: ModelEntry) -> Path | None:
        """Snapshot folder of a hub model whose files are all on this machine, or None."""
        config = huggingface_hub.try_to_load_from_cache(_id(spec), "config.json", revision=spec.revision)
        if not isinstance(config, str):
            return None
        folder = Path(config).parent
        return folder if weight_files(folder) else None

    def fetch_model(self, spec: ModelEntry, check: Callable[[Path, int], None]) -> Path:
        """Download a hub model and return its snapshot folder.

        `check(config_file, weight_bytes)` is called with the `config.json` and the size of the weight files before
        any weights are fetched, and raises CannotRun when they would be of no use here.

        Raises:
            CannotRun: the download was not asked for, the hub is out of reach, or the repository is gated.
            InputError: the id or the revision does not exist.
        """
        if not self.download:
            raise NotFetched(_size(spec))
        repo = _id(spec)
        info = self._info(repo, spec.revision, "model", spec.where)
        sizes = {item.rfilename: item.size or 0 for item in info.siblings or []}
        layout = next((name for name in _WEIGHTS if name in sizes), None)
        if layout is None:
            remedy, gguf = "name a repository that has", next((name for name in sizes if name.endswith(".gguf")), None)
            if gguf is not None:
                remedy += f", or one of its GGUF files as 'file', such as {printable(gguf)}"
            raise CannotRun(f"hub repository {repo} has no safetensors or PyTorch weights", remedy)
        if "config.json" not in sizes:
            raise CannotRun(f"hub repository {repo} has no config.json", "name a repository in the transformers layout")

        def small_file(name: str) -> Path:
            return self._get(repo, lambda: huggingface_hub.hf_hub_download(repo, name, revision=info.sha))

        config_file = small_file("config.json")
        weights = _shards(small_file(layout)) if layout.endswith(".index.json") else [layout]
        if not weights or not sizes.keys() >= set(weights):
            raise CannotRun(
                f"hub repository {repo} lacks weights that its {layout} names", "name a complete repository"
            )
        weight_bytes = sum(sizes[name] for name in weights)
        check(config_file, weight_bytes)
        _refuse_full_disk(weight_bytes)

        def snapshot(*patterns: str) -> Path:
            # By name of the branch, so that the cache remembers which commit the name stood for.
            return self._get(
                repo,
                lambda: huggingface_hub.snapshot_download(
                    repo, revision=spec.revision, allow_patterns=list(patterns), ignore_patterns=_IN_FOLDERS
                ),
            )

        # Weights come last: where they are complete, so is everything else.
        snapshot(*_SMALL_FILES, *(["*.py"] if spec.trust_remote_code else []))
        folder = snapshot(*weights)
        if not weight_files(folder):
            raise _broken_off("files are missing")
        return folder

    def gguf_on_disk(self, spec: ModelEntry) -> Path | None:
        """Path of the GGUF file of a hub repository, below the folder of its commit, or None if it is not here."""
        assert spec.file is not None
        cached = huggingface_hub.try_to_load_from_cache(_id(spec), spec.file, revision=spec.revision)
        return Path(cached) if isinstance(cached, str) else None

    def fetch_gguf(self, spec: ModelEntry, check: Callable[[int], None]) -> Path:
        """Download one GGUF file of a hub repository and nothing else of it; returns its path.

        `check(weights)` is called with their number before the file is fetched, where the hub or the entry says it,
        and raises CannotRun when it would be of no use.

        Raises:
            CannotRun: the download was not asked for, the hub is out of reach, or the repository is gated.
            InputError: the id, the revision or the file does not exist.
        """
        if not self.download:
            raise NotFetched(_size(spec))
        repo, file = _id(spec), spec.file
        assert file is not None
        info = self._info(repo, spec.revision, "model", spec.where)
        sizes = {item.rfilename: item.size or 0 for item in info.siblings or []}
        if file not in sizes:
            like = get_close_matches(file, sizes, n=1)
            nearest = f"; did you mean '{printable(like[0])}'?" if like else ""
            raise InputError(f"{spec.where('file')}: {repo} has no file '{file}'{nearest}")
        weights = (getattr(info, "gguf", None) or {}).get("total", spec.parameters)
        if type(weights) is int:
            check(weights)
        _refuse_full_disk(sizes[file])
        return self._get(repo, lambda: huggingface_hub.hf_hub_download(repo, file, revision=spec.revision))

    def dataset_file(self, spec: WorkloadEntry) -> Path:
        """Path of the data file of a hub workload, fetched if needed and allowed.

        Raises:
            CannotRun: it is not on this machine and cannot or may not be fetched.
            InputError: the id, the revision or the file does not exist.
        """
        source, repo = spec.source, spec.source.id
        assert repo is not None and source.file is not None
        cached = huggingface_hub.try_to_load_from_cache(
            repo, source.file, revision=source.revision, repo_type="dataset"
        )
        if isinstance(cached, str):
            return Path(cached)
        if not self.download:
            raise NotFetched(f"dataset {repo}")
        info = self._info(repo, source.revision, "dataset", lambda field: spec.where(f"source.{field}"))
        if source.file not in {item.rfilename for item in info.siblings or []}:
            raise InputError(f"{spec.where('source.file')}: {repo} has no file '{source.file}'")
        file, revision = source.file, source.revision
        return self._get(
            repo, lambda: huggingface_hub.hf_hub_download(repo, file, repo_type="dataset", revision=revision)
        )

    def _info(self, repo: str, revision: str | None, kind: str, where: Describe) -> Any:
        if self._unreachable is not None:
            raise CannotRun(self._unreachable, "check the network, or HF_ENDPOINT and HF_HUB_OFFLINE")
        try:
            return huggingface_hub.HfApi().repo_info(
                repo, revision=revision, repo_type=kind, files_metadata=True, timeout=REQUEST_SECONDS
            )
        except errors.GatedRepoError:
            raise _gated(repo) from None
        except errors.RevisionNotFoundError:
            raise InputError(f"{where('revision')}: {repo} has no revision '{revision}'") from None
        except errors.RepositoryNotFoundError:
            raise InputError(
                f"{where('id')}: no {kind} '{repo}' on the hub (or it is private and HF_TOKEN is not set)"
            ) from None
        except Exception as error:
            if (refusal := _answered(repo, error)) is not None:
                raise refusal from None
            # Whatever the HTTP library calls it: no answer, offline mode. One try is enough.
            self._unreachable = f"the hub cannot be reached ({type(error).__name__})"
            raise CannotRun(self._unreachable, "check the network, or HF_ENDPOINT and HF_HUB_OFFLINE") from None

    def _get(self, repo: str, fetch: Callable[[], str]) -> Path:
        try:
            return Path(fetch())
        except errors.GatedRepoError:
            raise _gated(repo) from None
        except Exception as error:
            if (refusal := _answered(repo, error)) is not None:
                raise refusal from None
            raise _broken_off(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from None


def _gated(repo: str) -> CannotRun:
    return CannotRun(
        f"hub repository {repo} is gated", f"accept its terms at {constants.ENDPOINT}/{repo} and set HF_TOKEN"
    )


def _answered(repo: str, error: Exception) -> CannotRun | None:
    """What an answer other than the one asked for says of this repository; None if there was no answer."""
    cause: BaseException | None = error
    # A download says that it did not find the file, and only behind that why.
    while cause is not None and getattr(cause, "response", None) is None:
        cause = cause.__cause__ or cause.__context__
    code = getattr(getattr(cause, "response", None), "status_code", None)
    if not isinstance(cause, errors.HfHubHTTPError) or code is None:
        return None
    if code in (401, 403):
        return CannotRun(f"the hub refuses access to {repo} (HTTP {code})", "check HF_TOKEN")
    if code == 429:
        return CannotRun(
            f"the hub has had too many requests and does not answer for {repo} (HTTP 429)",
            "wait some minutes, or set HF_TOKEN: it lets those who log in ask more often",
        )
    if code >= 500:
        return CannotRun(f"the hub has an error of its own at {repo} (HTTP {code})", "wait and run the command again")
    return None


def _broken_off(reason: str) -> CannotRun:
    return CannotRun(f"the download broke off ({reason})", "run the same command again to resume it")


def _id(spec: ModelEntry) -> str:
    assert spec.id is not None
    try:
        validate_repo_id(spec.id)
    except errors.HFValidationError as error:
        raise InputError(f"{spec.where('id')}: {' '.join(str(error).split())}") from None
    return spec.id


def _size(spec: ModelEntry) -> str:
    """Parameters, and what they weigh in 16 bit."""
    if spec.parameters is None:
        return "size unknown"
    return f"{spec.parameters / 1e9:.3g} B, {2 * spec.parameters / 1e9:.3g} GB"


def _shards(file: Path) -> list[str]:
    """Names of the weight files that `file` stands for: its own, or those an index names; none if it is damaged."""
    if not file.name.endswith(".index.json"):
        return [file.name]
    try:
        return sorted({Path(shard).name for shard in json.loads(file.read_bytes())["weight_map"].values()})
    except (ValueError, KeyError, TypeError, AttributeError):
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
