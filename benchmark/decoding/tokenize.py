"""From prompts to token ids."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from benchmark.errors import MeasurementError
from benchmark.inputs.prompt import Prompt


def encode(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Prompt], chat: bool) -> list[list[int]]:
    """Return the token ids of each prompt, through the chat template or as the tokenizer encodes it by default.

    Raises:
        MeasurementError: a prompt is a conversation, and the tokenizer has no chat template or is not to use it.
    """
    return [_by_template(tokenizer, prompt) if chat else _as_it_stands(tokenizer, prompt) for prompt in prompts]


def _by_template(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> list[int]:
    return list(
        tokenizer.apply_chat_template(prompt.turns, add_generation_prompt=True, tokenize=True, return_dict=False)
    )


def _as_it_stands(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> list[int]:
    if not isinstance(prompt.messages, str):
        raise MeasurementError(f"prompt {prompt.id} is a conversation, and the model is fed without a chat template")
    return list(tokenizer(prompt.messages).input_ids)
