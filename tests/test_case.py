"""A whole case, from files on disk to a row on disk, on one tiny model of each kind."""

import gc
import weakref
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import torch

from benchmark.case import Case, Model, Once, Settings, Workload
from benchmark.columns import result_columns
from benchmark.errors import CannotRun, InputError, MeasurementError
from benchmark.hub import Hub
from benchmark.prompts import load_workloads
from benchmark.results import Store, read_row
from benchmark.sources import Machine
from benchmark.specs import load_models
from benchmark.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace import Trace

KINDS = {
    "dense": ("llama", "causal", "math"),
    "moe": ("mixtral", "causal", "math"),
    "ssm": ("mamba", "causal", "math"),
    "hybrid": ("jamba", "causal", "math"),
    "encoder-decoder": ("t5", "encoder-decoder", "math"),
    "encoder": ("modernbert", "masked", "masked_passages"),
}


def make_case(folder, model_type, task, workload, **settings):
    if not (folder / "model").exists():
        tiny_model(model_type, task, max_position_embeddings=2048).save_pretrained(folder / "model")
        tiny_tokenizer().save_pretrained(folder / "model")
    (folder / "models.yaml").write_text("models:\n- path: model\n  name: tiny\n")
    machine = Machine(torch.device("cpu"), None, trust_remote_code=False)
    asked = {"limit": 3, "max_new_tokens": 5, "batch_size": 2, "alpha": 0.5, "seed": 0} | settings
    hub = Hub(download=False)
    (spec,) = load_models(folder / "models.yaml")
    (chosen,) = [spec for spec in load_workloads() if spec.name == workload]
    return Case(
        model=Model(spec, hub, machine, announce=lambda text: None),
        workload=Workload(chosen, hub, asked["limit"]),
        suite="oracle",
        settings=Settings(machine=machine, **asked),
        store=Store(folder / "results"),
        started=datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_case_of_each_kind_of_model(kind, tmp_path):
    case = make_case(tmp_path, *KINDS[kind])
    measurement = case.decode(lambda tokens, prompts: None)
    costs = case.model.loaded().costs
    columns = result_columns(measurement.capture.trace, 0.5, 0, costs)
    row = case.record(measurement, columns)
    assert row.architecture == kind
    assert read_row(case.path) == row
    assert 1 <= row.exit_layer_mean <= row.exit_layer_settled_mean <= row.num_layers
    assert row.prompts == 3
    assert row.limited
    stored = Trace.read_parquet(case.path.with_suffix(".parquet"))
    assert stored.num_tokens == row.tokens
    assert result_columns(stored, 0.5, 0, costs) == columns


@pytest.mark.parametrize(
    ("model_type", "task", "workload"), [("llama", "causal", "masked_passages"), ("bert", "masked", "chat")]
)
def test_a_workload_of_the_other_kind_cannot_run(model_type, task, workload, tmp_path):
    with pytest.raises(CannotRun, match="masked tokens are for encoder models"):
        make_case(tmp_path, model_type, task, workload).path  # noqa: B018


@pytest.mark.parametrize(
    "other", [{"max_new_tokens": 6}, {"limit": 2}, {"batch_size": 1}, {"alpha": 0.25}, {"seed": 1}]
)
def test_another_setting_is_another_row(other, tmp_path):
    first = make_case(tmp_path, "llama", "causal", "math")
    assert make_case(tmp_path, "llama", "causal", "math").path == first.path
    assert make_case(tmp_path, "llama", "causal", "math", **other).path != first.path


def test_a_failure_is_a_row_and_never_replaces_a_good_one(tmp_path):
    case = make_case(tmp_path, "llama", "causal", "math")
    case.record_failure(InputError("the disk was on fire"))
    assert case.finished.status == "failed"
    assert case.finished.error == "the disk was on fire"
    measurement = case.decode(lambda tokens, prompts: None)
    row = case.record(measurement, result_columns(measurement.capture.trace, 0.5, 0, case.model.loaded().costs))
    case.record_failure(RuntimeError("again"))
    assert case.finished == row


def test_an_error_for_a_person_is_remembered_and_not_looked_for_again():
    calls = []

    def fail():
        calls.append(1)
        raise InputError("no such file")

    once = Once(fail)
    for _ in range(2):
        with pytest.raises(InputError, match="no such file"):
            once()
    assert len(calls) == 1
    assert isinstance(once.error, InputError)
    once.forget()
    assert isinstance(once.error, InputError)


def test_tokens_keep_the_number_of_their_prompt_when_another_is_left_out(tmp_path):
    case = make_case(tmp_path, "llama", "causal", "math", batch_size=1)
    lengths = [len(prompt) for prompt in case.workload.prompts()]
    longest = lengths.index(max(lengths))
    case.model.loaded()
    case.model.loaded._outcome[0] = replace(case.model.loaded(), context=max(lengths))
    measurement = case.decode(lambda tokens, prompts: None)
    assert measurement.prompts_left_out == 1
    assert set(measurement.capture.trace.prompt) == {0, 1, 2} - {longest}


def test_more_new_tokens_than_a_decoder_has_positions_are_refused(tmp_path):
    case = make_case(tmp_path, "bart", "encoder-decoder", "math", max_new_tokens=3000)
    with pytest.raises(MeasurementError, match="the decoder has 2048 positions"):
        case.decode(lambda tokens, prompts: None)


def test_a_model_that_failed_does_not_stay_in_memory():
    kept = []

    def fail():
        weights = torch.zeros(3)
        kept.append(weakref.ref(weights))
        raise MeasurementError("no")

    once = Once(fail)
    with pytest.raises(MeasurementError):
        once()
    gc.collect()
    assert kept[0]() is None
