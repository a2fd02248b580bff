"""What is timed: a model and its prompts, and the three ways to decode them."""

import argparse
import copy
import string
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.cases.job import Job, run_job
from benchmark.cases.resources import Resources
from benchmark.decoding.batching import batches, padded
from benchmark.decoding.prepare import load, prepare
from benchmark.decoding.text.tokenize import encode
from benchmark.errors import InputError
from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.model_entry import ModelEntry, load_models
from benchmark.inputs.packaged import model_file
from benchmark.inputs.prompt import Prompt
from benchmark.inputs.prompts import read_prompts
from benchmark.inputs.selection import select
from benchmark.inputs.settings import CaptureSettings
from benchmark.inputs.workload_entry import WorkloadEntry
from benchmark.metrics.scoring import Scoring
from benchmark.models import hardware
from benchmark.models.hub import Hub
from benchmark.models.locate import locate
from benchmark.models.source import Machine, Source
from benchmark.readout.loaded_model import LoadedModel
from benchmark.readout.reader import Reader
from benchmark.results.row import Row
from benchmark.results.store import Store, read_trace
from benchmark.tools.perf.obvious import obvious_oracle
from benchmark.tools.perf.shapes import SHAPES, random_model
from benchmark.tools.tiny_models import tiny_tokenizer
from benchmark.trace.record import Trace

ExitsOfPrompts = dict[int, tuple[np.ndarray, np.ndarray]]
WAYS = ("plain", "obvious", "case")


@dataclass
class Measured:
    """What a case left."""

    trace: Trace
    row: Row
    products: int
    """States that were multiplied with the whole vocabulary to read them out."""


@dataclass
class Subject:
    """A model and what it is to decode, in three ways."""

    name: str
    job: Job
    source: Source
    loaded: LoadedModel
    prompts: list[list[int]]
    """Token ids of the prompts of the job."""
    measured: Measured = field(init=False)
    """What the last call of `case` left."""

    @property
    def max_new_tokens(self) -> int:
        """Tokens a prompt at most."""
        return self.job.workload.max_new_tokens

    @property
    def batch_size(self) -> int:
        """The most prompts decoded together."""
        return self.job.capture.batch_size or 1

    def plain(self) -> int:
        """Plain greedy `generate` over all prompts; returns the number of tokens."""
        tokens = 0
        with torch.inference_mode():
            for ids, mask, members in self._batches():
                out = self.loaded.model.generate(ids, attention_mask=mask, max_new_tokens=self.max_new_tokens)
                tokens += sum(len(self.text(out[row, ids.shape[1] :].tolist())) for row in range(len(members)))
        return tokens

    def obvious(self) -> ExitsOfPrompts:
        """The obvious oracle; returns matches and cosines of each prompt, positions × layers. Causal models only."""
        found = {}
        for ids, mask, members in self._batches():
            matches, cosines = obvious_oracle(self.loaded, ids, mask, self.max_new_tokens)
            for row, member in enumerate(members):
                found[member] = matches[row].cpu().numpy(), cosines[row].float().cpu().numpy()
        return found

    def case(self) -> None:
        """This project's case: decoding, all columns, all files written. Leaves what it gave in `measured`."""
        resources = Resources()
        resources.lend(self.job.entry, self.source, self.loaded)
        with tempfile.TemporaryDirectory() as folder, _readers() as readers:
            store = Store(Path(folder))
            row = run_job(self.job, store, resources=resources)
            path = store.path(row.model, row.workload, row.suite, row.configuration)
            products = sum(reader.products for reader in readers)
            self.measured = Measured(read_trace(path, row), row, products)

    def at_most(self, tokens: int) -> "Subject":
        """Return the same with texts that are shorter, and fewer where need be, so that it decodes no more tokens."""
        prompts = self.prompts[:tokens]
        new_tokens = min(self.max_new_tokens, tokens // len(prompts))
        workload = self.job.workload.model_copy(update={"max_new_tokens": new_tokens})
        return replace(self, job=replace(self.job, workload=workload), prompts=prompts)

    def text(self, ids: list[int]) -> list[int]:
        """Return token ids up to and including the first end of text."""
        ends = [place for place, token in enumerate(ids) if token in self.loaded.end_ids]
        return ids[: ends[0] + 1] if ends else ids

    def _batches(self) -> list[tuple[Tensor, Tensor, list[int]]]:
        """Token ids, attention mask and prompt numbers of the batches that `decode` makes."""
        made = []
        for members in batches(self.loaded, self.prompts, self.batch_size):
            prompts = [self.prompts[member] for member in members]
            made.append((*padded(prompts, self.loaded.pad_id, self.loaded.device, on_the_left=True), members))
        return made


def subject(options: argparse.Namespace) -> Subject:
    """Load what the command line names.

    Raises:
        InputError: it names nothing that is known.
        CannotRun: the model or the prompts are not on this machine.
    """
    device = hardware.choose_device(options.device)
    if options.random_config is not None:
        if options.random_config not in SHAPES:
            raise InputError(f"--random-config: '{options.random_config}' is not one of {', '.join(SHAPES)}")
        return random_subject(options, device)
    machine = Machine(device, options.dtype, trust_remote_code=False)
    hub = Hub(download=False)
    file = model_file(None)
    (entry, *_) = select(load_models(file), [options.model], "--model", str(file))
    (workload, *_) = select(load_workloads(), [options.workload], "--workload", "the workloads")
    source = locate(entry, hub, machine)
    prompts = read_prompts(workload, options.prompts, hub)
    name = f"{entry.name} × {workload.name}"
    return _subject(name, entry, workload, prompts, source, load(entry, source, machine), options)


def random_subject(options: argparse.Namespace, device: torch.device, **changes: int) -> Subject:
    """A random model of a published shape, `changes` made to its config, on random prompts of 128 tokens."""
    config = copy.deepcopy(SHAPES[options.random_config])
    for name, value in changes.items():
        setattr(config, name, value)
    dtype = getattr(torch, options.dtype or "bfloat16")
    loaded = prepare(random_model(config, device, dtype), tiny_tokenizer(), "causal")
    letters, draw = np.array(list(string.ascii_letters)), np.random.default_rng(0)
    texts = ["".join(draw.choice(letters, 128)) for _ in range(options.prompts)]
    prompts = [Prompt(id=str(number), messages=text) for number, text in enumerate(texts)]
    entry = ModelEntry(path="random", name=options.random_config)
    (workload, *_) = select(load_workloads(), ["humaneval"], "--workload", "the workloads")
    source = Source(Path("random"), revision="random", label="memory:random", in_memory="causal")
    return _subject(options.random_config, entry, workload, prompts, source, loaded, options)


def _subject(
    name: str,
    entry: ModelEntry,
    workload: WorkloadEntry,
    prompts: Sequence[Prompt],
    source: Source,
    loaded: LoadedModel,
    options: argparse.Namespace,
) -> Subject:
    workload = workload.model_copy(update={"max_new_tokens": options.max_new_tokens})
    capture = CaptureSettings(
        device=loaded.device.type,
        dtype=options.dtype,
        batch_size=options.batch_size,
        signals=options.signals,
    )
    job = Job(entry, workload, capture, Scoring(), tuple(prompts))
    chat = workload.kind == "chat" and loaded.tokenizer.chat_template is not None
    return Subject(name, job, source, loaded, encode(loaded.tokenizer, prompts, chat))


@contextmanager
def _readers() -> Iterator[list[Reader]]:
    """Inside the block every reader that is made is listed, to ask it what it has multiplied."""
    made: list[Reader] = []
    begin = Reader.__init__

    def listed(self: Reader, *arguments: Any, **keywords: Any) -> None:
        begin(self, *arguments, **keywords)
        made.append(self)

    Reader.__init__ = listed  # type: ignore[method-assign]
    try:
        yield made
    finally:
        Reader.__init__ = begin  # type: ignore[method-assign]
