"""Our decoding under lm-evaluation-harness: without a gate it scores as the harness's own model does."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lm_eval_files import write_tasks

lm_eval = pytest.importorskip("lm_eval", reason="needs the extra: pip install 'exitbench[lm-eval]'")

from lm_eval.models.huggingface import HFLM  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402

from benchmark import load  # noqa: E402
from benchmark.cases.lm_eval.model import ExitBenchLM, _windows  # noqa: E402
from benchmark.errors import InputError, MeasurementError  # noqa: E402
from benchmark.inputs.settings import GatedSettings  # noqa: E402
from benchmark.readout.loaded_model import LoadedModel  # noqa: E402


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> TaskManager:
    folder = write_tasks(tmp_path_factory.mktemp("lm-eval") / "tasks")
    return TaskManager(include_path=folder, include_defaults=False)


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> LoadedModel:
    return load(tiny_folder).loaded


def evaluated(model: Any, tasks: TaskManager, names: list[str], limit: int | None = None, chat: bool = False) -> Any:
    return lm_eval.simple_evaluate(
        model=model, tasks=names, task_manager=tasks, limit=limit, bootstrap_iters=0, apply_chat_template=chat
    )


def answers(results: Any, name: str) -> list[Any]:
    """What was answered to each question, and what it was worth."""
    return [
        (sample["doc_id"], sample["filter"], sample["resps"], [sample[metric] for metric in sample["metrics"]])
        for sample in results["samples"][name]
    ]


def assert_same(found: Any, truth: Any) -> None:
    assert answers(found, "sums") == answers(truth, "sums")
    pairs = zip(answers(found, "picks"), answers(truth, "picks"), strict=True)
    for (number, _, own, values), (other, _, theirs, worth) in pairs:
        assert (number, values) == (other, worth)
        for ((said, greedy),), ((also, likewise),) in zip(own, theirs, strict=True):
            assert said == pytest.approx(also, rel=1e-4)
            assert greedy == likewise
    for task, figures in truth["results"].items():
        assert {name: found["results"][task][name] for name in figures} == figures


@pytest.mark.parametrize("chat", [False, True])
def test_without_a_gate_scores_are_those_of_hf(chat, tiny, tasks):
    own = HFLM(pretrained=tiny.model, tokenizer=tiny.tokenizer, batch_size=2, device="cpu")
    truth = evaluated(own, tasks, ["sums", "picks"], chat=chat)
    assert_same(evaluated(ExitBenchLM(tiny, batch_size=2), tasks, ["sums", "picks"], chat=chat), truth)


def test_so_are_those_of_the_embedded_model(embedded, tasks):
    own = HFLM(pretrained=embedded.model, tokenizer=embedded.tokenizer, batch_size=2, device="cpu")
    truth = evaluated(own, tasks, ["sums", "picks"], limit=3)
    assert_same(evaluated(ExitBenchLM(embedded, batch_size=2), tasks, ["sums", "picks"], limit=3), truth)
    assert truth["results"]["picks"]["acc,none"] > 0  # a score that can be missed


def test_tokens_leave_early_where_a_gate_lets_them(tiny, tasks):
    model = ExitBenchLM(tiny, GatedSettings.of("static=1", "propagate"), batch_size=2)
    assert model.skip_ratio is None
    truth = evaluated(ExitBenchLM(tiny, batch_size=2), tasks, ["sums"])
    assert answers(evaluated(model, tasks, ["sums"]), "sums") != answers(truth, "sums")
    # All but the first token of a text leave at the first of three layers.
    assert 0.5 < model.skip_ratio < 2 / 3
    assert model.get_model_info()["skip_ratio"] == model.skip_ratio


def test_the_oracle_with_every_state_answers_as_the_full_model(tiny, tasks):
    gated = ExitBenchLM(tiny, GatedSettings.of("oracle", "recompute"), batch_size=2)
    truth = evaluated(ExitBenchLM(tiny, batch_size=2), tasks, ["sums"])
    assert answers(evaluated(gated, tasks, ["sums"]), "sums") == answers(truth, "sums")


class TestRefusals:
    def test_likelihoods_have_no_use_for_a_gate(self, tiny, tasks):
        model = ExitBenchLM(tiny, GatedSettings.of("margin=0.5", "propagate"))
        with pytest.raises(InputError, match=r"margin=0.5 would decide nothing; .* exitbench choices"):
            evaluated(model, tasks, ["picks"])

    def test_answers_that_are_drawn(self, tiny, tasks):
        with pytest.raises(InputError, match="draws answers at random"):
            evaluated(ExitBenchLM(tiny), tasks, ["drawn"])

    def test_a_target_needs_prompts_of_its_own(self, tiny):
        with pytest.raises(InputError, match=r"margin@0.95: no prompts are set aside .* give one: 'margin=0.8'"):
            ExitBenchLM(tiny, GatedSettings.of("margin@0.95", "propagate"))

    def test_answers_of_an_earlier_run(self, tiny):
        with pytest.raises(InputError, match="--use_cache may be of another gate or model"):
            ExitBenchLM(tiny).set_cache_hook(object())

    def test_an_answer_without_room(self, tiny):
        request = SimpleNamespace(args=("a", {"until": [], "max_gen_toks": 5000}), task_name="sums")
        with pytest.raises(MeasurementError, match="5000 new tokens leave no room in a context of 4096"):
            ExitBenchLM(tiny).generate_until([request])


@pytest.mark.parametrize(("length", "size"), [(1, 4), (4, 4), (5, 4), (11, 4), (9, 100)])
def test_windows_hold_every_token_once(length, size):
    ids = list(range(10, 10 + length))
    windows = list(_windows(ids, 1, size))
    assert [token for _, _, text in windows for token in text] == ids
    for _, context, text in windows:
        assert len(context) + len(text) - 1 <= size and context
        whole = [1, *ids]
        end = whole.index(text[-1]) + 1
        assert [*context, *text] == whole[end - len(context) - len(text) : end]


def test_rolling_likelihoods_are_those_of_hf(tiny):
    requests = [SimpleNamespace(args=(text,)) for text in ("a layer once the prediction", "x")]
    own = HFLM(pretrained=tiny.model, tokenizer=tiny.tokenizer, batch_size=1, device="cpu")
    assert ExitBenchLM(tiny, batch_size=2).loglikelihood_rolling(requests) == pytest.approx(
        own.loglikelihood_rolling(requests), rel=1e-4
    )
