"""From documents to numbers: the tokenizer, examples to train on, and what a unigram would lose."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from benchmark.errors import InputError
from examples.zoo.corpus import Document

END, USER, ASSISTANT = "<eos>", "<user>", "<assistant>"
CHAT_TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}"
    "{% if message.role == 'assistant' %}<eos>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
"""Of tuned models; the tokens of the roles are in the vocabulary of all, so that heads are equal."""


@dataclass(frozen=True)
class Examples:
    """Texts of equal length, to be learned token by token."""

    ids: NDArray[np.int64]
    """texts × (context + 1)."""
    learned: NDArray[np.bool_]
    """texts × context: whether the next token there counts in the loss."""

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.ids)

    def take(self, rows: NDArray[np.int64]) -> "Examples":
        """Return some of the texts."""
        return Examples(self.ids[rows], self.learned[rows])

    def some(self, number: int) -> "Examples":
        """Return so many of them, evenly spread, or all if they are fewer."""
        return self.take(np.unique(np.linspace(0, len(self) - 1, min(number, len(self))).astype(int)))

    def batch(self, step: int, size: int, seed: int) -> "Examples":
        """Return the texts of a step: a function of step and seed, so a run that was killed goes on with the same."""
        each = len(self) // size
        if each == 0:
            raise InputError(f"too little text: {len(self)} texts, fewer than a batch of {size}; lower 'batch'")
        order = np.random.default_rng([seed, step // each]).permutation(len(self))
        first = step % each * size
        return self.take(order[first : first + size])


def train_tokenizer(documents: Sequence[Document], vocabulary: int) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE of the documents; token 0 is the end of text.

    Raises:
        InputError: there is too little text for so many tokens.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END, USER, ASSISTANT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator((document.text for document in documents), trainer)
    if tokenizer.get_vocab_size() < vocabulary:
        made = tokenizer.get_vocab_size()
        raise InputError(f"text: field 'vocabulary': too little text for {vocabulary} tokens; {made} is what it gives")
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END)


def stream(tokenizer: PreTrainedTokenizerFast, texts: Iterable[str]) -> NDArray[np.uint16]:
    """Return the tokens of the texts one behind the other, each text with its end."""
    end = [tokenizer.eos_token_id]
    return np.array([token for text in texts for token in tokenizer.encode(text) + end], dtype=np.uint16)


def text_examples(tokens: NDArray[np.uint16], context: int) -> Examples:
    """Return a stream cut into texts; the last token of each is the first of the next, so that each is predicted once.

    Raises:
        InputError: it is too short for one.
    """
    number = (len(tokens) - 1) // context
    if number < 1:
        raise InputError(f"too little text: {len(tokens)} tokens, fewer than one text of {context}; lower 'context'")
    ids = np.lib.stride_tricks.sliding_window_view(tokens, context + 1)[: number * context : context].astype(np.int64)
    return Examples(ids, np.ones((number, context), dtype=bool))


def instruction_examples(file: Path, tokenizer: PreTrainedTokenizerFast, context: int) -> Examples:
    """Return instructions with their answers, of which the answers are learned.

    Args:
        file: JSONL with `instruction` and `answer`.
        tokenizer: of all models.
        context: tokens of a text; those that are longer are left out.

    Raises:
        InputError: none is short enough.
    """
    user, assistant, end = tokenizer.convert_tokens_to_ids([USER, ASSISTANT, END])
    ids, learned = [], []
    for line in file.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        asked = [user, *tokenizer.encode(record["instruction"]), assistant]
        answer = [*tokenizer.encode(record["answer"]), end]
        rest = context + 1 - len(asked) - len(answer)
        if rest >= 0:
            ids.append(asked + answer + [end] * rest)
            # The token behind place t is what is learned at t.
            learned.append([False] * (len(asked) - 1) + [True] * len(answer) + [False] * rest)
    if not ids:
        raise InputError(f"too little text: no instruction of {context} tokens or fewer; raise 'context'")
    return Examples(np.array(ids), np.array(learned))


def unigram_loss(train: Examples, held_out: Examples, vocabulary: int) -> float:
    """Return what a model loses, in nats a token, that knows only how frequent each token is in training."""
    counts = np.bincount(train.ids[:, 1:][train.learned], minlength=vocabulary) + 1.0
    return float(-np.log(counts / counts.sum())[held_out.ids[:, 1:][held_out.learned]].mean())
