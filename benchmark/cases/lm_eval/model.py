"""Our decoding as a model of lm-evaluation-harness: its tasks ask, and tokens leave early while answers are written."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lm_eval.api.model import TemplateLM
from tqdm.auto import tqdm

from benchmark.cases.lm_eval.likelihoods import Continuation, Likelihood, likelihoods
from benchmark.cases.studies.gated_rule import asked_rule
from benchmark.decoding.engine import Limits
from benchmark.decoding.gated.decode import decode
from benchmark.decoding.gated.proof import prove_full_text, prove_gated
from benchmark.decoding.text.stops import answer_text
from benchmark.decoding.text.tokenize import pinned_template
from benchmark.errors import InputError, MeasurementError
from benchmark.inputs.data.lm_eval_tasks import Generation
from benchmark.inputs.settings import GatedSettings, Policy
from benchmark.readout.loaded_model import LoadedModel

MAX_NEW_TOKENS = 256
"""Tokens of an answer, where the task says nothing."""
_LOG = logging.getLogger("lm_eval.exitbench")


class ExitBenchLM(TemplateLM):
    """A loaded model that answers as lm-eval asks: texts with early exits, likelihoods by all layers."""

    def __init__(self, loaded: LoadedModel, gated: GatedSettings | None = None, batch_size: int = 16) -> None:
        """Prove what is to be decoded.

        Args:
            loaded: as `benchmark.load(…).loaded` has it.
            gated: how tokens leave early; None for the full model.
            batch_size: the most texts that run together.

        Raises:
            InputError: the gate has no threshold that is given.
            MeasurementError: the model writes no text, or cannot be decoded so.
        """
        super().__init__()
        if loaded.task == "masked":
            raise MeasurementError("lm-eval: an encoder writes no text; use a model that does")
        if loaded.streamed:
            raise MeasurementError("lm-eval: weights that are streamed decode no text; remove 'device_map: stream'")
        self.loaded = loaded
        self.gated = gated
        self.batch_size = batch_size
        self.tokens = self.layers = 0
        """Tokens written so far, and the layers that they left at, added up."""
        self.tokenizer = loaded.tokenizer
        self.backend = "causal" if loaded.task == "causal" else "seq2seq"
        self._device = loaded.device
        self._rule = asked_rule(gated, loaded)
        self._policy: Policy = "recompute" if gated is None else gated.policy
        self._proven = prove_full_text(loaded) if gated is None else prove_gated(loaded, gated.policy)

    @property
    def eot_token_id(self) -> int:
        """The end of text."""
        token = self.tokenizer.eos_token_id
        if token is None:
            raise InputError("lm-eval: the tokenizer has no end of text, which stands in front of an empty context")
        return int(token)

    @property
    def prefix_token_id(self) -> int:
        """What stands in front of a text without a context."""
        begin = self.tokenizer.bos_token_id
        return self.eot_token_id if begin is None else int(begin)

    @property
    def tokenizer_name(self) -> str:
        """What lm-eval files prompts under that it keeps."""
        return str(self.tokenizer.name_or_path).replace("/", "__")

    @property
    def skip_ratio(self) -> float | None:
        """Share of the layers that written tokens have skipped so far; None before the first."""
        return 1 - self.layers / (self.tokens * self.loaded.anatomy.num_layers) if self.tokens else None

    def get_model_info(self) -> dict[str, Any]:
        """Return what lm-eval writes beside its results."""
        gated = self.gated
        return {
            "model_num_parameters": self.loaded.num_parameters,
            "model_dtype": self.loaded.dtype,
            "gate": "none" if gated is None else gated.rule,
            "policy": None if gated is None else gated.policy,
            "tokens": self.tokens,
            "skip_ratio": self.skip_ratio,
        }

    def set_cache_hook(self, cache_hook: Any) -> None:
        """Refuse answers of an earlier run.

        Raises:
            InputError: always; lm-eval files them under the prompt, whatever model and gate they are of.
        """
        raise InputError("lm-eval: answers kept by --use_cache may be of another gate or model; leave it away")

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """Return a conversation as the model's chat template writes it, with the date pinned.

        Raises:
            MeasurementError: the model has no template, or it fails.
        """
        try:
            return str(
                self.tokenizer.apply_chat_template(
                    chat_history,
                    chat_template=pinned_template(self.tokenizer),
                    tokenize=False,
                    add_generation_prompt=add_generation_prompt,
                    continue_final_message=not add_generation_prompt,
                )
            )
        except Exception as error:  # a template is a program
            reason = " ".join(str(error).split())[:150]
            raise MeasurementError(f"lm-eval: the model's chat template cannot be used: {reason}") from None

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """Return token ids; the begin of a text is not written once more in front of one that has it."""
        begins = string.startswith(str(self.tokenizer.decode([self.prefix_token_id])))
        special = add_special_tokens if add_special_tokens is not None else not begins
        return list(self.tokenizer(string, add_special_tokens=special).input_ids)

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """Return the answer to each prompt, written with early exits, cut before what ends it.

        Raises:
            InputError: an answer is to be drawn at random.
            MeasurementError: the context has no room for the answer, or memory ran out.
        """
        asked = [(self.tok_encode(request.args[0]), self._generation(request)) for request in requests]
        by_length: dict[int, list[int]] = {}
        for number, (_, generation) in enumerate(asked):
            by_length.setdefault(generation.max_new_tokens or MAX_NEW_TOKENS, []).append(number)
        answers: dict[int, str] = {}
        with tqdm(total=len(requests), unit=" answers", disable=disable_tqdm or None) as bar:
            for length, numbers in by_length.items():
                prompts = [self._fitting(asked[number][0], length) for number in numbers]
                stops = [asked[number][1].until for number in numbers]
                written = self._write(prompts, stops, length, lambda tokens, texts: bar.update(texts))
                answers.update(zip(numbers, written, strict=True))
        return [answers[number] for number in range(len(requests))]

    def loglikelihood(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """Return how likely each continuation is, and whether it is what the model would write.

        Raises:
            InputError: there is a gate; nothing is written here, so nothing could leave.
        """
        self._refuse_gate()
        found: list[tuple[float, bool]] = super().loglikelihood(requests, disable_tqdm)
        return found

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
        """Return how likely each text is, in windows as large as the context.

        Raises:
            InputError: there is a gate.
        """
        self._refuse_gate()
        texts = [self.tok_encode(request.args[0]) for request in requests]
        windows = [list(_windows(ids, self.prefix_token_id, self.loaded.context or len(ids))) for ids in texts]
        scored = iter(self._loglikelihood_tokens([window for some in windows for window in some], disable_tqdm))
        return [sum(next(scored)[0] for _ in some) for some in windows]

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], disable_tqdm: bool = False, **_: Any
    ) -> list[tuple[float, bool]]:
        found = self.compared(requests, every_layer=False, disable_tqdm=disable_tqdm)
        return [(float(one.log_probs[-1]), bool(one.greedy[-1])) for one in found]

    def compared(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], every_layer: bool, disable_tqdm: bool = False
    ) -> list[Likelihood]:
        """Return how likely texts are behind their contexts, given as token ids, by the model or by every layer."""
        pairs = [Continuation(context, text) for _, context, text in requests]
        with tqdm(total=len(pairs), unit=" texts", disable=disable_tqdm or None) as bar:
            return likelihoods(self.loaded, pairs, self.batch_size, every_layer, bar.update)

    def _refuse_gate(self) -> None:
        if self.gated is not None:
            raise InputError(
                f"lm-eval: the task compares likelihoods and writes nothing, so that the gate {self.gated.rule} would "
                "decide nothing; leave it away, and see what each layer prefers: exitbench choices"
            )

    def _generation(self, request: Any) -> Generation:
        return Generation.of(request.args[1], f"lm-eval: '{request.task_name}'")

    def _fitting(self, ids: list[int], new_tokens: int) -> list[int]:
        """Return the end of a prompt that leaves room for the answer, as lm-eval's own models do."""
        task, context = self.loaded.task, self.loaded.context
        room = self.loaded.encoder_context if task == "encoder-decoder" else context and context - new_tokens
        if room is None:
            return ids
        if room < 1:
            raise MeasurementError(f"lm-eval: {new_tokens} new tokens leave no room in a context of {context}")
        if len(ids) > room:
            _LOG.warning("a prompt of %d tokens is cut to its last %d", len(ids), room)
        return ids[-room:]

    def _write(
        self,
        prompts: Sequence[list[int]],
        stops: Sequence[tuple[str, ...]],
        length: int,
        progress: Callable[[int, int], Any],
    ) -> list[str]:
        limits = Limits(length, self.batch_size, tuple(stops) if any(stops) else ())
        written = decode(self._proven, prompts, limits, self._rule, self._policy, progress)
        self.tokens += sum(len(text.tokens) for text in written)
        self.layers += sum(sum(text.exits) for text in written)
        return [
            answer_text(self._proven, prompt, text.tokens, stop)
            for prompt, text, stop in zip(prompts, written, stops, strict=True)
        ]


def _windows(ids: list[int], begin: int, size: int) -> Iterator[tuple[None, list[int], list[int]]]:
    """Yield contexts and texts that hold each token of a text once, none with more than `size` tokens before its last.

    Args:
        ids: of the text.
        begin: stands in front of the first.
        size: of a window; the last one reaches back into those before it.
    """
    if ids:
        yield None, [begin], ids[:size]
    for first in range(size, len(ids), size):
        end = min(first + size, len(ids))
        yield None, ids[end - size - 1 : first], ids[first:end]
