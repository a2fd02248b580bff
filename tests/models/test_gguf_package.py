"""GGUF files in installed packages, whole or in pieces."""

import hashlib
from pathlib import Path

import gguf
import pytest
import torch
import yaml

from benchmark.errors import CannotRun, InputError
from benchmark.inputs.model_entry import load_models
from benchmark.models.gguf_package import put_together
from benchmark.models.hub import Hub
from benchmark.models.locate import locate
from benchmark.models.source import Machine, Source

CPU = Machine(device=torch.device("cpu"), dtype=None, trust_remote_code=False)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EXITBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def install(folder: Path, name: str, content: bytes) -> None:
    """Put a distribution with one data file where packages are looked for."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (folder / name).mkdir()
    (folder / name / "part").write_bytes(content)


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    """Of a GGUF file without tensors, which is all that is looked at before a model is loaded."""
    writer = gguf.GGUFWriter(tmp_path / "whole.gguf", "llama")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return (tmp_path / "whole.gguf").read_bytes()


def find(tmp_path: Path, *packages: str) -> Source:
    pieces = [{"package": package, "file": f"{package}/part"} for package in packages]
    (file := tmp_path / "models.yaml").write_text(yaml.safe_dump({"models": [{"name": "entry", "pieces": pieces}]}))
    (spec,) = load_models(file)
    return locate(spec, Hub(download=False), CPU)


def test_pieces_of_several_packages_are_one_file(tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch):
    middle = len(content) // 2
    install(tmp_path / "site", "first", content[:middle])
    install(tmp_path / "site", "second", content[middle:])
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    source = find(tmp_path, "first", "second")
    assert source.path.read_bytes() == content
    assert (source.label, source.revision) == ("package:first==1.0", f"sha256:{hashlib.sha256(content).hexdigest()}")
    made = source.path.stat().st_mtime_ns
    assert find(tmp_path, "first", "second").path.stat().st_mtime_ns == made  # it is not made twice


def test_pieces_in_another_order_are_no_model(tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch):
    middle = len(content) // 2
    install(tmp_path / "site", "first", content[:middle])
    install(tmp_path / "site", "second", content[middle:])
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    with pytest.raises(InputError, match=r"entry: pieces: .* is not a GGUF file"):
        find(tmp_path, "second", "first")


def test_the_remedy_names_all_packages(tmp_path: Path):
    with pytest.raises(CannotRun, match=r"package no-such is not installed; .* --no-deps no-such nor-this$"):
        find(tmp_path, "no-such", "nor-this")


def test_pieces_that_were_replaced_are_put_together_again(tmp_path: Path):
    pieces = [tmp_path / "a", tmp_path / "b"]
    for piece in pieces:
        piece.write_bytes(b"1")
    first = put_together(pieces, "here")
    pieces[1].write_bytes(b"22")
    assert put_together(pieces, "here").read_bytes() == b"122"
    assert first.read_bytes() == b"11"


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path, cache: Path):
    (tmp_path / "a").write_bytes(b"1")
    cache.write_text("a file")
    with pytest.raises(InputError, match=r"here: .*: cannot write the cache: .*; set EXITBENCH_CACHE"):
        put_together([tmp_path / "a", tmp_path / "a"], "here")
