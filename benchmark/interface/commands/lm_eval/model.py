"""The model that lm-eval's command line knows as `exitbench`, made of the words behind `--model_args`."""

from inspect import signature
from typing import Any, Self

from lm_eval.api.registry import register_model

from benchmark.cases.lm_eval.model import ExitBenchLM
from benchmark.errors import InputError
from benchmark.inputs.settings import GatedSettings
from benchmark.interface.api import load
from benchmark.interface.terminal.streams import tell

_NOT_SAID = "cuda:0"
"""The device that lm-eval hands over when nobody names one; its own models take the CPU where there is no such."""


@register_model("exitbench")
class NamedLM(ExitBenchLM):
    """A model that is loaded by its name."""

    def __init__(
        self,
        pretrained: str = "",
        gate: str | None = None,
        policy: str = "propagate",
        check_every: int = 1,
        min_exit_layer: int = 1,
        batch_size: int | str = 1,
        max_batch_size: int | None = None,
        device: str | None = None,
        dtype: str | None = None,
        model_file: str | None = None,
        download: bool = False,
        trust_remote_code: bool = False,
        **others: Any,
    ) -> None:
        """Load the model and prove what is to be decoded.

        Args:
            pretrained: name of an entry, hub id, folder or GGUF file.
            gate: with its threshold, such as `margin=0.9`; none for the full model.
            policy: what deeper layers get of tokens that left.
            check_every: every how many layers the gate looks.
            min_exit_layer: the layer from which on it looks.
            batch_size: the most texts that run together.
            max_batch_size: of no use, because batches are not sized by trial.
            device: `cpu`, or an accelerator as torch names it; by default the one that there is.
            dtype: type of the weights; by default the entry's.
            model_file: by default `models.yaml` of the current folder, else that of the package.
            download: fetch the model if it is not on this machine.
            trust_remote_code: let the model's repository run its own code.
            others: are refused.

        Raises:
            InputError, CannotRun, MeasurementError: something of it cannot be; says what.
        """
        if others:
            known = [name for name in signature(NamedLM.__init__).parameters if name not in ("self", "others")]
            raise InputError(f"--model_args: there is no '{next(iter(others))}'; there are: {', '.join(known)}")
        if not pretrained:
            raise InputError("--model_args: name the model: pretrained=SmolLM2-135M-Instruct")
        if not str(batch_size).isdecimal() or int(batch_size) < 1:
            raise InputError(f"--batch_size: must be a whole number of at least 1, not '{batch_size}'")
        gated = None if gate in (None, "none") else GatedSettings.of(str(gate), policy, check_every, min_exit_layer)
        model = load(
            str(pretrained),
            model_file=model_file,
            dtype=dtype,  # type: ignore[arg-type] # refused there
            device=device or "auto",
            download=bool(download),
            trust_remote_code=bool(trust_remote_code),
        )
        super().__init__(model.loaded, gated, int(batch_size))

    @classmethod
    def create_from_arg_obj(cls, arg_dict: dict[str, Any], additional_config: dict[str, Any] | None = None) -> Self:
        """Return the model; what stands behind `--model_args` wins over options of lm-eval."""
        given = {name: value for name, value in (additional_config or {}).items() if value is not None}
        if given.get("device") == _NOT_SAID:
            del given["device"]
        return cls(**given | arg_dict)

    def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
        """Return answers, and tell what was skipped."""
        answers = super().generate_until(requests, disable_tqdm)
        if self.gated is not None and self.skip_ratio is not None:
            rule = f"gate {self.gated.rule}, policy {self.gated.policy}"
            tell(f"exitbench: {rule}: {self.tokens} tokens skipped {self.skip_ratio:.1%} of the layers")
        return answers
