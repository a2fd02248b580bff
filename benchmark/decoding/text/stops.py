"""Stop strings: which of them have ended a text, and the answer that is left in front of them.

The token that completes a stop string ends the text as an end of text does: it counts, and nothing behind it.
"""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from benchmark.readout.loaded_model import LoadedModel

_TAIL = 4
"""Tokens of the prompt decoded in front of a text: alone, some decoders drop the space that a text begins with."""


class Stops:
    """The stop strings of some prompts."""

    def __init__(
        self, model: LoadedModel, prompts: Sequence[Sequence[int]], stops: Sequence[Sequence[str]] = ()
    ) -> None:
        """Hold the stop strings of each prompt.

        Args:
            model: whose tokens they are looked for in.
            prompts: token ids of each prompt.
            stops: of each prompt; empty if none has any.
        """
        self._tokenizer = model.tokenizer
        self._before = [continued(model, prompt) for prompt in prompts]
        self._stops = list(stops) or [()] * len(prompts)
        if len(self._stops) != len(prompts):
            raise ValueError(f"{len(self._stops)} lists of stop strings for {len(prompts)} prompts")

    def of(self, number: int) -> Sequence[str]:
        """Return the stop strings of a prompt."""
        return self._stops[number]

    def ended(self, number: int, written: Sequence[int]) -> bool:
        """Return whether a stop string of a prompt is in the text behind it; ask after each token.

        Args:
            number: of the prompt.
            written: token ids behind it, as far as they are generated.
        """
        if not self._stops[number]:
            return False
        text = text_behind(self._tokenizer, self._before[number], written, skip_special_tokens=False)
        return any(stop in text for stop in self._stops[number])


def answer_text(model: LoadedModel, prompt: Sequence[int], written: Sequence[int], stops: Sequence[str] = ()) -> str:
    """Return the answer that a model has written: without special tokens, cut before the first stop string.

    Args:
        model: that wrote it.
        prompt: token ids in front of it.
        written: token ids of the text, all that count.
        stops: the stop strings of the prompt.
    """
    text = text_behind(model.tokenizer, continued(model, prompt), written, skip_special_tokens=True)
    return text[: min((place for stop in stops if (place := text.find(stop)) >= 0), default=len(text))]


def continued(model: LoadedModel, prompt: Sequence[int]) -> Sequence[int]:
    """Return what a text continues: the prompt, or nothing, because a decoder behind an encoder begins a text."""
    return [] if model.task == "encoder-decoder" else prompt


def text_behind(
    tokenizer: PreTrainedTokenizerBase, before: Sequence[int], written: Sequence[int], skip_special_tokens: bool
) -> str:
    """Return what some ids add to the text in front of them."""
    tail, ids = list(before[-_TAIL:]), list(written)
    earlier, whole = (_decoded(tokenizer, some, skip_special_tokens) for some in (tail, [*tail, *ids]))
    # Where the prompt ends within a character, the text cannot be told from it.
    return whole[len(earlier) :] if whole.startswith(earlier) else _decoded(tokenizer, ids, skip_special_tokens)


def _decoded(tokenizer: PreTrainedTokenizerBase, ids: list[int], skip_special_tokens: bool) -> str:
    options = {"skip_special_tokens": skip_special_tokens, "clean_up_tokenization_spaces": False}
    try:
        return str(tokenizer.decode(ids, **options))
    except Exception:
        # Embeddings are often padded beyond the vocabulary, and some tokenizers refuse an id that stands for nothing.
        return str(tokenizer.decode([token for token in ids if _stands_for_something(tokenizer, token)], **options))


def _stands_for_something(tokenizer: PreTrainedTokenizerBase, token: int) -> bool:
    try:
        tokenizer.decode([token])
    except Exception:
        return False
    return True
