"""How many weights a GGUF file holds, against what the `gguf` package reads."""

from pathlib import Path

import gguf
import numpy as np
import pytest

from benchmark.models.gguf.header import num_weights, stored_as

WEIGHTS = 7 * 5 + 32 * 3 + 11


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A GGUF file with fields of every type, and tensors of one and two dimensions, one of them quantized."""
    return write(tmp_path / "model.gguf", gguf.GGUFEndian.LITTLE)


def write(path: Path, order: gguf.GGUFEndian) -> Path:
    writer = gguf.GGUFWriter(path, "llama", endianess=order)
    for kind in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"):
        getattr(writer, f"add_{kind}")(f"a.{kind}", 1)
    writer.add_bool("a.bool", True)
    writer.add_string("a.string", "☃" * 9)
    writer.add_array("tokens", ["one", "", "three"])
    writer.add_array("scores", [1.0, 2.0])
    writer.add_tensor("square", np.zeros((7, 5), dtype=np.float16))
    quantized = gguf.quantize(np.zeros((3, 32), dtype=np.float32), gguf.GGMLQuantizationType.Q4_0)
    writer.add_tensor("quantized", quantized, raw_dtype=gguf.GGMLQuantizationType.Q4_0)
    writer.add_tensor("bias", np.zeros(11, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_every_tensor_counts_whatever_its_type(file: Path):
    assert num_weights(file) == WEIGHTS
    assert num_weights(file) == sum(int(tensor.n_elements) for tensor in gguf.GGUFReader(file).tensors)


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q4_1", "Q8_0"])
def test_stored_as_is_the_type_of_most_weights(tmp_path: Path, kind: str):
    stored, weights = gguf.GGMLQuantizationType[kind], np.ones((64, 64), dtype=np.float32)
    writer = gguf.GGUFWriter(tmp_path / "model.gguf", "llama")
    for number in range(100):  # norms: many tensors of few weights
        writer.add_tensor(f"norm.{number}", np.ones(4, dtype=np.float32))
    writer.add_tensor("matrix", gguf.quantize(weights, stored), raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert stored_as(tmp_path / "model.gguf") == kind


def test_a_file_without_weights_is_stored_as_nothing(tmp_path: Path):
    writer = gguf.GGUFWriter(tmp_path / "model.gguf", "llama")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(ValueError, match=r"^it has no weights$"):
        stored_as(tmp_path / "model.gguf")


def test_a_file_of_the_other_byte_order(tmp_path: Path):
    assert num_weights(write(tmp_path / "big.gguf", gguf.GGUFEndian.BIG)) == WEIGHTS


def test_a_header_that_breaks_off_anywhere_is_noticed(file: Path, tmp_path: Path):
    content = file.read_bytes()
    # Behind the name of the last tensor are the number of its dimensions, their one length, its type and its place.
    end = content.index(b"bias") + len(b"bias") + 4 + 8 + 4 + 8
    cut = tmp_path / "cut.gguf"
    for size in range(5, end):
        cut.write_bytes(content[:size])
        with pytest.raises(ValueError, match="its header breaks off"):
            num_weights(cut)
    cut.write_bytes(content[:end])
    assert num_weights(cut) == WEIGHTS


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"GGUF\x03\0\0\0", b"GGUF\x01\0\0\0", "it is of version 1, which cannot be read"),
        (b"a.uint8\0", b"a.uint8\x63", "it has a field of the unknown type 99"),
        (b"bias\x01", b"bias\x09", "it has a tensor of 9 dimensions"),
        (b"a.string\x08\0\0\0\x1b\0", b"a.string\x08\0\0\0\xff\xff", "its header breaks off"),
        (b"a.string\x08\0\0\0\x1b" + b"\0" * 7, b"a.string\x08\0\0\0" + b"\xff" * 8, "its header breaks off"),
    ],
    ids=["version", "type", "dimensions", "string-beyond-the-end", "string-beyond-all-ends"],
)
def test_a_header_that_makes_no_sense_is_noticed(file: Path, old: bytes, new: bytes, message: str):
    content = file.read_bytes()
    assert content.count(old) == 1 and len(old) == len(new)
    file.write_bytes(content.replace(old, new))
    with pytest.raises(ValueError, match=f"^{message}$"):
        num_weights(file)
