"""An entry of `models.yaml`: where the weights are, what only people know, and how to load them.

YAML is read as plain data: it can build no objects, and a field that is not declared here is refused.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from benchmark.errors import InputError
from benchmark.inputs.checkpoints import Checkpoint, Revision, Revisions, refuse_clashes
from benchmark.inputs.fields import (
    NAME,
    NAME_LENGTH,
    Dtype,
    HomePath,
    HubId,
    InnerPath,
    Name,
    ReleaseDate,
    Stage,
    at_home,
)
from benchmark.inputs.yaml_reader import Strict, explain, read_yaml
from benchmark.messages import printable, suggest

_TITLES = ("name", "id", "path", "file")  # what an error calls an entry by


_Package = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class Piece(Strict):
    """A piece of a GGUF file that one Python distribution was too small for."""

    package: _Package
    """Installed Python distribution. It is read as data and never imported."""
    file: InnerPath
    """The piece inside it."""


class ModelEntry(Strict):
    """One entry of `models.yaml`: where the weights are, what only people know, and how to load them."""

    id: HubId | None = None
    """Hub id, `organization/name`. Give exactly one of `id`, `path`, `pieces`, or `package` with `file`."""
    revision: Revision | None = None
    """Branch, tag or commit of the hub repository; `main` when left out."""
    revisions: Revisions = None
    """Training checkpoints, each measured as a model of its own: branches, tags or commits of `id`, or subfolders of
    `path`. A name such as `step1000`, or `{revision: name, step: 1000}` where the name does not tell the step."""
    path: HomePath | None = None
    """Local folder in the transformers layout, or a GGUF file; relative to the YAML file."""
    package: _Package | None = None
    """Installed Python distribution that carries a GGUF file. It is read as data and never imported."""
    file: InnerPath | None = None
    """The GGUF file inside `package`, or inside the hub repository `id`, of which nothing else is fetched then."""
    pieces: Annotated[list[Piece], Field(min_length=2)] | None = None
    """A GGUF file that was cut into pieces, each in a package of its own, in their order."""

    name: Name = ""
    """Unique name of the entry; by default the last part of `id` (with `@revision`), or the name of the file. Each of
    `revisions` has it with `@` and its own name, such as `pythia-160m@step1000`."""
    family: str | None = None
    """The line of models it belongs to, such as `Llama` or `Qwen`."""
    released: ReleaseDate | None = None
    """Release date, YYYY-MM-DD, YYYY-MM or YYYY."""
    stage: Stage | None = None
    """What kind of training it ended with."""
    base_model: str | None = None
    """Hub id, or name in the results, of the model it was tuned, continued or distilled from."""
    parameters: Annotated[int, Field(gt=0)] | None = None
    """Published number of parameters; tells the size before anything is downloaded."""

    dtype: Dtype = "auto"
    """Type of the weights; `auto` is what the checkpoint was saved in."""
    device_map: Literal["auto", "balanced", "sequential", "stream"] | None = None
    """Spread the model over several devices, as accelerate does; or `stream`: read each layer's weights from the files
    when it runs, for a model that is larger than the memory, on texts that are given."""
    parallel: Literal["tensor", "expert"] | None = None
    """Spread the model over the processes that torchrun started: each holds a part of every matrix, or some of the
    experts."""
    quantization: Literal["8bit", "4bit"] | None = None
    """Quantize while loading, with bitsandbytes."""
    chat_template: bool | None = None
    """Feed chat workloads through the tokenizer's chat template; by default when it has one."""
    batch_size: Annotated[int, Field(gt=0)] | None = None
    """Prompts decoded together."""
    trust_remote_code: bool = False
    """Let the repository's own Python code run; needs `--trust-remote-code` on the command line as well."""

    unused_weights: list[Annotated[str, Field(min_length=1)]] | None = None
    """Names of tensors in the checkpoint that are no part of the language model and are left aside; `*` stands for any
    part of a name. Others that the model does not take are refused."""
    layer_stack: Annotated[str, Field(min_length=1)] | None = None
    """Module path of the list of layers, for a model whose layers are not found by watching it run."""
    seam: Annotated[str, Field(min_length=1)] | None = None
    """Module path of the first module behind the layers, likewise."""

    _file: str = PrivateAttr(default="")
    _checkpoint: Checkpoint | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _default_name(cls, data: Any) -> Any:
        if isinstance(data, dict) and "name" not in data:
            # A repository of GGUF files has one for each way to quantize, so there the file names the model.
            source = data.get("file") or data.get("id") or data.get("path")
            if isinstance(source, str) and source:
                name = re.sub(r"\.gguf$", "", Path(source).name, flags=re.IGNORECASE)
                revision = data.get("revision", "main")
                name += f"@{revision}" if revision != "main" and data.get("id") else ""
                if re.fullmatch(NAME, name) and len(name) <= NAME_LENGTH:
                    return {**data, "name": name}
        return data

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = [field for field in ("id", "path", "package", "pieces") if getattr(self, field) is not None]
        if len(sources) != 1:
            given = " and ".join(f"'{field}'" for field in sources) or "none of them"
            raise ValueError(f"give exactly one of 'id', 'path', 'package' or 'pieces' as the source, not {given}")
        if self.package is not None and self.file is None:
            raise ValueError("'package' and 'file' belong together")
        if self.file is not None and self.path is not None:
            raise ValueError("'file' needs 'package' or 'id'; 'path' names the file itself")
        if self.file is not None and self.pieces is not None:
            raise ValueError("'file' needs 'package' or 'id'; 'pieces' name files of their own")
        if self.file is not None and self.id is not None and not self.file.lower().endswith(".gguf"):
            raise ValueError("'file' names a GGUF file of the repository; leave it out for a model of transformers")
        if self.revision is not None and self.id is None:
            raise ValueError("'revision' needs 'id'; local files have no revisions")
        if not self.name:
            raise ValueError("the source makes no usable name; give a 'name'")
        return self

    @model_validator(mode="after")
    def _one_way_to_spread(self) -> Self:
        if self.parallel is not None and self.device_map is not None:
            raise ValueError("'parallel' and 'device_map' do not go together; give one way to spread the model")
        return self

    @model_validator(mode="after")
    def _can_be_streamed(self) -> Self:
        if self.streamed and self.quantization is not None:
            raise ValueError("'quantization' and 'device_map: stream' do not go together; remove one of them")
        if self.streamed and self.trust_remote_code:
            raise ValueError("'device_map: stream' runs no code of a repository; remove one of the two fields")
        return self

    @model_validator(mode="after")
    def _usable_revisions(self) -> Self:
        if self.revisions is None:
            return self
        if self.revision is not None:
            raise ValueError("'revision' and 'revisions' do not go together; list all of them under 'revisions'")
        if self.file or self.pieces or (self.path or "").lower().endswith(".gguf"):
            raise ValueError("'revisions' needs 'id' or a folder as 'path'; a GGUF file has none")
        refuse_clashes(self.revisions, self.name, NAME_LENGTH)
        return self

    def models(self) -> list[Self]:
        """What is measured: a spec for each of `revisions`, in their order, or this one alone."""
        return [self] if self.revisions is None else [self._at(checkpoint) for checkpoint in self.revisions]

    def _at(self, checkpoint: Checkpoint) -> Self:
        revision = checkpoint.revision if self.id is not None else None
        spec = self.model_copy(update={"name": checkpoint.name(self.name), "revision": revision, "revisions": None})
        spec._checkpoint = checkpoint
        return spec

    @property
    def streamed(self) -> bool:
        """Whether the weights of each layer are read when it runs."""
        return self.device_map == "stream"

    @property
    def checkpoint(self) -> str | None:
        """Name of the training checkpoint, one of the entry's `revisions`; None for an entry that lists none."""
        return None if self._checkpoint is None else self._checkpoint.revision

    @property
    def training_step(self) -> int | None:
        """Its training step; None when it is not known."""
        return None if self._checkpoint is None else self._checkpoint.training_step

    def where(self, field: str) -> str:
        """Address of a field for an error message, such as `models.yaml: Qwen3-8B: id`."""
        written = "revisions" if field == "revision" and self._checkpoint is not None else field
        return f"{printable(self._file)}: {self.name}: {written}"

    @property
    def source_field(self) -> str:
        """The field that names the files, for `where`."""
        return next(field for field in ("file", "id", "pieces", "path") if getattr(self, field) is not None)

    @property
    def local_path(self) -> Path | None:
        """`path`, resolved against the folder of the YAML file; of a checkpoint, its subfolder."""
        if self.path is None:
            return None
        return Path(self._file).parent / at_home(self.path) / (self.checkpoint or "")


def load_models(path: Path) -> list[ModelEntry]:
    """Read `models.yaml`; an entry with `revisions` gives a spec for each.

    Raises:
        InputError: with one line a problem, each naming the file, the entry and the field.
    """
    document, file = read_yaml(path), printable(path)
    if not isinstance(document, dict) or "models" not in document:
        raise InputError(f"{file}: expected a list of entries under 'models:'")
    for key in document:
        if key != "models":
            raise InputError(f"{file}: field '{printable(key)}': unknown field{suggest(str(key), ['models'])}")
    entries = document["models"]
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{file}: field 'models': expected a list with at least one entry")

    specs: list[ModelEntry] = []
    problems: list[str] = []
    first_with: dict[str, str] = {}
    for number, entry in enumerate(entries, start=1):
        label = f"{file}: entry {number}"
        title = next((entry[key] for key in _TITLES if entry.get(key)), None) if isinstance(entry, dict) else None
        if isinstance(title, str) and title.isprintable():
            label += f" ({title})"
        try:
            spec = ModelEntry.model_validate(entry)
        except ValidationError as error:
            problems += explain(error, label, ModelEntry)
            continue
        spec._file = str(path)
        models = spec.models()
        # Results live in folders of these names, and some file systems do not tell A from a.
        if taken := next((model for model in models if model.name.casefold() in first_with), None):
            field, earlier = "revisions" if spec.revisions else "name", first_with[taken.name.casefold()]
            problems.append(f"{label}: field '{field}': '{taken.name}' is taken by {earlier}; give a 'name'")
        for model in models:
            first_with.setdefault(model.name.casefold(), f"entry {number}")
        specs += models
    if problems:
        raise InputError("\n".join(problems))
    return specs
