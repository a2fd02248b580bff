"""Sub-words of every family of tokenizers, built here from a handful of pieces."""

import json
import re
import string
import unicodedata
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoTokenizer,
    BertTokenizer,
    ByT5Tokenizer,
    CanineTokenizer,
    CTRLTokenizer,
    GemmaTokenizer,
    GPTNeoXJapaneseTokenizer,
    LlamaTokenizer,
    OpenAIGPTTokenizer,
    PreTrainedTokenizerFast,
    T5Tokenizer,
)

from benchmark.decoding.text.words import read_masked, read_pieces
from benchmark.inputs.model_entry import load_models
from benchmark.models.gguf.convert import converted
from benchmark.models.hub import Hub
from benchmark.models.locate import locate
from benchmark.models.source import Machine

ROOT = Path(__file__).parents[3]
PIECES = ["▁def", "▁fib", "onacci", "▁the", "▁don", "'t", "s.The", "re", "▁hello", "▁n", "n", "é", "1", "▁", "▁▁▁▁"]
PIECES += list("():,._")
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def merged(pieces: list[str], special: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of a BPE that builds every piece from left to right."""
    vocabulary = {token: number for number, token in enumerate([*special, *BYTES])}
    for character in "".join(pieces):
        vocabulary.setdefault(character, len(vocabulary))
    merges = []
    for piece in pieces:
        for end in range(2, len(piece) + 1):
            if piece[:end] not in vocabulary:
                vocabulary[piece[:end]] = len(vocabulary)
                merges.append((piece[: end - 1], piece[end - 1]))
    return vocabulary, merges


def llama():
    """SentencePiece BPE with byte fallback; the space in front of a text is the tokenizer's own."""
    vocabulary, merges = merged(PIECES, ["<unk>", "<s>", "</s>"])
    return LlamaTokenizer(vocab=vocabulary, merges=merges)


def gemma():
    """SentencePiece BPE with byte fallback, no space of its own, and added tokens that are not special."""
    vocabulary, merges = merged(PIECES, ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"])
    tokenizer = GemmaTokenizer(vocab=vocabulary, merges=merges)
    tokenizer.add_tokens(["\n\n", "<table>"])
    return tokenizer


def t5():
    """Unigram with Metaspace; what it lacks is unknown."""
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    return T5Tokenizer(vocab=special + [(piece, len(piece) - 10.0) for piece in PIECES], extra_ids=2)


def unigram():
    """Unigram with Metaspace and byte fallback."""
    pieces = [("<unk>", 0.0), *((piece, len(piece) - 10.0) for piece in PIECES), *((byte, -20.0) for byte in BYTES)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


def bert():
    """WordPiece; BertNormalizer lowers case and sets Chinese characters apart."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = ["def", "fib", "##ona", "##cci", "(", ")", ":", ",", ".", "the", "hello", "don", "'", "t", "世", "界"]
    return BertTokenizer(vocab={token: number for number, token in enumerate(special + pieces)})


def gpt():
    """BPE that marks the end of words."""
    letters = [letter + end for letter in "abcdefghilnort.," for end in ("", "</w>")]
    merges = [("f", "i"), ("fi", "b"), ("c", "i</w>"), ("d", "o"), ("do", "n</w>")]
    pieces = ["<unk>", "</w>", *letters, *(left + right for left, right in merges)]
    return OpenAIGPTTokenizer(vocab={token: number for number, token in enumerate(pieces)}, merges=merges)


def byte_level():
    """Byte-level BPE that has é as a whole and the first half of an emoji as one token."""
    merges = [("f", "i"), ("fi", "b"), ("Ġ", "fib"), ("Ġ", "t"), ("'", "t"), ("Ã", "©"), ("ð", "Ł")]
    pieces = ["<eos>", *sorted(pre_tokenizers.ByteLevel.alphabet()), *(left + right for left, right in merges)]
    tokenizer = Tokenizer(models.BPE({token: number for number, token in enumerate(pieces)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>")


BYTE_LEVEL = byte_level()
FAMILIES = {family.__name__: family() for family in (llama, gemma, t5, unigram, bert, gpt)}
FAMILIES |= {"byte_level": BYTE_LEVEL, "byt5": ByT5Tokenizer(), "canine": CanineTokenizer()}


@pytest.fixture(scope="module")
def smollm2():
    """The tokenizer of the embedded real model: byte-level BPE."""
    machine = Machine(torch.device("cpu"), "float32", trust_remote_code=False)
    source = locate(load_models(ROOT / "models.yaml")[0], Hub(download=False), machine)
    folder = converted(source.path, source.revision.removeprefix("sha256:"), "models.yaml")
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def ids_of(tokenizer, text):
    return tokenizer(text, add_special_tokens=False).input_ids


def pieces_of(tokenizer, text, before=""):
    """(text, place) of every token."""
    texts, places = read_pieces(tokenizer, ids_of(tokenizer, before) if before else [], ids_of(tokenizer, text))
    return list(zip(texts, places, strict=True))


def named(tokenizer, *pieces):
    """(text, place) of tokens given by name."""
    return list(zip(*read_pieces(tokenizer, [], tokenizer.convert_tokens_to_ids(list(pieces))), strict=True))


# Families


def test_byte_level_counts_the_pieces_of_a_word_and_of_nothing_else(smollm2):
    assert pieces_of(smollm2, "Fibonacci numbers, subwords!\n") == [
        *[("F", 0), ("ib", 1), ("onacci", 2), (" numbers", 0), (",", -1)],
        *[(" sub", 0), ("words", 1), ("!", -1), ("\n", -1)],
    ]


@pytest.mark.parametrize("family", ["llama", "unigram"])
def test_a_space_that_begins_a_text_is_the_tokenizers_own(family):
    assert pieces_of(FAMILIES[family], "hello fibonacci") == [("hello", 0), (" fib", 0), ("onacci", 1)]


def test_a_space_behind_a_prompt_is_part_of_the_text():
    assert pieces_of(FAMILIES["llama"], "hello", before="def") == [(" hello", 0)]


def test_metaspace_that_stands_alone_is_a_space():
    assert named(FAMILIES["llama"], "▁def", "▁", "n") == [("def", 0), (" ", -1), ("n", 0)]


def test_wordpiece_has_the_space_in_front_of_a_word_in_its_first_token():
    assert pieces_of(FAMILIES["bert"], "Def fibonacci, hello") == [
        *[("def", 0), (" fib", 0), ("ona", 1), ("cci", 2)],
        *[(",", -1), (" hello", 0)],
    ]


def test_ends_of_words_are_seen_where_the_vocabulary_marks_them():
    assert named(FAMILIES["gpt"], "fib", "o</w>", "fib", "ci</w>", "don</w>") == [
        *[("fib", 0), ("o", 1)],
        *[(" fib", 0), ("ci", 1), (" don", 0)],
    ]


def test_an_end_of_word_that_stands_alone_adds_nothing():
    assert named(FAMILIES["gpt"], "fib", "</w>", "don</w>") == [("fib", 0), ("", -1), (" don", 0)]


def test_a_space_that_the_decoder_drops_at_the_end_comes_with_the_next_token(tmp_path):
    (tmp_path / "vocab.txt").write_text("<|endoftext|>\n<|startoftext|>\ndef\n<SP>\nn\n")
    (tmp_path / "emoji.json").write_text('{"emoji": {}, "emoji_inv": {}}')
    neox = GPTNeoXJapaneseTokenizer(tmp_path / "vocab.txt", tmp_path / "emoji.json")
    texts, places = read_pieces(neox, [], [2, 3, 3, 3, 4])
    assert list(zip(texts, places, strict=True)) == [("def", 0), ("", -1), ("", -1), ("", -1), ("   n", 0)]


def test_continuations_are_seen_where_the_vocabulary_marks_what_is_continued(tmp_path):
    pieces = ["<unk>", "fib@@", "on@@", "acci", "the", "fib"]
    (tmp_path / "vocab.json").write_text(json.dumps({piece: number for number, piece in enumerate(pieces)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\nf i\n")
    ctrl = CTRLTokenizer(tmp_path / "vocab.json", tmp_path / "merges.txt")
    assert named(ctrl, "fib", "fib@@", "on@@", "acci", "the") == [
        *[("fib", 0), (" fib", 0), ("on", 1), ("acci", 2)],
        *[(" the", 0)],
    ]


def test_characters_as_tokens():
    assert pieces_of(FAMILIES["canine"], "世 1") == [("世", 0), (" ", -1), ("1", 0)]


@pytest.mark.parametrize("family", ["llama", "gemma", "byte_level", "byt5", "unigram"])
def test_indented_code_reads_as_it_was_written(family):
    code = "def fib(n):\n    the(n)\n\n    n_1\n"
    texts, _ = read_pieces(FAMILIES[family], [], ids_of(FAMILIES[family], code))
    assert "".join(texts) == code


# Parts of characters


def test_bytes_of_a_character_belong_to_its_word():
    assert pieces_of(FAMILIES["llama"], "n世n 世") == [
        *[("n", 0), ("\ufffd", 1), ("\ufffd", 2), ("\ufffd", 3), ("n", 4)],
        *[(" ", -1), ("\ufffd", 0), ("\ufffd", 1), ("\ufffd", 2)],
    ]


@pytest.mark.parametrize("family", ["gemma", "byte_level", "byt5"])
def test_every_family_of_bytes_counts_them_the_same_way(family):
    texts, places = read_pieces(FAMILIES[family], [], ids_of(FAMILIES[family], "né世"))
    assert places == list(range(len(places)))
    assert texts[0] == "n"
    assert texts[-3:] == ["\ufffd"] * 3


def test_an_emoji_is_no_word_and_neither_is_the_mark_behind_it():
    assert {place for _, place in pieces_of(BYTE_LEVEL, "🙂 ❤️")} == {-1}


def test_a_character_that_stays_incomplete_is_no_word():
    assert named(FAMILIES["llama"], "▁the", "<0xE4>", "<0xB8>", "▁the") == [
        *[("the", 0), ("\ufffd", -1), ("\ufffd", -1)],
        *[(" the", 0)],
    ]


def test_a_newline_among_incomplete_bytes_stays_a_newline():
    assert named(FAMILIES["llama"], "<0xE4>", "<0x0A>", "<0xE4>") == [("\ufffd", -1), ("\n", -1), ("\ufffd", -1)]
    assert named(FAMILIES["llama"], "▁the", "<0x0A>", "<0xE4>") == [("the", 0), ("\n", -1), ("\ufffd", -1)]


def test_a_token_of_the_end_of_one_character_and_a_letter():
    pieces = ["Ã", "©n", "Ġ"]  # C3, A9 6E, 20
    tokenizer = Tokenizer(models.BPE({piece: number for number, piece in enumerate(pieces)}, []))
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    assert named(fast, "Ġ", "Ã", "©n") == [(" ", -1), ("\ufffd", 0), ("\ufffdn", 1)]


# Words


def test_an_apostrophe_between_letters_is_part_of_the_word():
    assert named(FAMILIES["llama"], "▁don", "'t", "▁the", "'", "'t") == [
        *[("don", 0), ("'t", 1)],
        *[(" the", 0), ("'", -1), ("'t", 0)],
    ]


def test_an_underscore_and_a_point_stand_between_words():
    assert pieces_of(FAMILIES["llama"], "n_1.1") == [("n", 0), ("_", -1), ("1", 0), (".", -1), ("1", 0)]


def test_a_token_with_parts_of_two_words_belongs_to_the_first():
    tokens = named(FAMILIES["llama"], "▁the", "s.The", "re", "re")
    assert tokens == [("the", 0), ("s.The", 1), ("re", 1), ("re", 2)]


def test_joiners_without_width_are_part_of_the_word():
    places = [place for _, place in pieces_of(FAMILIES["canine"], "می\u200cخواهم")]
    assert places == list(range(8))


def test_marks_belong_to_the_letter_in_front_of_them():
    assert [place for _, place in pieces_of(FAMILIES["canine"], "नमस्ते e\u0301")] == [0, 1, 2, 3, 4, 5, -1, 0, 1]


def test_a_run_without_spaces_is_one_word():
    assert [place for _, place in pieces_of(FAMILIES["canine"], "早点退出，好")] == [0, 1, 2, 3, -1, 0]


# Around the text


def test_the_first_token_may_continue_the_prompts_word():
    llama = FAMILIES["llama"]
    generated = llama.convert_tokens_to_ids(["onacci", "(", "n"])
    assert read_pieces(llama, ids_of(llama, "def fib"), generated) == (["onacci", "(", "n"], [1, -1, 0])


def test_a_special_token_shows_its_name_and_ends_a_word(smollm2):
    assert pieces_of(smollm2, "sub<|im_end|>words\n<file_sep>") == [
        *[("sub", 0), ("<|im_end|>", -1)],
        *[("words", 0), ("\n", -1), ("<file_sep>", -1)],
    ]


@pytest.mark.parametrize("name", ["[SEP]", "[TURN]"])
def test_a_special_token_has_no_space_of_its_own(name):
    tokenizer = bert()
    tokenizer.add_tokens(["[TURN]"], special_tokens=True)
    assert named(tokenizer, "def", name, "hello") == [("def", 0), (name, -1), (" hello", 0)]


def test_special_tokens_are_known_where_a_tokenizer_lists_no_added_ones(monkeypatch):
    def refuse(_):
        raise NotImplementedError  # as the tokenizers of mistral-common do

    llama = FAMILIES["llama"]
    monkeypatch.setattr(LlamaTokenizer, "added_tokens_decoder", property(refuse))
    assert named(llama, "▁the", "</s>") == [("the", 0), ("</s>", -1)]


def test_an_added_token_shows_and_stands_in_no_word():
    assert pieces_of(FAMILIES["gemma"], "fib<table>\n\nn") == [
        *[("f", 0), ("i", 1), ("b", 2)],
        *[("<table>", -1), ("\n\n", -1), ("n", 0)],
    ]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("beyond", [0x110000, 2**31, 2**40])
def test_an_id_beyond_the_vocabulary_adds_nothing(family, beyond):
    tokenizer = FAMILIES[family]
    texts, places = read_pieces(tokenizer, [], [beyond, *ids_of(tokenizer, "def"), beyond])
    assert (texts[0], texts[-1], "".join(texts)) == ("", "", "def")
    assert (places[0], places[-1]) == (-1, -1)


def test_an_id_that_a_tokenizer_takes_for_unknown_is_special(tmp_path):
    (tmp_path / "vocab.json").write_text('{"<unk>": 0, "the": 1}')
    (tmp_path / "merges.txt").write_text("#version: 0.2\nt h\n")
    ctrl = CTRLTokenizer(tmp_path / "vocab.json", tmp_path / "merges.txt")
    assert read_pieces(ctrl, [], [1, 99]) == (["the", "<unk>"], [0, -1])


def test_nothing_generated_is_nothing_read():
    assert read_pieces(BYTE_LEVEL, [5, 6], []) == ([], [])


def test_masked_positions_see_the_text_around_them():
    ids = FAMILIES["bert"]("def fibonacci hello").input_ids  # [CLS] def fib ##ona ##cci hello [SEP]
    assert read_masked(FAMILIES["bert"], ids, [4, 1, 5]) == (["cci", "def", " hello"], [2, 0, 0])


# Properties


TEXTS = st.text(
    st.sampled_from("ab 'é世🙂\n_1\u0301\u200d") | st.characters(codec="utf-8", exclude_characters="\ufffd"),
    max_size=40,
)


@given(st.text(string.printable))
def test_ascii_joins_to_the_text(text):
    texts, _ = read_pieces(BYTE_LEVEL, [], ids_of(BYTE_LEVEL, text))
    assert "".join(texts) == text


@given(TEXTS)
def test_any_text_joins_to_itself_but_for_the_characters_that_tokens_share(text):
    encoded = BYTE_LEVEL(text, return_offsets_mapping=True)
    shared = {i for (_, end), (start, _) in pairwise(encoded.offset_mapping) for i in range(start, end)}
    for read, (start, end) in zip(
        read_pieces(BYTE_LEVEL, [], encoded.input_ids)[0], encoded.offset_mapping, strict=True
    ):
        expected = "".join("\ufffd" if i in shared else text[i] for i in range(start, end))
        assert re.sub("\ufffd+", "\ufffd", read) == re.sub("\ufffd+", "\ufffd", expected)


@given(TEXTS)
def test_pieces_of_every_word_are_numbered_from_0(text):
    encoded = BYTE_LEVEL(text, return_offsets_mapping=True)
    word_of = words(text)
    held = [[word for word in word_of[start:end] if word is not None] for start, end in encoded.offset_mapping]
    _, places = read_pieces(BYTE_LEVEL, [], encoded.input_ids)
    assert places == [
        sum(mine[0] in earlier for earlier in held[:token]) if mine else -1 for token, mine in enumerate(held)
    ]


def words(text):
    """For every character the number of its word, or None: the definition, said once more."""
    letter = [unicodedata.category(character)[0] in "LN" for character in text]
    numbers, inside, number = [], False, -1
    for i, character in enumerate(text):
        joins = character in "'’\u200c\u200d" and letter[i + 1 : i + 2] == [True]
        if letter[i] and not inside:
            number += 1
        inside = letter[i] or (inside and (joins or unicodedata.category(character)[0] == "M"))
        numbers.append(number if inside else None)
    return numbers


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
def test_any_tokens_join_to_what_the_tokenizer_decodes(family, data):
    tokenizer = FAMILIES[family]
    ids = data.draw(st.lists(st.sampled_from(readable(family)), max_size=20))
    texts, _ = read_pieces(tokenizer, [], ids)
    assert "".join(texts) == tokenizer.decode(ids, clean_up_tokenization_spaces=False)


@cache
def readable(family):
    """The first few hundred ids that are whole characters and not special."""
    tokenizer = FAMILIES[family]
    ids = set(range(min(len(tokenizer), 400))) - set(tokenizer.all_special_ids)
    return [token for token in sorted(ids) if "\ufffd" not in read_pieces(tokenizer, [], [token])[0][0]]


@given(st.text("abcdefghij '.\n", max_size=30), st.integers(0, 30))
def test_where_the_prompt_ends_changes_nothing(text, cut):
    ids = ids_of(BYTE_LEVEL, text)
    texts, places = read_pieces(BYTE_LEVEL, [], ids)
    assert read_pieces(BYTE_LEVEL, ids[:cut], ids[cut:]) == (texts[cut:], places[cut:])
