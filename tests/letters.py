"""A tokenizer that fits the tiny models of `benchmark.tiny_models`: one token a letter, 128 at most."""

import string

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

SPECIAL = ("<pad>", "<eos>", "<mask>", "<unk>")


def letters() -> PreTrainedTokenizerFast:
    """Pad, end of text, mask and unknown, then letters, digits and punctuation."""
    vocabulary = {
        token: number for number, token in enumerate((*SPECIAL, *string.ascii_letters, *string.digits, *" .,:;?!"))
    }
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", mask_token="<mask>", unk_token="<unk>"
    )
