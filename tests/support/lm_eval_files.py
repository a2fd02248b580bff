"""Tasks of lm-evaluation-harness on local JSON, one that writes and one of multiple choice, and workloads of them."""

import json
from pathlib import Path
from typing import Any

_SUMS = """task: sums
dataset_path: json
dataset_kwargs:
  data_files: {{test: {folder}/sums.jsonl, train: {folder}/shots.jsonl}}
output_type: generate_until
test_split: test
fewshot_split: train
num_fewshot: 2
doc_to_text: "Question: {{{{question}}}}\\nAnswer:"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: ["Question:", "</s>"], do_sample: false, max_gen_toks: 12}}
metric_list:
  - {{metric: exact_match, aggregation: mean, higher_is_better: true, regexes_to_ignore: [",", "(?s).*#### "]}}
filter_list:
  - name: strict-match
    filter: [{{function: regex, regex_pattern: "#### (\\\\-?[0-9\\\\.\\\\,]+)"}}, {{function: take_first}}]
  - name: flexible-extract
    filter: [{{function: regex, group_select: -1, regex_pattern: "(-?[0-9]+)"}}, {{function: take_first}}]
metadata: {{version: 3.0}}
"""
_PICKS = """task: picks
dataset_path: json
dataset_kwargs:
  data_files: {{test: {folder}/picks.jsonl}}
output_type: multiple_choice
test_split: test
doc_to_text: "Question: {{{{question}}}}\\nAnswer:"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: gold
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
  - {{metric: acc_norm, aggregation: mean, higher_is_better: true}}
metadata: {{version: 1.0}}
"""
_QUESTIONS = (
    ("Which animal barks?", ("a cat", "the dog next door", "fish"), 1),
    ("What is the capital of France?", ("Paris", "London"), 0),
    ("What do cows drink?", ("milk", "water"), 1),
    ("What color is the sky on a clear day?", ("green", "blue"), 1),
)


def task_folder(folder: Path) -> Path:
    """Write both tasks and their data; returns the folder."""
    folder.mkdir()
    (folder / "sums.yaml").write_text(_SUMS.format(folder=folder))
    (folder / "picks.yaml").write_text(_PICKS.format(folder=folder))
    _write(folder / "sums.jsonl", [_sum(number, 2) for number in range(4)])
    _write(folder / "shots.jsonl", [_sum(number, 1) for number in range(5)])
    questions = [{"question": text, "choices": choices, "gold": gold} for text, choices, gold in _QUESTIONS]
    _write(folder / "picks.jsonl", questions)
    return folder


def workload_file(folder: Path, task: str, kind: str = "completion", prompts: int = 4, **source: str) -> Path:
    """Write the workload of a task that lies in `tasks` beside it; returns the file."""
    named = {"lm_eval": task, "include_path": "tasks"} | source
    path = folder / "sums_of_lm_eval.yaml"
    fields = {"name": path.stem, "description": "sums", "source": named, "kind": kind, "prompts": prompts}
    path.write_text(json.dumps(fields | {"max_new_tokens": 12, "licence": "CC0"}))
    return path


def _sum(number: int, more: int) -> dict[str, str]:
    total = number + more
    return {"question": f"What is {number} plus {more}?", "answer": f"{number} + {more} = {total} #### {total}"}


def _write(path: Path, records: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
