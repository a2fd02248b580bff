"""From a `models.yaml` entry to files on this machine, or to the reason why it cannot run here.

Everything in this module is cheap: no weights are read, and nothing is downloaded before it is known to be of use.
"""

import difflib
import hashlib
import importlib.util
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from transformers import __version__ as transformers_version
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from benchmark import ranks
from benchmark.errors import CannotRun, InputError
from benchmark.inputs.model_entry import ModelEntry, Piece
from benchmark.messages import cut, printable
from benchmark.models import hardware
from benchmark.models.checkpoint import refuse_no_language_model, refuse_no_model
from benchmark.models.footprint import gguf_bytes, loaded_bytes, refuse_large, refuse_unfit_weights
from benchmark.models.gguf.convert import file_sha256, is_converted
from benchmark.models.gguf.header import num_weights
from benchmark.models.gguf.package import packaged_file, put_together
from benchmark.models.hub import Hub, weight_files
from benchmark.models.packed import quantization_of
from benchmark.models.source import Machine, Source
from benchmark.models.tasks import task_of

_SMALL_FILE = 50_000_000
_PART = re.compile(r"-\d{5}(-of-(\d{5})\.gguf)$", re.IGNORECASE)
"""How the parts of a model that was split are named."""
_STREAMED = ".safetensors"
_CPU = torch.device("cpu")


def locate(spec: ModelEntry, hub: Hub, machine: Machine) -> Source:
    """Find the files of one entry, fetching them when the hub is allowed to.

    Raises:
        CannotRun: not here and not to be fetched, too large, or something it needs is not installed.
        InputError: the entry names something that does not exist.
    """
    if spec.quantization is not None and importlib.util.find_spec("bitsandbytes") is None:
        raise CannotRun(f"quantization {spec.quantization} needs bitsandbytes", "python -m pip install bitsandbytes")
    if spec.parallel is not None:
        ranks.refuse_alone()
    if spec.trust_remote_code and not machine.trust_remote_code:
        raise CannotRun(
            "runs code of its own repository", "allow remote code if you trust it", setting="trust_remote_code"
        )
    if spec.package is not None:
        return _in_package(spec, machine)
    if spec.pieces is not None:
        return _in_pieces(spec, spec.pieces, machine)
    if spec.path is not None:
        return _on_disk(spec, machine)
    if spec.file is not None:
        return _in_repository(spec, spec.file, hub, machine)
    folder = hub.model_on_disk(spec)
    if folder is None:
        folder = hub.fetch_model(spec, lambda config_file, size: _refuse_unfit(spec, config_file, size, machine))
    else:
        _refuse_unfit_folder(spec, folder, machine)
    refuse_no_model(folder, spec.where("id"))
    return Source(folder, revision=folder.name, label=f"hub:{spec.id}")


def _in_repository(spec: ModelEntry, name: str, hub: Hub, machine: Machine) -> Source:
    """A GGUF file of the hub: the commit says which one it is."""
    _refuse_part(spec.where("file"), name)
    path = hub.gguf_on_disk(spec)
    if path is None:
        path = hub.fetch_gguf(spec, lambda weights: _refuse_unfit_gguf(spec, weights, machine))
    source = _gguf(spec, path, f"hub:{spec.id}/{name}", machine)
    commit = path.parents[len(Path(name).parts) - 1].name
    return replace(source, revision=commit)


def _in_package(spec: ModelEntry, machine: Machine) -> Source:
    assert spec.package is not None and spec.file is not None
    path, version = packaged_file(spec.package, spec.file, spec.where("file"))
    return _gguf(spec, path, f"package:{spec.package}=={version}", machine)


def _in_pieces(spec: ModelEntry, pieces: Sequence[Piece], machine: Machine) -> Source:
    """A GGUF file in several packages: the first one names it."""
    where = spec.where("pieces")
    packages = list(dict.fromkeys(piece.package for piece in pieces))
    found = [packaged_file(piece.package, piece.file, where, packages) for piece in pieces]
    path = put_together([path for path, _ in found], where)
    return _gguf(spec, path, f"package:{pieces[0].package}=={found[0][1]}", machine)


def _on_disk(spec: ModelEntry, machine: Machine) -> Source:
    path = spec.local_path
    assert path is not None
    where = spec.where("path" if spec.checkpoint is None else "revisions")
    try:
        is_file = path.is_file()
    except OSError as error:  # such as a name that is too long
        raise InputError(f"{where}: {error.strerror}: {cut(str(path))}") from None
    if is_file and spec.checkpoint is None:
        return _gguf(spec, path, printable(f"path:{path.name}"), machine)
    if not path.is_dir():
        raise InputError(f"{where}: no such {'file or folder' if spec.checkpoint is None else 'folder'}: {path}")
    refuse_no_model(path, where)
    _refuse_unfit_folder(spec, path, machine)
    digest = hashlib.sha256()
    weights = weight_files(path)
    for file in sorted(file for file in path.iterdir() if file.is_file()):
        stat = file.stat()
        # Weights by size and time; what is small, such as tokenizer, template and custom code, by its content.
        by_content = file not in weights and stat.st_size < _SMALL_FILE
        content = file_sha256(file) if by_content else f"{stat.st_size} {stat.st_mtime_ns}"
        digest.update(f"{file.name} {content}\n".encode())
    depth = 1 + len(Path(spec.checkpoint or "").parts)
    return Source(
        path, revision=f"folder:{digest.hexdigest()[:16]}", label=printable(f"path:{'/'.join(path.parts[-depth:])}")
    )


def _gguf(spec: ModelEntry, path: Path, label: str, machine: Machine) -> Source:
    where = spec.where(spec.source_field)
    if spec.streamed:
        raise InputError(f"{spec.where('device_map')}: 'stream' reads safetensors, and {path.name} is a GGUF file")
    _refuse_part(where, path.name)
    with path.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise InputError(f"{where}: {path} is not a GGUF file")
    try:
        weights = num_weights(path)
    except ValueError as error:
        raise InputError(f"{where}: {path} is not a complete GGUF file ({error}); fetch it again") from None
    loaded, _ = gguf_bytes(spec, machine, weights)
    refuse_unfit_weights(loaded, spec, machine)
    stat = path.stat()
    sha256 = _sha256(path, stat.st_size, stat.st_mtime_ns)
    if not is_converted(sha256):
        _refuse_unfit_gguf(spec, weights, machine)
    return Source(path, revision=f"sha256:{sha256}", label=label, sha256=sha256)


def _refuse_unfit_gguf(spec: ModelEntry, weights: int, machine: Machine) -> None:
    """Refuse a GGUF file that is too large to be converted, once, in main memory, or to be loaded then."""
    loaded, converted = gguf_bytes(spec, machine, weights)
    refuse_large(converted, hardware.free_memory(_CPU), _CPU, "use a larger machine")
    refuse_unfit_weights(loaded, spec, machine)


def _refuse_part(where: str, name: str) -> None:
    """Refuse one of the parts that a GGUF file was split into."""
    if part := _PART.search(name):
        first, whole = _PART.sub(r"-00001\1", name), _PART.sub(".gguf", name)
        raise InputError(
            f"{where}: {name} is one of {int(part[2])} parts of a model; put them together with "
            f"'llama-gguf-split --merge {first} {whole}' of llama.cpp, and give the whole as 'path'"
        )


@cache
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    """A file's hash, computed once a session for as long as the file stays the same."""
    return file_sha256(path)


def _refuse_unfit_folder(spec: ModelEntry, folder: Path, machine: Machine) -> None:
    _refuse_unfit(spec, folder / "config.json", weight_files(folder), machine)


def _refuse_unfit(spec: ModelEntry, config_file: Path, weights: Sequence[Path] | int, machine: Machine) -> None:
    """Hold a model's `config.json` and its weights, or their size in bytes, against this machine."""
    where = spec.where(spec.source_field)
    try:
        config = json.loads(config_file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: {config_file} is not JSON: {error}") from None
    if not isinstance(config, dict):
        raise InputError(f"{where}: {config_file} is not a JSON object")
    refuse_no_language_model(config, where)
    if task_of(config) is None and not spec.trust_remote_code:
        raise _unknown(config)
    if spec.quantization is not None and quantization_of(config) is not None:
        raise InputError(f"{spec.where('quantization')}: the checkpoint is quantized already; remove the field")
    if spec.streamed:
        _refuse_unstreamed(spec, config, weights)
    refuse_unfit_weights(loaded_bytes(spec, machine, config, weights), spec, machine, config)


def _refuse_unstreamed(spec: ModelEntry, config: dict[str, Any], weights: Sequence[Path] | int) -> None:
    """Refuse a model whose layers cannot be read one by one."""
    where = spec.where("device_map")
    if quantization_of(config) is not None:
        raise InputError(f"{where}: 'stream' reads weights as they are, and the checkpoint is quantized")
    if task_of(config) != "causal":
        raise InputError(f"{where}: 'stream' is for models that continue a text; remove the field")
    if not isinstance(weights, int) and (other := next((file for file in weights if file.suffix != _STREAMED), None)):
        raise InputError(f"{where}: 'stream' reads safetensors, not {other.name}; save the model with save_pretrained")


def _unknown(config: dict[str, Any]) -> CannotRun:
    """Return why transformers has no language model for a config."""
    kind = str(config.get("model_type"))
    of = f"transformers {transformers_version}"
    if "auto_map" in config:
        remedy = "add trust_remote_code: true to the entry, and allow it for the run, if you trust it"
        return CannotRun(f"has custom code, unknown to {of}", remedy)
    if kind in CONFIG_MAPPING_NAMES:
        what = f"is of type '{kind}', which {of} does not run on text alone"
        return CannotRun(what, "name a text-only model of its family")
    near = difflib.get_close_matches(kind, CONFIG_MAPPING_NAMES, 1)
    hint = f"if '{near[0]}' is meant, correct model_type in its config.json; else " if near else ""
    return CannotRun(f"is of type '{kind}', unknown to {of}", f"{hint}install a newer release of transformers")
