"""From prompts to token ids: through the chat template, or as the tokenizer encodes by default; with nothing lost."""

from typing import Any

import pytest
import transformers
from tokenizers import normalizers
from tokenizers.processors import TemplateProcessing
from transformers import ByT5Tokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from benchmark.decoding.text.tokenize import asks_for_date, encode, leaving_open, refuse_unusable
from benchmark.errors import InputError, MeasurementError
from benchmark.inputs.prompt import Prompt, Turn
from benchmark.tools.tiny_models import tiny_tokenizer

PLAIN = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }} {% endfor %}"
PLAIN += "{% if add_generation_prompt %}A:{% endif %}"
PARTS = "{% for m in messages %}{% for c in m['content'] %}{% if c is mapping %}{{ c['text'] }}{% endif %}"
PARTS += "{% endfor %}{% endfor %}:"
TALK = Prompt(id="talk/7", messages=(Turn(role="system", content="short"), Turn(role="user", content="why")))
TEXT = "The lighthouse keeper counted the ships: one, two, three"


def prompts(*texts: str) -> list[Prompt]:
    return [Prompt(id=str(number), messages=text) for number, text in enumerate(texts)]


def tokenizer(template: str | None = None) -> PreTrainedTokenizerFast:
    made = tiny_tokenizer()
    made.chat_template = template
    return made


def fed(made: PreTrainedTokenizerBase, *some: Prompt, **options: Any) -> list[str]:
    return [made.decode(ids) for ids in encode(made, some, **options)]


def ending(made: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    made.backend_tokenizer.post_processor = TemplateProcessing(
        single="<mask> $A <eos>", special_tokens=[("<mask>", 2), ("<eos>", 1)]
    )
    return made


class TestChat:
    def test_goes_through_the_template_up_to_the_models_turn(self):
        assert fed(tokenizer(PLAIN), *prompts("two words"), chat=True) == ["<user>two words A:"]

    def test_so_do_the_turns_of_a_conversation(self):
        assert fed(tokenizer(PLAIN), TALK, chat=True) == ["<system>short <user>why A:"]

    def test_a_template_that_reads_parts_is_given_parts(self):
        assert fed(tokenizer(PARTS), *prompts("one", "two"), chat=True) == ["one:", "two:"]

    def test_a_template_may_trim_the_text(self):
        template = "{{ messages[0]['content'] | trim }}!"
        assert fed(tokenizer(template), *prompts(" a \n b\n"), chat=True) == ["a \n b!"]

    @pytest.mark.parametrize(
        ("template", "reason"),
        [
            ("Question?", "it leaves the text out"),
            ("{{ messages[0]['content'][:3] }}", "it leaves the text out"),
            ("{{ messages[1]['content'] }}", "list object has no element 1"),
            (
                "{{ messages | length }}{{ messages[0]['content'] | tojson if messages[0]['content'] is not string }}",
                "leaves",
            ),
            ("{{ raise_exception('no user') }}", "no user"),
            ("{{ messages[0].text.upper() }}", "has no attribute"),
            ("{% if %}", "Expected an expression"),
            ("{{ 1 / 0 }}", "division by zero"),
            ("{{ messages[0]['content'] }}{{ ['a', 'b'] | random }}", "writes another text each time"),
            ("{% set f = '%d' %}{{ strftime_now(f) }}{{ messages[0]['content'] }}", "writes another text each time"),
        ],
    )
    def test_a_template_that_cannot_be_used_is_one_line_with_a_remedy(self, template, reason):
        with pytest.raises(MeasurementError) as error:
            encode(tokenizer(template), prompts("hello there"), chat=True)
        assert reason in str(error.value) and str(error.value).endswith("to feed the text as it stands")

    def test_several_templates_and_none_by_default(self):
        made = tokenizer()
        made.chat_template = {"tool_use": PLAIN, "rag": PLAIN}
        with pytest.raises(MeasurementError, match="the chat template cannot be chosen"):
            encode(made, prompts("a"), chat=True)

    def test_a_system_turn_that_is_refused_names_the_prompt(self):
        template = (
            "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
        )
        with pytest.raises(
            MeasurementError, match=r"^prompt talk/7: the chat template cannot be used: System role not"
        ):
            encode(tokenizer(template), [TALK], chat=True)

    def test_a_template_that_ends_the_text_is_refused(self):
        template = "{{ messages[0]['content'] }}{{ eos_token }}"
        with pytest.raises(MeasurementError, match="the chat template ends the text, so"):
            encode(tokenizer(template), prompts("a"), chat=True, end_ids=frozenset({1}))

    def test_a_conversation_is_refused_without_a_template(self):
        with pytest.raises(MeasurementError, match=r"^prompt talk/7: it is a conversation, and the model is fed"):
            encode(tokenizer(), [TALK], chat=False)


class TestClock:
    @pytest.mark.parametrize("call", ["strftime_now('%d %b %Y')", 'strftime_now( "%d %b %Y" )'])
    def test_is_pinned(self, call):
        made = tokenizer("{% if strftime_now is defined %}{{ " + call + " }}: {% endif %}{{ messages[0]['content'] }}")
        assert fed(made, *prompts("hi"), chat=True) == ["01 Jan 2026: hi"]
        assert asks_for_date(made)

    def test_a_template_without_one_asks_for_none(self):
        assert not asks_for_date(tokenizer(PLAIN))


class TestAsItStands:
    def test_is_what_the_tokenizer_makes_of_it(self):
        assert encode(tokenizer(), prompts("ab"), chat=False) == [[4, 5]]

    def test_no_end_of_text_stands_behind_what_is_continued(self):
        closing = ending(tokenizer())
        assert closing("ab").input_ids == [2, 4, 5, 1]
        assert leaving_open(closing, frozenset({1}))("ab").input_ids == [2, 4, 5]
        assert closing("ab").input_ids == [2, 4, 5, 1]  # the caller's is as it was
        assert encode(closing, prompts("ab"), chat=False, end_ids=frozenset({1})) == [[2, 4, 5]]

    def test_what_an_encoder_reads_keeps_it(self):
        assert encode(ending(tokenizer()), prompts("ab"), chat=False) == [[2, 4, 5, 1]]

    def test_a_beginning_of_text_stands_there_once(self):
        made = ending(tokenizer())
        made.bos_token = "<mask>"
        assert encode(made, prompts("<mask>ab"), chat=False) == [[2, 4, 5, 1]]

    @pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
    def test_half_a_letter_is_one_line(self, text):
        with pytest.raises(MeasurementError, match=r"^prompt 1: the tokenizer cannot encode it: "):
            encode(tokenizer(), prompts("a", text), chat=False)

    def test_a_text_in_another_script_is_refused(self):
        with pytest.raises(MeasurementError, match=r"^6 of 11 tokens of the prompts are unknown to the tokenizer"):
            encode(tokenizer(), prompts("hello", "Привет"), chat=False)

    def test_a_few_unknown_letters_are_not(self):
        assert encode(tokenizer(), prompts("a" * 50 + "é"), chat=False)[0][-1] == 3


class TestVocabulary:
    def test_ordinary_ones_are_usable(self, embedded):
        for made in (tiny_tokenizer(), embedded.tokenizer, ByT5Tokenizer(), ending(tiny_tokenizer())):
            refuse_unusable(made, TEXT)

    def test_one_that_lowers_letters_and_drops_accents_is_usable(self):
        made, parts = tiny_tokenizer(), [normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()]
        made.backend_tokenizer.normalizer = normalizers.Sequence(parts)
        refuse_unusable(made, TEXT)

    @pytest.mark.parametrize("name", ["BertTokenizer", "T5Tokenizer", "LlamaTokenizer", "Qwen2Tokenizer"])
    def test_one_that_was_made_up_is_not(self, name):

        with pytest.raises(InputError, match=r"the tokenizer has no vocabulary, only .* fetch the files that belong"):
            refuse_unusable(getattr(transformers, name)(), TEXT)

    def test_one_that_loses_text_is_not(self):
        made = tiny_tokenizer()
        made.backend_tokenizer.normalizer = normalizers.Replace("three", "")
        with pytest.raises(InputError, match="the tokenizer loses text: "):
            refuse_unusable(made, TEXT)
