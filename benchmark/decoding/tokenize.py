"""From prompts to token ids."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase


def encode(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], chat: bool) -> list[list[int]]:
    """Token ids of each prompt, through the chat template or as the tokenizer encodes it by default."""
    if not chat:
        return [list(tokenizer(prompt).input_ids) for prompt in prompts]
    return [
        list(
            tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}], add_generation_prompt=True, tokenize=True, return_dict=False
            )
        )
        for prompt in prompts
    ]
