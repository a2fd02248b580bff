"""Tasks of lm-evaluation-harness on local files: one that generates, as gsm8k does, and one of multiple choice."""

import json
from pathlib import Path

SUMS = """
task: sums
dataset_path: json
dataset_kwargs:
  data_files: {{test: {folder}/sums.jsonl, train: {folder}/shots.jsonl}}
output_type: generate_until
test_split: test
fewshot_split: train
num_fewshot: 2
doc_to_text: "Question: {{{{question}}}}\\nAnswer:"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: ["Question:", "</s>"], do_sample: false, temperature: 0.0, max_gen_toks: 16}}
metric_list:
  - {{metric: exact_match, aggregation: mean, higher_is_better: true}}
filter_list:
  - name: strict-match
    filter: [{{function: regex, regex_pattern: "#### (-?[0-9]+)"}}, {{function: take_first}}]
  - name: flexible-extract
    filter: [{{function: regex, group_select: -1, regex_pattern: "(-?[0-9]+)"}}, {{function: take_first}}]
metadata: {{version: 3.0}}
"""
PICKS = """
task: picks
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
"""
DRAWN = SUMS.replace("task: sums", "task: drawn").replace("do_sample: false, temperature: 0.0", "do_sample: true")
QUESTIONS = (
    ("Which animal barks?", ["a cat", "the dog next door", "fish"], 1),
    ("What is the capital of France?", ["Paris", "London"], 0),
    ("What do fish live in?", ["milk", "water"], 1),
    ("How many legs has a spider?", ["two", "four", "eight"], 2),
)


def write_tasks(folder: Path) -> Path:
    """Write the tasks `sums`, `picks` and `drawn`, which draws its answers, and their data; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("sums", SUMS), ("picks", PICKS), ("drawn", DRAWN)):
        (folder / f"{name}.yaml").write_text(text.format(folder=folder))
    _write(folder / "sums.jsonl", [{"question": f"What is {n} plus 2?", "answer": str(n + 2)} for n in range(5)])
    _write(folder / "shots.jsonl", [{"question": f"What is {n} plus 7?", "answer": f"#### {n + 7}"} for n in range(3)])
    _write(folder / "picks.jsonl", [{"question": q, "choices": c, "gold": g} for q, c, g in QUESTIONS])
    return folder


def _write(file: Path, records: list[dict[str, object]]) -> None:
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
