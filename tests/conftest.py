"""A tiny real model, the embedded real one, and real measuring sessions in a process of their own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from benchmark.decoding.prepare import load
from benchmark.inputs.model_entry import load_models
from benchmark.models.hub import Hub
from benchmark.models.locate import locate
from benchmark.models.source import Machine
from benchmark.readout.loaded_model import LoadedModel
from benchmark.tools.tiny_models import tiny_model

# The first example of a test also pays for imports, and a busy machine is no defect: no example has a deadline.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

ROOT = Path(__file__).parent.parent

CHAT_TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)

_SENTENCES = (
    "Early exit stops at a layer once the prediction is already the right one.",
    "def add(first: int, second: int) -> int:",
    "How many layers could each token have skipped, with a perfect exit rule?",
)


def tiny_tokenizer(chat_template: str | None = None) -> PreTrainedTokenizerFast:
    """Byte-level BPE of about 300 tokens; it can encode any text, and its end of text is token 0."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<eos>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(_SENTENCES, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", chat_template=chat_template)


def save_tiny(folder: Path, chat_template: str | None = None, **config: Any) -> Path:
    """Save a random Llama of three layers and its tokenizer the way `save_pretrained` does; returns the folder.

    It names no end of text, its tokenizer does. `config` changes it.
    """
    plain: dict[str, Any] = {
        "vocab_size": 300,
        "num_hidden_layers": 3,
        "max_position_embeddings": 4096,
        "bos_token_id": None,
        "eos_token_id": None,
    }
    tiny_model("llama", "causal", **plain | config).save_pretrained(folder)
    tiny_tokenizer(chat_template).save_pretrained(folder)
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run whole sessions first: they take longest, and at the end one process would wait for the other."""
    items.sort(key=lambda item: "/sessions/" not in item.nodeid)


@pytest.fixture(scope="session")
def make_tiny() -> Callable[..., Path]:
    """`save_tiny`: for models that a test wants to change or damage."""
    return save_tiny


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny model with a chat template. Shared by all tests: copy it before changing anything."""
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny", chat_template=CHAT_TEMPLATE)


@pytest.fixture(scope="session")
def embedded() -> LoadedModel:
    """The embedded real model, SmolLM2-135M-Instruct, in float32 on the CPU; half a gigabyte. Not to be changed."""
    (spec, *_) = load_models(ROOT / "models.yaml")
    machine = Machine(torch.device("cpu"), "float32", trust_remote_code=False)
    return load(spec, locate(spec, Hub(download=False), machine), machine)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Compute on one thread: a tiny model has nothing to share out, and threads that wait for a busy core are slow."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@dataclass(frozen=True)
class Finished:
    """A process that has ended."""

    code: int
    output: str
    """Standard output and standard error, in the order in which they were written."""


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.Popen[str]]:
    """Start Python in the root of the checkout, free of settings of whoever runs the tests.

    `hf_home` and `cache` become HF_HOME and EXITBENCH_CACHE, empty folders when left out; other keywords are set in
    the environment as they stand. Output and errors come through one pipe.
    """

    def begin(
        *arguments: str | Path, hf_home: Path | None = None, cache: Path | None = None, **environment: str
    ) -> subprocess.Popen[str]:
        home = tmp_path_factory.mktemp("home")
        unwanted = ("PYTEST_", "HF_", "HUGGING", "TRANSFORMERS_", "EXITBENCH_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        folders = {"HF_HOME": str(hf_home or home / "hf"), "EXITBENCH_CACHE": str(cache or home / "cache")}
        return subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=ROOT,
            # One thread, for the same reason as in `one_thread`.
            env={**kept, **folders, "COLUMNS": "160", "OMP_NUM_THREADS": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return begin


@pytest.fixture(scope="session")
def run_suite(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., Finished]:
    """Run `pytest suites/` with the given arguments and return its exit code and output; keywords as for `start`.

    Of the oracle study, unless another is asked for: gates find no threshold for a model that guesses.
    """

    def run(*arguments: str | Path, **keywords: Any) -> Finished:
        study = () if {"--study", "--gate"} & {*arguments} else ("--study", "oracle")
        process = start("-m", "pytest", "suites/", "-p", "no:cacheprovider", *study, *arguments, **keywords)
        output, _ = process.communicate(timeout=300)
        return Finished(process.returncode, output)

    return run
