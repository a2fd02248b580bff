"""What is timed: a model and its prompts, and the three ways to decode them."""

import argparse
import copy
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmark.decoding.batching import batches, padded
from benchmark.decoding.buffer import Capture, capture
from benchmark.decoding.engine import Limits
from benchmark.decoding.generate import Generate
from benchmark.decoding.tokenize import encode
from benchmark.errors import InputError
from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.model_entry import load_models
from benchmark.inputs.prompts import read_prompts
from benchmark.inputs.selection import select
from benchmark.metrics.experiments import EXPERIMENTS, TAU, Choices
from benchmark.models import hardware
from benchmark.models.hub import Hub
from benchmark.models.locate import Machine, locate
from benchmark.models.weights import load, prepare
from benchmark.readout.loaded_model import LoadedModel
from benchmark.tools.perf.obvious import obvious_oracle
from benchmark.tools.perf.shapes import SHAPES, random_model
from benchmark.tools.tiny_models import tiny_tokenizer
from benchmark.trace.costs import cost_columns

Found = dict[int, tuple[np.ndarray, np.ndarray]]
WAYS = ("plain", "obvious", "case")


@dataclass
class Subject:
    """A model and what it is to decode, in three ways."""

    name: str
    loaded: LoadedModel
    prompts: list[list[int]]
    max_new_tokens: int
    batch_size: int

    def __post_init__(self) -> None:
        """Nothing is captured yet."""
        self.capture: Capture

    def plain(self) -> int:
        """Plain greedy `generate` over all prompts; returns the number of tokens."""
        tokens = 0
        with torch.inference_mode():
            for ids, mask, members in self._batches():
                out = self.loaded.model.generate(ids, attention_mask=mask, max_new_tokens=self.max_new_tokens)
                tokens += sum(len(self._text(out[row, ids.shape[1] :].tolist())) for row in range(len(members)))
        return tokens

    def obvious(self) -> Found:
        """The obvious oracle; returns matches and cosines of each prompt, positions × layers. Causal models only."""
        found = {}
        for ids, mask, members in self._batches():
            matches, cosines = obvious_oracle(self.loaded, ids, mask, self.max_new_tokens)
            for row, member in enumerate(members):
                found[member] = matches[row].cpu().numpy(), cosines[row].float().cpu().numpy()
        return found

    def case(self) -> None:
        """This project's case: decoding, all columns, all files written. Leaves its capture in `capture`."""
        self.capture = capture(Generate(), self.loaded, self.prompts, Limits(self.max_new_tokens, self.batch_size))
        choices = Choices(0.5, 0, TAU, self.loaded.costs)
        columns = cost_columns(self.loaded.costs)
        with tempfile.TemporaryDirectory() as folder:
            self.capture.trace.write_parquet(Path(folder, "tokens.parquet"))
            for experiment in EXPERIMENTS.values():
                columns |= experiment(self.capture.trace, choices)
                Path(folder, "row.json").write_text(json.dumps(columns), encoding="utf-8")

    def _text(self, ids: list[int]) -> list[int]:
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
            raise InputError(f"--random-config: '{options.random_config}' is none of {', '.join(SHAPES)}")
        return random_subject(options, device)
    machine = Machine(device, options.dtype, trust_remote_code=False)
    hub = Hub(download=False)
    (spec, *_) = select(load_models(Path("models.yaml")), [options.model], "--model", "models.yaml")
    (workload, *_) = select(load_workloads(), [options.workload], "--workload", "the workloads")
    loaded = load(spec, locate(spec, hub, machine), machine)
    texts = read_prompts(workload, options.prompts, hub)
    prompts = encode(loaded.tokenizer, texts, workload.kind == "chat" and loaded.tokenizer.chat_template is not None)
    name = f"{spec.name} × {workload.name}"
    return Subject(name, loaded, [list(ids) for ids in prompts], options.max_new_tokens, options.batch_size)


def random_subject(options: argparse.Namespace, device: torch.device, **changes: int) -> Subject:
    """A random model of a published shape, `changes` made to its config, on random prompts of 128 tokens."""
    config = copy.deepcopy(SHAPES[options.random_config])
    for name, value in changes.items():
        setattr(config, name, value)
    dtype = getattr(torch, options.dtype or "bfloat16")
    loaded = prepare(random_model(config, device, dtype), tiny_tokenizer(), "causal")
    numbers = np.random.default_rng(0).integers(loaded.readout.vocab_size, size=(options.prompts, 128))
    return Subject(options.random_config, loaded, numbers.tolist(), options.max_new_tokens, options.batch_size)
