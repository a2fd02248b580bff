"""Conversion of GGUF files, on a tiny one that is written here."""

import os
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf_files import write_gguf
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerFast

from benchmark.atomic_files import lock_of
from benchmark.errors import InputError
from benchmark.models.gguf.convert import cache_folder, converted, file_sha256

TEXT = "How many layers could wé skip? ☃"


@pytest.fixture(scope="module")
def original(tiny_folder: Path) -> LlamaForCausalLM:
    return AutoModelForCausalLM.from_pretrained(tiny_folder)


@pytest.fixture(scope="module")
def tokenizer(tiny_folder: Path) -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(tiny_folder)


@pytest.fixture(scope="module")
def gguf_file(tmp_path_factory: pytest.TempPathFactory, original: LlamaForCausalLM, tokenizer: Any) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf", original, tokenizer)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache."""
    monkeypatch.setenv("EXITBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def convert(file: Path) -> Path:
    return converted(file, file_sha256(file), "models.yaml: tiny: path")


def cached(cache: Path) -> list[str]:
    """What is kept, apart from empty lock files."""
    return sorted(path.name for path in cache.rglob("*") if path.parent.name == "gguf" and path.suffix != ".lock")


def test_the_conversion_is_the_model_and_its_tokenizer(gguf_file, original, tokenizer):
    folder = convert(gguf_file)
    again = AutoTokenizer.from_pretrained(folder)
    assert again(TEXT).input_ids == tokenizer(TEXT).input_ids
    assert again.eos_token_id == tokenizer.eos_token_id
    ids = torch.tensor([tokenizer(TEXT).input_ids])
    torch.testing.assert_close(AutoModelForCausalLM.from_pretrained(folder)(ids).logits, original(ids).logits)


def test_the_second_call_converts_nothing(gguf_file, tmp_path):
    first = convert(gguf_file)
    times = {file: file.stat().st_mtime_ns for file in first.iterdir()}
    renamed = shutil.copy(gguf_file, tmp_path / "other.gguf")
    assert convert(Path(renamed)) == first
    assert {file: file.stat().st_mtime_ns for file in first.iterdir()} == times


@pytest.mark.parametrize("size", [0, 4, 30, 5000, -1], ids=lambda size: f"{size}-bytes")
def test_a_truncated_file_names_the_entry_and_leaves_nothing(gguf_file, cache, tmp_path, size):
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(gguf_file.read_bytes()[:size])
    with pytest.raises(InputError, match=r"^models.yaml: tiny: path: .*damaged.gguf is not a complete GGUF file") as e:
        convert(damaged)
    assert "\n" not in str(e.value)
    assert not cache.exists()


def test_a_tokenizer_that_makes_no_sense_is_one_line(gguf_file, cache, tmp_path):
    damaged = tmp_path / "damaged.gguf"
    # A merge of tokens that do not exist.
    damaged.write_bytes(gguf_file.read_bytes().replace(b"e x", b"e \x01", 1))
    with pytest.raises(InputError, match=r"^models.yaml: tiny: path: transformers cannot read"):
        convert(damaged)
    assert cached(cache) == []


def test_a_file_that_lacks_a_weight_is_refused_instead_of_filled_with_random_numbers(
    original, tokenizer, cache, tmp_path
):
    incomplete = write_gguf(tmp_path / "incomplete.gguf", original, tokenizer, without="blk.1.attn_q")
    with pytest.raises(InputError, match=r"lacks 1 weights of the model, such as model.layers.1.self_attn.q_proj"):
        convert(incomplete)
    assert cached(cache) == []


def test_what_other_versions_made_of_a_file_is_removed_and_that_of_other_files_is_kept(gguf_file, cache):
    folder = convert(gguf_file)
    key, _, versions = folder.name.partition("-")
    older = [folder.rename(folder.with_name(f"{key}-transformers5.17.0")), folder.with_name(f"{key}-old.draft")]
    other = folder.with_name(f"{key[::-1]}-{versions}")
    at_work = folder.with_name(f"{key}-torch2.12.0.draft")
    for made in (older[1], other, at_work):
        made.mkdir()
    lock_of(folder.with_name(f"{key}-torch2.12.0")).touch()
    assert convert(gguf_file) == folder
    assert not any(made.exists() for made in older)
    assert other.exists() and at_work.exists()


def test_a_conversion_that_cannot_be_written_leaves_nothing(gguf_file, cache, monkeypatch):
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"cannot write the cache: .*No space left on device; make room, or set"):
        convert(gguf_file)
    assert cached(cache) == []


def _without_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def _unreadable_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"config.json":')


def _cut_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])


def _without_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


@pytest.mark.parametrize("damage", [_without_manifest, _unreadable_manifest, _cut_weights, _without_tokenizer])
def test_a_half_written_folder_is_made_again(gguf_file, damage: Callable[[Path], None]):
    folder = convert(gguf_file)
    whole = {file.name: file.read_bytes() for file in folder.iterdir()}
    damage(folder)
    assert convert(gguf_file) == folder
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == whole


def test_what_a_killed_conversion_left_is_removed(gguf_file, cache):
    folder = convert(gguf_file)
    draft = folder.rename(folder.with_name(f"{folder.name}.draft"))
    (draft / "half-written.safetensors").touch()
    assert convert(gguf_file) == folder
    assert cached(cache) == [folder.name]
    assert not (folder / "half-written.safetensors").exists()


_CONVERT = """
import sys, time
from pathlib import Path
from benchmark.models.gguf.convert import converted, file_sha256
file, go = Path(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
while not go.exists():
    time.sleep(0.001)
folder = converted(file, file_sha256(file), "here")
print(folder, folder.stat().st_ino)
"""


def test_two_processes_at_once_convert_it_once(gguf_file, cache, tmp_path, start):
    processes = [start("-c", _CONVERT, gguf_file, tmp_path / "go", cache=cache) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    (tmp_path / "go").touch()
    outputs = [process.communicate(timeout=120)[0].splitlines()[-1] for process in processes]
    assert outputs[0] == outputs[1]
    assert cached(cache) == [Path(outputs[0].split()[0]).name]


def test_a_cache_that_cannot_be_written_says_so(gguf_file, cache):
    cache.write_text("a file where the folder should be")
    with pytest.raises(InputError, match=r"cannot write the cache: .*set EXITBENCH_CACHE"):
        convert(gguf_file)


def test_a_cache_without_room_is_one_line_and_takes_none(gguf_file, cache):
    limits, action = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(
            InputError, match=r"cannot write the cache: .*too large.*; make room, or set EXITBENCH_CACHE"
        ):
            convert(gguf_file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, action)
    assert [file for file in cache.rglob("*") if file.is_file()] == []


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("EXITBENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "exitbench"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "exitbench"
