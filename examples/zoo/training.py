"""One model from its first step to its last checkpoint, resumable at any kill.

A plain loop, not transformers' `Trainer`: here the texts of a step, what is dropped and the learning rate are functions
of seed and step, so weights, optimizer and step in one file, replaced as a whole, are all there is to resume from, and
a run that was killed ends with the same bits. `Trainer` keeps its state in folders of several files, which a kill can
halve.
"""

import json
import math
import os
import shutil
import signal
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
import torch
import transformers
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from benchmark.atomic_files import atomic_file
from benchmark.cases.code.jail import end_with_parent
from benchmark.errors import ExitBenchError, InputError, MeasurementError
from examples.zoo.architectures import new_model
from examples.zoo.entries import Model
from examples.zoo.layerskip import exit_logits
from examples.zoo.tokens import CHAT_TEMPLATE, Examples, instruction_examples, text_examples, unigram_loss

RECORD = "training.json"
"""In each checkpoint's folder: what it was trained on and how, and its losses."""
_STATE = "state.pt"
_SAVED_EVERY = 60
"""Seconds after which the state is saved."""
_TOLD_EVERY = 20
"""Seconds after which progress is told."""
_HELD_OUT = 64
"""Held-out texts that the loss is of."""
_NOT_LEARNED = -100
"""Stands where the next token does not count."""


def train(model: Model, text: Path, home: Path, tell: Callable[[str], None]) -> None:
    """Train one model, or go on with it; its checkpoints are folders `checkpoint-STEP` below that of its name.

    Args:
        model: what to train.
        text: the folder that `prepare` has filled.
        home: folder of the models.
        tell: is told how far it is, in lines.

    Raises:
        InputError: the folder holds a model that was trained otherwise, or there is too little text.
        MeasurementError: a step gave no number, or there is no base model to be tuned.
    """
    torch.set_num_threads(1)  # a sum over several threads is another sum
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    _Training(model, text, home / model.name, tell).run()


def begin_worker() -> None:
    """Let a process that trains end with the command, however that ends: two would write one folder."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # without a word; the command has one


def train_or_tell(model: Model, text: Path, home: Path) -> str | None:
    """Train one model and print how far it is; returns what went wrong, in one line, so that the other models go on."""
    try:
        train(model, text, home, lambda line: print(line, flush=True))
    except ExitBenchError as error:
        return str(error)
    except Exception as error:  # whatever a model's code may raise
        return f"{model.name}: is left: {type(error).__name__}: {' '.join(str(error).split())}"
    return None


def seconds_a_step(model: Model, text: Path, steps: int = 6) -> float:
    """Return the CPU seconds of a step in the middle of training, the median of some; nothing is kept of it."""
    torch.set_num_threads(1)
    # A tuned model costs what its like costs from random weights, and needs no base then.
    training = _Training(Model(model.entry, model.seed), text, Path(), print)
    network = training._new()
    optimizer = training._optimizer(network)
    seconds = []
    for step in range(model.entry.steps // 2, model.entry.steps // 2 + steps):
        started = time.process_time()
        training._step(network, optimizer, step)
        seconds.append(time.process_time() - started)
    return float(np.median(seconds[1:]))


class _Training:
    def __init__(self, model: Model, text: Path, folder: Path, tell: Callable[[str], None]) -> None:
        self.entry, self.seed, self.name, self.base = model.entry, model.seed, model.name, model.base
        self.folder, self.tell = folder, tell
        self.identity = self._identity(text)
        self.tokenizer = PreTrainedTokenizerFast.from_pretrained(text, local_files_only=True)
        self.train, self.held_out = self._examples(text, "train"), self._examples(text, "held-out").some(_HELD_OUT)
        self.unigram = unigram_loss(self.train, self.held_out, len(self.tokenizer))

    def _examples(self, text: Path, part: str) -> Examples:
        if self.base is None:
            return text_examples(np.load(text / f"{part}.npy"), self.entry.context)
        return instruction_examples(text / f"{part}-instructions.jsonl", self.tokenizer, self.entry.context)

    def _identity(self, text: Path) -> dict[str, Any]:
        """All that decides the weights; JSON, so that it can be compared with what a file says."""
        return {
            "entry": self.entry.model_dump(mode="json", exclude={"seeds"}),
            "seed": self.seed,
            "corpus_sha256": sha256((text / "corpus.json").read_bytes()).hexdigest(),
            "base_sha256": None if self.base is None else self._base_record()["weights_sha256"],
            "torch": str(torch.__version__),
            "transformers": transformers.__version__,
            "tokenizers": tokenizers.__version__,
        }

    def _base_record(self) -> dict[str, Any]:
        """What the final checkpoint says of the model that this one is tuned from."""
        assert self.base is not None
        if not self._base.is_dir():
            raise MeasurementError(f"{self.name}: is left: its base model {self.base.name} was not trained to its end")
        record: dict[str, Any] = json.loads((self._base / RECORD).read_text(encoding="utf-8"))
        return record

    @property
    def _base(self) -> Path:
        assert self.base is not None
        return self.folder.parent / self.base.name / f"checkpoint-{self.base.entry.steps}"

    def run(self) -> None:
        """Take the steps that are left."""
        last = self.folder / f"checkpoint-{self.entry.steps}"
        if last.is_dir():
            self._refuse_other(json.loads((last / RECORD).read_text(encoding="utf-8")))
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        model = self._new()
        optimizer = self._optimizer(model)
        start = self._resume(model, optimizer)
        started, saved, told = time.monotonic(), time.monotonic(), -math.inf
        for step in range(start, self.entry.steps):
            loss = self._step(model, optimizer, step)
            done = step + 1
            if done in self.entry.saved_at:
                self._keep(model, done)
            now = time.monotonic()
            if now - saved > _SAVED_EVERY:
                self._save(model, optimizer, done)
                saved = now
            if now - told > _TOLD_EVERY or done == self.entry.steps:
                each = (now - started) / (done - start)
                left = each * (self.entry.steps - done) / 60
                progress = f"step {done} of {self.entry.steps}, loss {loss:.3f}"
                self.tell(f"{self.name}: {progress}, {each:.2f} s a step, {left:.0f} min left")
                told = now
        (self.folder / _STATE).unlink(missing_ok=True)

    def _new(self) -> PreTrainedModel:
        if self.base is None:
            return new_model(self.entry, self.seed, len(self.tokenizer))
        return AutoModelForCausalLM.from_pretrained(self._base, dtype=torch.float32)

    def _optimizer(self, model: PreTrainedModel) -> torch.optim.Optimizer:
        return torch.optim.AdamW(model.parameters(), lr=self.entry.learning_rate, betas=(0.9, 0.95), weight_decay=0.1)

    def _resume(self, model: PreTrainedModel, optimizer: torch.optim.Optimizer) -> int:
        """Put a saved state into model and optimizer; returns its step, 0 without one."""
        path = self.folder / _STATE
        if not path.exists():
            return 0
        try:
            state = torch.load(path, weights_only=True)
            self._refuse_other(state["identity"])
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            return int(state["step"])
        except InputError:
            raise
        except Exception as error:  # whatever a damaged file makes torch raise
            reason = type(error).__name__
            raise InputError(f"{self.name}: {path} cannot be read ({reason}); remove it to begin anew") from None

    def _refuse_other(self, record: dict[str, Any]) -> None:
        if other := [name for name, value in self.identity.items() if record.get(name) != value]:
            raise InputError(f"{self.name}: {self.folder} was trained with another {other[0]}; remove it to begin anew")

    def _save(self, model: PreTrainedModel, optimizer: torch.optim.Optimizer, step: int) -> None:
        states = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
        with atomic_file(self.folder / _STATE) as draft:
            torch.save({"identity": self.identity, "step": step, **states}, draft)

    def _step(self, model: PreTrainedModel, optimizer: torch.optim.Optimizer, step: int) -> float:
        model.train()
        batch = self.train.batch(step, self.entry.batch, self.seed)
        loss = self._loss(model, batch, step)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            what = f"step {step + 1}: the loss is {loss.item()}, its gradient {norm.item()}"
            raise MeasurementError(f"{self.name}: is left at {what}; lower its learning_rate")
        for group in optimizer.param_groups:
            group["lr"] = self.entry.learning_rate * _schedule(step, self.entry.steps)
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    def _loss(self, model: PreTrainedModel, batch: Examples, step: int) -> Tensor:
        ids = torch.from_numpy(batch.ids[:, :-1])
        if self.entry.exit_loss is not None:
            exits = exit_logits(model, self.entry.exit_loss, ids, step, self.entry.steps, self.seed)
            return torch.stack([weight * _cross_entropy(logits, batch) for weight, logits in exits]).sum()
        if self.entry.architecture == "moe":
            out = model(input_ids=ids, use_cache=False, output_router_logits=True)
            return _cross_entropy(out.logits, batch) + model.config.router_aux_loss_coef * out.aux_loss
        return _cross_entropy(model(input_ids=ids, use_cache=False).logits, batch)

    def _held_out_loss(self, model: PreTrainedModel) -> float:
        """Nats a token, over all that counts."""
        model.eval()
        total, size = 0.0, self.entry.batch
        with torch.inference_mode():
            for first in range(0, len(self.held_out), size):
                some = self.held_out.take(np.arange(first, min(first + size, len(self.held_out))))
                logits = model(input_ids=torch.from_numpy(some.ids[:, :-1]), use_cache=False).logits
                total += _cross_entropy(logits, some).item() * int(some.learned.sum())
        return total / int(self.held_out.learned.sum())

    def _keep(self, model: PreTrainedModel, step: int) -> None:
        """Write a checkpoint, under its name only when it is whole; a run that goes on from before it leaves it."""
        folder, draft = self.folder / f"checkpoint-{step}", self.folder / f".checkpoint-{step}"
        if folder.is_dir():
            self._refuse_other(json.loads((folder / RECORD).read_text(encoding="utf-8")))
            return
        shutil.rmtree(draft, ignore_errors=True)
        model.save_pretrained(draft)
        self.tokenizer.chat_template = None if self.base is None else CHAT_TEMPLATE
        self.tokenizer.save_pretrained(draft)
        weights = draft / "model.safetensors"
        record = {
            **self.identity,
            "step": step,
            "held_out_loss": self._held_out_loss(model),
            "unigram_loss": self.unigram,
            "weights_sha256": sha256(weights.read_bytes()).hexdigest(),
        }
        (draft / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
        # A row knows a folder by its small files, and by the time of its weights. Their hash is in the record, so the
        # same seed gives the same folder, and the same rows.
        os.utime(weights, (0, 0))
        draft.rename(folder)


def _cross_entropy(logits: Tensor, batch: Examples) -> Tensor:
    wanted = np.where(batch.learned, batch.ids[:, 1:], _NOT_LEARNED)
    return cross_entropy(logits.flatten(0, 1), torch.from_numpy(wanted).flatten(), ignore_index=_NOT_LEARNED)


def _schedule(step: int, steps: int) -> float:
    """Share of the learning rate at a step: up in the first twentieth, then down to a tenth as a cosine."""
    warm = max(1, steps // 20)
    if step < warm:
        return (step + 1) / warm
    return 0.55 + 0.45 * math.cos(math.pi * (step - warm) / max(1, steps - warm))
