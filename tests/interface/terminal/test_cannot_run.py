"""What cannot run here, in one line or by name."""

import pytest

from benchmark.errors import CannotRun, NotFetched
from benchmark.interface.terminal.cannot_run import cannot_run_line, cannot_run_lines


class TestLine:
    """How many, and why."""

    def test_models_workloads_and_cases_are_counted_apart(self):
        errors = {
            "far": NotFetched("7 B, 14 GB"),
            "near": CannotRun("needs a GPU", "use one"),
            "gsm8k": NotFetched("dataset gsm8k"),
            "tiny × masked": CannotRun("is for encoders", "leave it away"),
        }
        assert cannot_run_line(["far", "near"], ["gsm8k"], errors) == (
            "2 models, 1 workload and 1 case cannot run here: not on this machine (2), needs a GPU (1), "
            "is for encoders (1); -rs lists them"
        )

    def test_one_is_one(self):
        assert cannot_run_line(["far"], [], {"far": NotFetched("7 B")}).startswith("1 model cannot run here: ")


class TestNames:
    """Why models or workloads did not run."""

    def test_many_names_are_all_there(self):
        skipped = {f"model-{number}": CannotRun("reason", "remedy") for number in range(900)}
        assert " ".join(cannot_run_lines(skipped, 80)).count("model-") == 900

    def test_one_reason_is_said_once(self):
        skipped = {
            "small": NotFetched("1 B, 2 GB"),
            "chat": CannotRun("package data is not installed", "pip install data"),
            "large": NotFetched("70 B, 140 GB"),
        }
        assert cannot_run_lines(skipped, columns=80) == [
            "not on this machine; allow the download to fetch it (--download):",
            "  small (1 B, 2 GB), large (70 B, 140 GB)",
            "package data is not installed; pip install data:",
            "  chat",
        ]

    def test_the_same_reason_with_another_remedy_stands_apart(self):
        skipped = {"one": CannotRun("is gated", "accept one"), "two": CannotRun("is gated", "accept two")}
        lines = cannot_run_lines(skipped, columns=80)
        assert lines == ["is gated; accept one:", "  one", "is gated; accept two:", "  two"]

    @pytest.mark.parametrize("columns", [30, 37, 44, 51])
    def test_names_are_wrapped_between_words_and_never_at_a_hyphen(self, columns: int):
        skipped = {f"some-long-name-{number}": CannotRun("reason", "remedy") for number in range(8)}
        _, *lines = cannot_run_lines(skipped, columns)
        assert all(line.startswith("  ") and len(line) <= columns for line in lines)
        assert " ".join(line.strip() for line in lines) == ", ".join(skipped)
        assert {line.strip(" ,") for line in ",".join(lines).split(",")} - {""} == set(skipped)

    def test_nothing_skipped_nothing_said(self):
        assert cannot_run_lines({}, columns=80) == []
