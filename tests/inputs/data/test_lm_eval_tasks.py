"""Workloads of tasks of lm-evaluation-harness: prompts by the task, scores by its own filters and metrics, offline."""

import json
import random
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from lm_eval_files import task_folder, workload_file

from benchmark.errors import CannotRun, InputError
from benchmark.inputs.data import lm_eval_library
from benchmark.inputs.data.lm_eval_tasks import GeneratingTask, Generation, read_task
from benchmark.inputs.workload_entry import load_workload

needed = pytest.mark.skipif(find_spec("lm_eval") is None, reason="needs: pip install 'exitbench[lm-eval]'")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    task_folder(tmp_path / "tasks")
    return tmp_path


def read(path: Path, count: int = 4) -> GeneratingTask:
    return read_task(load_workload(path), count, download=False)


@needed
class TestPrompts:
    def test_they_have_examples_stop_strings_and_references_of_the_task(self, folder: Path):
        task = read(workload_file(folder, "sums"), 3)
        assert (task.title, len(task.prompts)) == ("sums 3.0, 2-shot, exact_match,strict-match", 3)
        prompt = task.prompts[1]
        assert isinstance(prompt.messages, str)
        assert prompt.messages.count("####") == 2 and prompt.messages.endswith("Question: What is 1 plus 2?\nAnswer:")
        assert (prompt.id, prompt.stop) == ("sums_of_lm_eval/1", ("Question:", "</s>"))
        assert prompt.targets == ("1 + 2 = 3 #### 3",)

    def test_of_a_chat_workload_they_are_conversations(self, folder: Path):
        prompt = read(workload_file(folder, "sums", kind="chat")).prompts[0]
        assert [turn["role"] for turn in prompt.turns] == ["user", "assistant", "user", "assistant", "user"]
        assert prompt.turns[-1]["content"] == "Question: What is 0 plus 2?\nAnswer:"

    def test_random_numbers_of_others_stay_as_they_were(self, folder: Path):
        random.seed(5)
        np.random.seed(5)
        path = workload_file(folder, "sums")
        read(path)
        drawn = random.random(), np.random.rand()
        random.seed(5)
        np.random.seed(5)
        assert drawn == (random.random(), np.random.rand())


@needed
class TestScores:
    def test_each_is_by_the_filter_and_metric_of_the_task(self, folder: Path):
        task = read(workload_file(folder, "sums"))
        assert task.scores({0: "It is #### 2", 1: "It is 3", 3: "#### 9"}) == {0: 1.0, 1: 0.0, 3: 0.0}

    def test_another_filter_can_be_asked_for(self, folder: Path):
        task = read(workload_file(folder, "sums", metric="exact_match,flexible-extract"))
        assert task.scores({1: "It is 3", 2: "It is 9"}) == {1: 1.0, 2: 0.0}

    def test_a_task_that_has_changed_since_is_refused(self, folder: Path):
        task = read(workload_file(folder, "sums"))
        data = folder / "tasks" / "sums.jsonl"
        data.write_text(data.read_text().replace("What is 1", "How much is 1"))
        with pytest.raises(InputError, match="asks other things than when its prompts were read"):
            task.scores({0: "2"})


@needed
@pytest.mark.parametrize(
    ("task", "source", "told"),
    [
        ("sms", {}, "lm-eval has no task 'sms'; did you mean 'sums'"),
        ("picks", {}, "'picks' generates nothing, it compares likelihoods; see: exitbench choices"),
        ("sums", {"metric": "exact_match,strict"}, "did you mean 'exact_match,strict-match'"),
        ("sums", {"include_path": "nowhere"}, "no folder"),
    ],
)
def test_what_cannot_be_is_one_line(folder: Path, task: str, source: dict[str, str], told: str):
    with pytest.raises(InputError, match=told) as raised:
        read(workload_file(folder, task, **source))
    assert "\n" not in str(raised.value)


@needed
def test_a_metric_that_fails_and_data_that_are_not_here(folder: Path):
    file = folder / "tasks" / "sums.yaml"
    whole = file.read_text()
    file.write_text(whole.replace("{{question}}", "{{missing}}"))
    with pytest.raises(InputError, match="lm-eval cannot run 'sums'"):
        read(workload_file(folder, "sums"))
    file.write_text(whole.replace("dataset_path: json", "dataset_path: nobody/nothing-at-all"))
    with pytest.raises(CannotRun, match="data of the task sums"):
        read(workload_file(folder, "sums"))


class TestGeneration:
    def test_greedy_settings_pass(self):
        settings = {"until": "\n", "do_sample": False, "temperature": 0.7, "max_gen_toks": 5}
        assert Generation.of(settings, "t") == Generation(("\n",), 5)
        assert Generation.of({"until": ["a", ""]}, "t") == Generation(("a",), None)

    @pytest.mark.parametrize("settings", [{"do_sample": True}, {"temperature": 0.5}, {"num_beams": 2}])
    def test_others_are_refused(self, settings: dict[str, object]):
        with pytest.raises(InputError, match="ExitBench"):
            Generation.of(settings, "t")


def test_without_the_library_it_is_said_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lm_eval_library, "find_spec", lambda name: None)
    for name in ("lm_eval", "lm_eval.api.model"):  # nothing of it may be imported before that
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(CannotRun, match=r"not installed; pip install 'exitbench\[lm-eval\]'"):
        read(workload_file(folder, "sums"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"stop": ["x"]}, "leave 'stop' away"),
        ({"scorer": "chrf"}, "the scorer 'lm_eval'"),
        ({"kind": "masked"}, "for models that write"),
        ({"source": {"lm_eval": "sums", "file": "a.jsonl"}}, "says itself where its data are"),
        ({"source": {"file": "a.jsonl", "metric": "acc"}}, "need 'lm_eval'"),
    ],
)
def test_a_workload_that_says_what_the_task_says_is_refused(folder: Path, change: dict[str, object], told: str):
    path = workload_file(folder, "sums")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=told):
        load_workload(path)
