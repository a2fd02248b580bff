"""Our decoding as a model of lm-evaluation-harness: the scores of its own `hf` model where there is no gate."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lm_eval_files import task_folder, workload_file

from benchmark.cases.job import Job, run_job
from benchmark.cases.model_trace import InMemory
from benchmark.decoding.prepare import prepare
from benchmark.errors import InputError, MeasurementError
from benchmark.inputs.model_entry import load_models
from benchmark.inputs.settings import CaptureSettings, GatedSettings
from benchmark.inputs.workload_entry import load_workload
from benchmark.metrics.scoring import Scoring
from benchmark.readout.loaded_model import LoadedModel
from benchmark.results.identity import configuration_of
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer

lm_eval = pytest.importorskip("lm_eval", reason="needs: pip install 'exitbench[lm-eval]'")

from lm_eval.models.huggingface import HFLM  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402

from benchmark.cases.lm_eval.choices import measure_choices  # noqa: E402
from benchmark.cases.lm_eval.likelihoods import Continuation, likelihoods  # noqa: E402
from benchmark.cases.lm_eval.model import ExitBenchLM, _windows  # noqa: E402
from benchmark.inputs.data.lm_eval_library import TaskPlace  # noqa: E402


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return task_folder(tmp_path_factory.mktemp("of_lm_eval") / "tasks")


@pytest.fixture(scope="module", params=["tiny", "embedded"])
def loaded(request: pytest.FixtureRequest) -> LoadedModel:
    if request.param == "embedded":
        return request.getfixturevalue("embedded")
    return prepare(tiny_model("llama", "causal", vocab_size=300), tiny_tokenizer(), "causal")


@pytest.fixture(scope="module")
def tiny() -> LoadedModel:
    return prepare(tiny_model("llama", "causal", vocab_size=300), tiny_tokenizer(), "causal")


def samples(model: Any, tasks: Path, *names: str) -> dict[str, list[tuple[Any, ...]]]:
    """What lm-eval says of each answer, by task: the answers, and the value of every metric."""
    manager = TaskManager(include_path=tasks, include_defaults=False)
    found = lm_eval.simple_evaluate(model=model, tasks=list(names), task_manager=manager, bootstrap_iters=0)["samples"]
    return {
        name: [(one["filter"], one["resps"], [one[metric] for metric in one["metrics"]]) for one in found[name]]
        for name in names
    }


def test_without_a_gate_answers_and_scores_are_those_of_hf(loaded: LoadedModel, tasks: Path):
    theirs = samples(HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=2), tasks, "sums", "picks")
    ours = samples(ExitBenchLM(loaded, batch_size=2), tasks, "sums", "picks")
    assert ours["sums"] == theirs["sums"]
    assert [values for *_, values in ours["picks"]] == [values for *_, values in theirs["picks"]]
    for (_, one, _), (_, other, _) in zip(ours["picks"], theirs["picks"], strict=True):
        assert np.allclose([answer[0][0] for answer in one], [answer[0][0] for answer in other], atol=1e-3)
        assert [answer[0][1] for answer in one] == [answer[0][1] for answer in other]


def test_the_last_layer_of_choices_is_the_model_and_inner_layers_are_their_readouts(loaded: LoadedModel, tasks: Path):
    found = measure_choices(loaded, TaskPlace("picks", tasks, "test"), batch_size=4)
    own = samples(ExitBenchLM(loaded), tasks, "picks")["picks"]
    assert found.values["acc"][-1].tolist() == [values[0] for *_, values in own]
    assert found.values["acc_norm"][-1].tolist() == [values[1] for *_, values in own]
    assert found.values["acc"].shape == (loaded.anatomy.num_layers, 4)


class TestLikelihoods:
    PAIRS = (Continuation([5, 6, 7], [8, 9]), Continuation([11], [12, 13, 14]), Continuation([5, 6, 7, 9, 3], [4]))

    def test_each_layer_says_what_its_readout_of_the_text_alone_does(self, tiny: LoadedModel):
        found = likelihoods(tiny, self.PAIRS, batch_size=3, every_layer=True)
        for pair, one in zip(self.PAIRS, found, strict=True):
            ids = torch.tensor([[*pair.context, *pair.text]])
            states: list[torch.Tensor] = []
            hooks = [
                layer.module.register_forward_hook(
                    lambda _, __, out, layer=layer, states=states: states.append(layer.state_out(out))
                )
                for layer in tiny.anatomy.layers
            ]
            with torch.inference_mode():
                tiny.model(ids)
            for hook in hooks:
                hook.remove()
            place = torch.arange(len(pair.context), ids.shape[1])
            for layer, state in enumerate(states):
                said = tiny.readout.logits(state)[0].log_softmax(-1)[place - 1]
                expected = float(said[torch.arange(len(place)), ids[0, place]].sum())
                assert one.log_probs[layer] == pytest.approx(expected, abs=1e-4)
                assert one.greedy[layer] == bool((said.argmax(-1) == ids[0, place]).all())

    def test_without_layers_only_the_model_speaks(self, tiny: LoadedModel):
        every, own = (likelihoods(tiny, self.PAIRS, 1, every_layer=layers) for layers in (True, False))
        assert [one.log_probs.shape for one in own] == [(1,)] * 3
        assert [one.log_probs[-1] for one in own] == [one.log_probs[-1] for one in every]

    def test_an_encoder_decoder_is_given_the_context_and_writes_the_text(self):
        loaded = prepare(tiny_model("t5", "encoder-decoder"), tiny_tokenizer(), "encoder-decoder")
        (one,) = likelihoods(loaded, [Continuation([5, 6, 7], [8, 9])], 2)
        begin = loaded.model.generation_config.decoder_start_token_id
        with torch.inference_mode():
            logits = loaded.model(torch.tensor([[5, 6, 7]]), decoder_input_ids=torch.tensor([[begin, 8]])).logits[0]
        said = logits.log_softmax(-1)
        assert one.log_probs[-1] == pytest.approx(float(said[0, 8] + said[1, 9]), abs=1e-4)

    def test_a_text_longer_than_the_context_is_refused(self, tiny: LoadedModel):
        with pytest.raises(MeasurementError, match="the context has"):
            likelihoods(tiny, [Continuation([1], [2] * ((tiny.context or 0) + 1))], 1)


def test_windows_hold_each_token_once_and_are_full():
    ids = list(range(10, 21))
    windows = list(_windows(ids, 0, 4))
    assert [token for *_, text in windows for token in text] == ids
    assert [(context, text) for _, context, text in windows] == [
        ([0], [10, 11, 12, 13]),
        ([13], [14, 15, 16, 17]),
        ([16, 17], [18, 19, 20]),
    ]
    assert list(_windows([], 0, 4)) == []


class TestGates:
    def test_tokens_leave_and_are_counted(self, tiny: LoadedModel, tasks: Path):
        model = ExitBenchLM(tiny, GatedSettings.of("static=1", "propagate"), batch_size=4)
        samples(model, tasks, "sums")
        skipped = model.get_model_info()["skip_ratio"]
        assert model.tokens > 4 and 0 < skipped < 1 - 1 / tiny.anatomy.num_layers

    def test_a_gate_decides_nothing_about_likelihoods_and_is_refused(self, tiny: LoadedModel, tasks: Path):
        with pytest.raises(InputError, match=r"the gate margin=0\.9 would decide nothing"):
            samples(ExitBenchLM(tiny, GatedSettings.of("margin=0.9", "recompute")), tasks, "picks")

    def test_a_target_has_no_prompts_to_choose_by(self, tiny: LoadedModel):
        with pytest.raises(InputError, match="no prompts are set aside"):
            ExitBenchLM(tiny, GatedSettings.of("margin@0.9", "recompute"))

    def test_answers_kept_of_another_gate_are_refused(self, tiny: LoadedModel, tasks: Path, tmp_path: Path):
        manager = TaskManager(include_path=tasks, include_defaults=False)
        with pytest.raises(InputError, match="--use_cache"):
            lm_eval.simple_evaluate(
                model=ExitBenchLM(tiny), tasks=["sums"], task_manager=manager, use_cache=str(tmp_path / "kept")
            )


def test_a_case_has_the_score_of_lm_eval_and_says_of_which_task(tmp_path: Path, tasks: Path, make_tiny: Any):
    make_tiny(tmp_path / "tiny")
    (tmp_path / "models.yaml").write_text("models:\n- path: tiny\n")
    (tmp_path / "tasks").symlink_to(tasks)
    (entry,) = load_models(tmp_path / "models.yaml")
    workload = load_workload(workload_file(tmp_path, "sums"))
    row = run_job(Job(entry, workload, CaptureSettings(sample=5, top_k=3), Scoring()), InMemory())
    assert (row.scorer, row.lm_eval_task) == ("lm_eval", "sums 3.0, 2-shot, exact_match,strict-match")
    assert row.stop == ["Question:", "</s>"] and row.score_missing is None and row.scored_prompts == 4
    columns = row.model_dump()
    assert configuration_of(columns) == row.configuration
    assert configuration_of(columns | {"lm_eval_task": "sums 4.0"}) != row.configuration
