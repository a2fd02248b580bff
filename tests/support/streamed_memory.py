"""Peak memory of tracing a model whose weights are streamed, and of its parts: run as a script, prints bytes as JSON.

The peak is the kernel's own high-water mark of resident memory, pages of mapped files included, so nothing is missed
that was there for a moment only. Run it with MALLOC_MMAP_THRESHOLD_ set, so that what is freed goes back to the system
at once: else the C library keeps some of it, how much is chance.
"""

import gc
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, MambaConfig, MixtralConfig, PretrainedConfig

from benchmark.decoding.engine import Limits
from benchmark.decoding.prepare import load, prepare
from benchmark.decoding.proven import capture_proven
from benchmark.inputs.model_entry import ModelEntry
from benchmark.models import hardware
from benchmark.models.hub import Hub
from benchmark.models.locate import locate
from benchmark.models.source import Machine
from benchmark.readout.loaded_model import LoadedModel
from benchmark.tools.tiny_models import VOCABULARY, tiny_tokenizer

CPU = torch.device("cpu")
LAYERS = 12
HEADS = {"num_attention_heads": 8, "num_key_value_heads": 8, "max_position_embeddings": 256}
CONFIGS: dict[str, Callable[..., PretrainedConfig]] = {
    "llama": lambda width, **sizes: LlamaConfig(hidden_size=width, intermediate_size=2 * width, **HEADS, **sizes),
    "mixtral": lambda width, **sizes: MixtralConfig(
        hidden_size=width // 2, intermediate_size=width, num_local_experts=4, **HEADS, **sizes
    ),
    "mamba": lambda width, **sizes: MambaConfig(hidden_size=width, **sizes),
}
TEXTS = {"the cat sat": [9, 9, 40], "a dog barked": [17], "hello there": [50, 60, 70], "hey": [33, 34]}


def save(kind: str, folder: Path, layers: int, width: int) -> Path:
    """Save a random model and a tokenizer; returns the folder."""
    config = CONFIGS[kind](width, num_hidden_layers=layers, vocab_size=VOCABULARY)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def trace(model: LoadedModel) -> None:
    """Trace some texts, as a case does."""
    prompts = [model.tokenizer(text).input_ids for text in TEXTS]
    capture_proven(model, prompts, Limits(3, len(TEXTS)), given=list(TEXTS.values()))


def streamed(folder: Path) -> int:
    """Bytes that the process grows by, at most, while a model whose weights are streamed is loaded and traces texts."""
    entry = ModelEntry.model_validate({"path": str(folder), "device_map": "stream"})
    machine = Machine(CPU, None, False)
    with growth() as grown:
        trace(load(entry, locate(entry, Hub(download=False), machine), machine))
    return grown[0]


def in_memory(folder: Path) -> tuple[int, int, int]:
    """Bytes of the weights outside the layers, of those of all layers, and that the process grows by beyond them.

    The latter are states: what the proofs and the trace hold while the model runs.
    """
    model = AutoModelForCausalLM.from_pretrained(folder)
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()  # it was a page of a file that nobody has read
    layers = sum(each.nbytes for path, each in model.named_parameters() if ".layers." in path)
    with growth() as grown:
        trace(prepare(model, AutoTokenizer.from_pretrained(folder), "causal"))
    return sum(each.nbytes for each in model.parameters()) - layers, layers, grown[0]


@contextmanager
def growth() -> Iterator[list[int]]:
    """Put into a list by how many bytes the process grows inside the block, at most."""
    grown: list[int] = []
    gc.collect()
    before = psutil.Process().memory_info().rss
    hardware.reset_peak_memory(CPU)
    yield grown
    grown.append(hardware.peak_memory(CPU) - before)


def compared(kind: str, folder: Path) -> dict[str, int]:
    """Bytes of all of these, by name."""
    small, large = save(kind, folder / f"small-{kind}", 2, 64), save(kind, folder / kind, LAYERS, 512)
    streamed(small), in_memory(small)  # code that runs for the first time takes memory, too
    outside, layers, states = in_memory(large)
    return {"streamed": streamed(large), "outside": outside, "layers": layers, "states": states}


if __name__ == "__main__":
    print(json.dumps({kind: compared(kind, Path(sys.argv[1])) for kind in CONFIGS}))
