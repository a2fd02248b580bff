"""GGUF files, converted once to what transformers loads in a second.

Reading a GGUF takes tens of seconds each time, so the de-quantized weights and the tokenizer are kept as safetensors in
a cache folder. Its key is made of the file's content and of the versions that took part in the conversion.
"""

import hashlib
import json
import os
import shutil
from importlib.metadata import version
from pathlib import Path

import gguf
import torch
import transformers

from benchmark.atomic_files import lock_of, locked, sync
from benchmark.errors import InputError
from benchmark.models.gguf.fidelity import refuse_another_model

_MANIFEST = "manifest.json"
_DRAFT = ".draft"
_RULES = 2
"""Raised when conversions that were accepted before have to be looked at again."""


def cache_folder() -> Path:
    """Where converted models are kept: `$EXITBENCH_CACHE`, else `exitbench` in the user's cache folder."""
    if folder := os.environ.get("EXITBENCH_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "exitbench"


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def conversion(sha256: str) -> Path:
    """Folder where this installation keeps what it makes of a GGUF file with this hash; it need not be there."""
    versions = "-".join(f"{name}{version(name)}" for name in ("transformers", "torch", "gguf"))
    return cache_folder() / "gguf" / f"{_key(sha256)}-rules{_RULES}-{versions}"


def is_converted(sha256: str) -> bool:
    """Whether a GGUF file with this hash has been converted here, and what was made of it is whole."""
    return _complete(conversion(sha256))


def _key(sha256: str) -> str:
    return sha256[:16]


def converted(path: Path, sha256: str, where: str) -> Path:
    """Folder with the converted model of a GGUF file; converts it the first time.

    Two processes that need the same conversion wait for one another; a conversion that was interrupted leaves no folder
    under the key, and one that was damaged later is made again.

    Args:
        path: the GGUF file.
        sha256: its `file_sha256`.
        where: address of the YAML field that named it, for the error.

    Raises:
        InputError: the file is not a complete GGUF that transformers can read as the model that it is, or the cache
            cannot be written.
    """
    folder = conversion(sha256)
    if _complete(folder):
        return folder
    reader = _whole(path, where)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            if not _complete(folder):
                _convert(path, reader, folder, where)
                _remove_older(folder, _key(sha256))
    except OSError as error:
        remedy = "make room, or set EXITBENCH_CACHE"
        raise InputError(f"{folder.parent}: cannot write the cache: {error}; {remedy}") from None
    return folder


def _convert(path: Path, reader: gguf.GGUFReader, folder: Path, where: str) -> None:
    draft = folder.with_name(f"{folder.name}{_DRAFT}")
    # Only the holder of the lock comes here, so what is left over belongs to nobody.
    for remains in (draft, folder):
        shutil.rmtree(remains, ignore_errors=True)
    # Older releases always de-quantize; newer ones would keep the blocks where a kernel for them is installed.
    config_class = getattr(transformers, "GgufConfig", None)
    options = {"quantization_config": config_class(dequantize=True)} if config_class else {}
    try:
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            path.parent,
            gguf_file=path.name,
            dtype=torch.float32,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are refused below, with the field that is the reason
            **options,
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, local_files_only=True)
    except Exception as error:
        # A header that makes no sense ends in many kinds of errors, a plain `Exception` of the tokenizer among them.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{where}: transformers cannot read the GGUF file {path}: {reason}") from None
    # What the file lacks, transformers fills in at random; such a model must not be measured.
    if absent := sorted(report["missing_keys"]):
        raise InputError(f"{where}: {path} lacks {len(absent)} weights of the model, such as {absent[0]}")
    refuse_another_model(reader, model, report, f"{where}: {path}")
    try:
        model.save_pretrained(draft)
        tokenizer.save_pretrained(draft)
        for file in draft.iterdir():
            sync(file)
        sizes = {file.name: file.stat().st_size for file in draft.iterdir()}
        (draft / _MANIFEST).write_text(json.dumps(sizes), encoding="utf-8")
        draft.rename(folder)
    except Exception as error:
        # safetensors and tokenizers have errors of their own for a disk that is full. What was written only fills it.
        shutil.rmtree(draft, ignore_errors=True)
        raise OSError(" ".join(str(error).split())[:200]) from None


def _remove_older(folder: Path, key: str) -> None:
    """Remove what other versions made of the same file, and what they left half made."""
    for other in folder.parent.glob(f"{key}-*"):
        made = other.with_name(other.name.removesuffix(_DRAFT))
        # Somebody is at work on it; the lock is there only as long.
        if other != folder and not lock_of(made).exists():
            shutil.rmtree(other, ignore_errors=True)


def _complete(folder: Path) -> bool:
    try:
        sizes = json.loads((folder / _MANIFEST).read_text())
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


def _whole(path: Path, where: str) -> gguf.GGUFReader:
    """A truncated file fails here at once, instead of deep inside the conversion."""
    try:
        return gguf.GGUFReader(path)
    except (ValueError, IndexError, KeyError, OSError) as error:
        raise InputError(
            f"{where}: {path} is not a complete GGUF file ({' '.join(str(error).split())[:120]}); fetch it again"
        ) from None
