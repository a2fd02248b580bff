"""Where the files of a model are, and the machine that is to run it."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmark.models.tasks import task_of
from benchmark.trace.costs import Task


@dataclass(frozen=True)
class Source:
    """Where the files of a model are, and what exactly they are."""

    path: Path
    """Folder in the transformers layout, or a GGUF file."""
    revision: str
    """Hub commit, `sha256:…` of a GGUF file, or `folder:…`, a fingerprint of a local folder."""
    label: str
    """How the row names it, without paths of this machine: `hub:…`, `package:…`, `path:…`."""
    sha256: str | None = None
    """Of a GGUF file's content, in hexadecimal; None for a folder."""

    in_memory: Task | None = None
    """How a model that is in memory already is run; None for one in files, whose config says it."""

    @property
    def is_gguf(self) -> bool:
        """Whether the source is a single GGUF file."""
        return self.path.is_file()

    @property
    def task(self) -> Task:
        """How the model is run; GGUF files hold causal models."""
        if self.in_memory is not None:
            return self.in_memory
        config = {} if self.is_gguf else json.loads((self.path / "config.json").read_bytes())
        return task_of(config) or "causal"


@dataclass(frozen=True)
class Machine:
    """What the requirements of a model are held against."""

    device: torch.device
    dtype: str | None
    """Type of the weights, which wins over the entry's; None leaves it to that."""
    trust_remote_code: bool
    """Whether code of a repository may run; the entry must say so as well."""
