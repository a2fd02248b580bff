"""The script for a GPU, rehearsed on the CPU: every step leaves its figures on disk, and no exit differs."""

import json
from dataclasses import replace

import pytest
import torch
from captures import decode

from benchmark.decoding.prepare import prepare
from benchmark.tools.gpu import __main__ as gpu
from benchmark.tools.gpu.agreement import COUNTS, agreement
from benchmark.tools.gpu.correctness import KINDS
from benchmark.tools.gpu.journal import Journal, Outcome, as_markdown
from benchmark.tools.gpu.sizes import MEANT, REHEARSED
from benchmark.tools.tiny_models import tiny_model, tiny_tokenizer
from benchmark.trace.sample import Sampling

CPU = torch.device("cpu")
REHEARSED_KINDS = {
    "correctness": ("llama", "t5", "bert"),
    "gated": ("llama",),
    "two-phase": ("llama",),
    "replay": ("llama", "mamba"),
}
"""One of each way to be run; the others differ in the model alone, and take most of the time."""


def _is_rehearsed(step):
    group, _, what = step.name.partition(":")
    return what in REHEARSED_KINDS.get(group, (what,))


STEPS = [step.name for step in gpu.steps(CPU, REHEARSED) if _is_rehearsed(step)]


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory):
    """Outcomes by step, as gpu.json has them in the end, and what both files named after each step."""
    folder, seen = tmp_path_factory.mktemp("gpu"), []

    class Watched(Journal):
        def record(self, outcome):
            super().record(outcome)
            data = json.loads((folder / "gpu.json").read_text())
            lines = (folder / "gpu.md").read_text().splitlines()[2:]
            seen.append(([one["step"] for one in data["steps"]], [line.split(" | ")[0][2:] for line in lines]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu, "Journal", Watched)
        code = gpu.main(["--device", "cpu", "--tiny", "--out", str(folder), "--only", *STEPS])
    data = json.loads((folder / "gpu.json").read_text())
    assert [path.name for path in sorted(folder.iterdir())] == ["gpu.json", "gpu.md"]
    return code, {one["step"]: one for one in data["steps"]}, seen


def test_every_step_is_done(rehearsal):
    code, outcomes, _ = rehearsal
    assert {name: one["error"] for name, one in outcomes.items() if one["status"] != "done"} == {}
    assert code == 0
    assert list(outcomes) == STEPS


def test_what_must_be_right_is_looked_at_first():
    groups = [step.name.partition(":")[0] for step in gpu.steps(CPU, MEANT)]
    order = [
        "environment",
        "correctness",
        "whole-path",
        "speed-small",
        "speed-large",
        "gated",
        "replay",
        "clock",
        "static",
        "two-phase",
    ]
    assert groups == sorted(groups, key=order.index)
    kinds = [step.name for step in gpu.steps(CPU, MEANT) if step.name.startswith("correctness:")]
    assert kinds == [f"correctness:{kind}" for kind in KINDS]


def test_both_files_are_written_after_each_step(rehearsal):
    _, outcomes, seen = rehearsal
    names = list(outcomes)
    assert seen == [(names[:count], names[:count]) for count in range(1, len(names) + 1)]


@pytest.mark.parametrize("kind", REHEARSED_KINDS["replay"])
def test_replays_give_the_tokens_of_the_text(rehearsal, kind):
    figures = rehearsal[1][f"replay:{kind}"]["figures"]
    assert figures["faithful"] and figures["tokens"] > 0 and figures["differing"] == 0
    assert figures["leave_alone"] == (kind == "llama") == (figures["deferred"] == "proven")


@pytest.mark.parametrize("batch", REHEARSED.batches)
def test_half_of_the_layers_are_timed_beside_all_of_them(rehearsal, batch):
    figures = rehearsal[1][f"clock:batch-{batch}"]["figures"]
    assert figures["faithful"] and figures["bound"] > 1 and figures["replay_speedup"] > 0


@pytest.mark.parametrize("kind", REHEARSED_KINDS["correctness"])
def test_nothing_differs_in_float32(rehearsal, kind):
    figures = rehearsal[1][f"correctness:{kind}"]["figures"]
    assert figures["costs_equal"] and figures["device"]["kind"] != "unknown"
    for pair in ("device_against_cpu", "batch_against_alone"):
        assert figures[pair]["tokens"] > 0
        assert {name: figures[pair][name] for name in COUNTS} == dict.fromkeys(COUNTS, 0)
        assert max(figures[pair]["largest"].values()) < 1e-4


def test_two_phases_differ_in_nothing_in_float32(rehearsal):
    figures = rehearsal[1]["two-phase:llama"]["figures"]
    phases = figures["float32"]
    assert phases["in_two_phases"] and phases["not_argmax_share"] == phases["reread_differing"] == 0
    assert {name: phases["against_step_by_step"][name] for name in COUNTS} == dict.fromkeys(COUNTS, 0)
    assert 0 <= figures["bfloat16"]["not_argmax_share"] < 0.25


def test_a_case_leaves_a_row_without_faults(rehearsal):
    for dtype in ("float32", "bfloat16"):
        figures = rehearsal[1][f"whole-path:{dtype}"]["figures"]
        assert figures["faults"] == [] and figures["status"] == "ok" and figures["dtype"] == dtype
        assert figures["device"] == "cpu" and figures["peak_memory_bytes"] > 0 and figures["oracle_seconds"] > 0


def test_what_is_captured_is_what_plain_generate_writes(rehearsal):
    for step in ("speed-small:batch-1", "speed-small:batch-3", "speed-large:batch-3"):
        figures = rehearsal[1][step]["figures"]
        assert figures["tokens_other_than_plain"] == 0
        assert figures["capture_ratio"] == pytest.approx(figures["capture_seconds"] / figures["plain_seconds"])


def test_watching_waits_for_the_device_no_more_often_than_plain_decoding(rehearsal):
    """Operations that read a number back; the two that are more count tokens, which is not done on a GPU."""
    figures = rehearsal[1]["speed-small:waits"]["figures"]
    assert figures["watched"]["per_step"]["aten::item"] <= figures["plain"]["per_step"]["aten::item"] + 3
    assert "aten::nonzero" not in figures["watched"]["per_step"]


def test_a_step_that_fails_is_told_and_the_next_goes_on():
    def fails(figures):
        figures["before"] = 1
        raise RuntimeError("no such\nkernel")

    failed, done = gpu.taken([gpu.Step("one", 1, fails), gpu.Step("two", 1, lambda figures: None)], 60, False)
    assert (failed.status, failed.error, failed.figures) == ("failed", "RuntimeError: no such kernel", {"before": 1})
    assert any("raise RuntimeError" in line for line in failed.trace)
    assert done.status == "done"
    assert "| one | failed | 0.0 | RuntimeError: no such kernel; before 1 |" in as_markdown([failed])


def test_a_step_that_does_not_fit_is_not_begun():
    long, short = gpu.taken([gpu.Step("long", 90, pytest.fail), gpu.Step("short", 5, lambda figures: None)], 60, False)
    assert (long.status, short.status) == ("not run", "done")
    assert long.error == "60 s were left"


def test_steps_are_chosen_by_group_or_name(tmp_path, capsys):
    assert gpu.main(["--device", "cpu", "--tiny", "--out", str(tmp_path), "--only", "environment"]) == 0
    assert [one["step"] for one in json.loads((tmp_path / "gpu.json").read_text())["steps"]] == ["environment"]
    assert gpu.main(["--device", "cpu", "--tiny", "--only", "correct"]) == 2
    assert "correctness:llama" in capsys.readouterr().err


def test_without_a_cuda_device_one_line_says_how_to_rehearse(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main(["--out", str(tmp_path / "gpu")]) == 0
    assert capsys.readouterr().out == "gpu: there is no CUDA device here; rehearse with --device cpu --tiny\n"
    assert not (tmp_path / "gpu").exists()


def test_texts_are_compared_up_to_their_first_difference():
    model = prepare(tiny_model("llama", "causal"), tiny_tokenizer(), "causal")
    prompts = [model.tokenizer(text).input_ids for text in ("the cat sat", "hello there")]
    one = decode(model, prompts, 5, 1, sampling=Sampling(tokens=None, top_k=3)).trace
    second = int((one.prompt == 0).sum())
    other = replace(one, target=one.target.copy(), matches=one.matches.copy(), kl=one.kl + 0.5)
    other.target[second + 1] += 1
    other.matches[0] = [False, False, False, True]
    found = agreement(one, other)
    assert (found["texts"], found["texts_differing"], found["tokens_differing"]) == (2, 1, 1)
    assert found["tokens"] == second + 2
    assert found["matches_differing"] == one.matches[0, :-1].sum()
    assert found["first_match_differing"] == int(one.matches[0, :-1].any())
    assert found["largest"]["kl"] == pytest.approx(0.5)


def test_tables_are_named_in_brackets():
    line = as_markdown([Outcome("one", "done", 1.25, {"a": {"b": 0.123456, "c": [1, "x|y"]}, "d": None})]).splitlines()
    assert line[2] == "| one | done | 1.2 | a (b 0.1235, c [1, x/y]); d None |"
