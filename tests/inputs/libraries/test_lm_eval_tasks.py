"""Tasks of lm-evaluation-harness as workloads: prompts, stop strings, references, and what is wrong with them."""

import sys
from pathlib import Path

import pytest
from lm_eval_files import write_tasks

from benchmark.errors import CannotRun, InputError
from benchmark.inputs.libraries.lm_eval_tasks import Generation, read_task
from benchmark.inputs.workload_entry import WorkloadEntry, load_workload

WORKLOAD = """
name: sums
description: sums
source: {{lm_eval: {task}, include_path: tasks{more}}}
kind: {kind}
prompts: 4
max_new_tokens: 8
licence: CC0
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workloads")
    write_tasks(folder / "tasks")
    return folder


def workload(folder: Path, task: str = "sums", kind: str = "completion", more: str = "") -> WorkloadEntry:
    file = folder / "sums.yaml"
    file.write_text(WORKLOAD.format(task=task, kind=kind, more=more))
    return load_workload(file)


class TestTasks:
    @pytest.fixture(autouse=True)
    def _extra(self) -> None:
        pytest.importorskip("lm_eval", reason="needs the extra: pip install 'exitbench[lm-eval]'")

    def test_prompts_have_examples_stop_strings_and_references(self, folder):
        task = read_task(workload(folder), 3, download=False)
        assert [prompt.id for prompt in task.prompts] == ["sums/0", "sums/1", "sums/2"]
        for number, prompt in enumerate(task.prompts):
            assert prompt.messages.count("#### ") == 2
            assert prompt.messages.endswith(f"Question: What is {number} plus 2?\nAnswer:")
            assert (prompt.stop, prompt.targets) == (("Question:", "</s>"), (str(number + 2),))
        assert task.title == "sums 3.0, 2-shot, exact_match,strict-match"

    def test_turns_of_a_chat_go_through_the_template_of_the_model(self, folder):
        task = read_task(workload(folder, kind="chat"), 1, download=False)
        (prompt,) = task.prompts
        assert [turn.role for turn in prompt.messages] == ["user", "assistant"] * 2 + ["user"]
        assert prompt.messages[-1].content == "Question: What is 0 plus 2?\nAnswer:"

    def test_answers_are_scored_by_the_filter_that_is_asked_for(self, folder):
        answers = {0: "it is #### 2", 1: "it is 3", 2: "#### 5 or 4"}
        strict = read_task(workload(folder), 3, download=False).scores(answers)
        loose = read_task(workload(folder, more=", metric: 'exact_match,flexible-extract'"), 3, False).scores(answers)
        assert (strict, loose) == ({0: 1.0, 1: 0.0, 2: 0.0}, {0: 1.0, 1: 1.0, 2: 1.0})

    def test_no_more_prompts_than_there_are(self, folder):
        assert len(read_task(workload(folder), 50, download=False).prompts) == 5

    @pytest.mark.parametrize(
        ("task", "more", "problem"),
        [
            ("summs", "", "lm-eval has no task 'summs'; did you mean 'sums'?"),
            ("picks", "", "'picks' generates nothing, it compares likelihoods; see: exitbench choices"),
            ("drawn", "", "'drawn': draws answers at random"),
            ("sums", ", metric: exact_mach", "source.metric: the task has exact_match,strict-match and"),
        ],
    )
    def test_what_is_wrong_is_one_line(self, task, more, problem, folder):
        with pytest.raises(InputError) as raised:
            read_task(workload(folder, task, more=more), 2, download=False)
        assert problem in str(raised.value) and "\n" not in str(raised.value)

    def test_data_that_are_not_here_are_not_fetched(self, folder):
        entry = workload(folder, "gsm8k", more=", metric: 'exact_match,strict-match'")
        with pytest.raises(CannotRun, match="gsm8k"):
            read_task(entry, 2, download=False)


def test_without_the_extra_it_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(CannotRun, match="lm-evaluation-harness is not installed") as raised:
        read_task(workload(folder), 2, download=False)
    assert "pip install 'exitbench[lm-eval]'" in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"until": ["a", ""], "max_gen_toks": 7}, Generation(("a",), 7)),
        ({"until": "b", "do_sample": False, "temperature": 1.0}, Generation(("b",), None)),
        ({}, Generation((), None)),
    ],
)
def test_how_an_answer_is_generated(settings, expected):
    assert Generation.of(settings, "task") == expected


@pytest.mark.parametrize("settings", [{"do_sample": True}, {"temperature": 0.5}, {"num_beams": 4}])
def test_other_ways_to_generate_are_refused(settings):
    with pytest.raises(InputError, match="task: "):
        Generation.of(settings, "task")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("lm_eval: sums, ", ""), "'include_path' and 'metric' need 'lm_eval'"),
        (("include_path: tasks", "file: a.jsonl"), "give nothing but 'lm_eval' then"),
        (("kind: completion", "kind: masked"), "tasks of lm_eval are for models that write"),
        (("prompts: 4", "prompts: 4\nfield: text"), "leave 'field' away"),
        (("prompts: 4", "prompts: 4\nscorer: chrf"), "the scorer 'lm_eval' is for a source of lm_eval"),
        (("include_path: tasks", "include_path: ../tasks"), "include_path"),
        (("lm_eval: sums", "lm_eval: '../sums'"), "lm_eval"),
    ],
)
def test_a_workload_that_cannot_be(change, problem, tmp_path):
    file = tmp_path / "sums.yaml"
    file.write_text(WORKLOAD.format(task="sums", kind="completion", more="").replace(*change))
    with pytest.raises(InputError, match=problem):
        load_workload(file)
