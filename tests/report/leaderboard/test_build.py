"""The command: which files it writes from which rows, and how it checks them."""

import argparse
import csv
from pathlib import Path
from typing import Any

import pytest
from folders import write_case
from plotly.offline import get_plotlyjs
from strategies import row_of

from benchmark.errors import InputError
from benchmark.interface.cli import main
from benchmark.interface.commands import leaderboard
from benchmark.results.row.frame import SCHEMA_VERSION

FILES = {"leaderboard.md", "models.csv", "rows.csv", "ladder.svg", "index.html"}
PICTURES = {f"pictures/{name}.{form}" for name in ("ladder", "price", "workloads", "sizes") for form in ("svg", "csv")}
LIBRARY = "plotly.min.js"
PAGE = "index.html"


def run(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser(prog="exitbench")
    leaderboard.add(parser.add_subparsers())
    options = parser.parse_args(["leaderboard", *map(str, arguments)])
    code: int = options.run(options)
    return code


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Two models on two workloads, and one of them failed on a third."""
    folder = tmp_path / "rows"
    for model, gain in (("early", 0.5), ("late", 0.1)):
        for workload in ("chat", "math"):
            write_case(folder, model, workload, gain, started="2026-01-02", family=f"family of {model}")
    write_case(folder, "late", "code", 0.1, status="failed", error="logits are not finite")
    return folder


class TestWriting:
    """Five files, from the rows alone, pictures, and the library that draws the live ones."""

    def test_the_files_are_written(self, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        assert run(rows, "--output", tmp_path / "new" / "board") == 0
        written = content(tmp_path / "new" / "board").keys()
        assert written == FILES | PICTURES | {LIBRARY}
        printed = capsys.readouterr().out.splitlines()
        assert {Path(line).relative_to(tmp_path / "new" / "board").as_posix() for line in printed} == written

    def test_a_picture_of_which_nothing_is_left_goes(self, rows: Path, tmp_path: Path):
        run(rows, "--output", tmp_path, "--findings")
        assert (tmp_path / "pictures" / "findings.svg").exists()
        run(rows, "--output", tmp_path)
        assert not (tmp_path / "pictures" / "findings.svg").exists()

    def test_the_tables_begin_with_what_the_rows_come_to(self, rows: Path, tmp_path: Path):
        run(rows, "--output", tmp_path)
        text = (tmp_path / "leaderboard.md").read_text(encoding="utf-8").splitlines()
        assert text[2].startswith("**Over 2 models a perfect rule skips 10 % (late) to 50 % (early) of the layers")
        assert "(ladder.svg)" in text[4]

    def test_the_library_is_that_of_its_package_with_its_licence(self, rows: Path, tmp_path: Path):
        run(rows, "--output", tmp_path)
        text = (tmp_path / LIBRARY).read_text(encoding="utf-8")
        assert text == get_plotlyjs()
        assert "Licensed under the MIT license" in text[:200]

    def test_the_same_rows_give_the_same_files(self, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        run(rows, "--output", tmp_path / "board")
        before = content(tmp_path / "board")
        monkeypatch.chdir(tmp_path)
        run("rows", "--output", "board")
        assert content(tmp_path / "board") == before

    def test_the_tables_hold_models_and_rows(self, rows: Path, tmp_path: Path):
        run(rows, "--output", tmp_path)
        models = [(line["rank_eas"], line["model"], line["workloads"]) for line in table(tmp_path / "models.csv")]
        assert models == [("1", "early", "2"), ("2", "late", "2")]
        cases = [(row["model"], row["workload"], row["not_counted"]) for row in table(tmp_path / "rows.csv")]
        assert cases == [("early", "chat", ""), ("early", "math", ""), ("late", "chat", ""), ("late", "math", "")]

    def test_every_row_names_its_file(self, rows: Path, tmp_path: Path):
        run(rows, "--output", tmp_path)
        assert all((rows / row["file"]).is_file() for row in table(tmp_path / "rows.csv"))

    def test_the_reference_can_be_chosen(self, rows: Path, tmp_path: Path):
        run(rows, "--output", tmp_path, "--reference", "early")
        ratios = {line["model"]: float(line["eas_relative"]) for line in table(tmp_path / "models.csv")}
        assert ratios == {"early": 1, "late": pytest.approx(0.25 / 0.45, abs=1e-6)}
        assert "EAS ratio: EAS over that of early" in (tmp_path / "leaderboard.md").read_text()

    def test_without_the_reference_the_files_say_so(self, rows: Path, tmp_path: Path):
        run(rows, "--output", tmp_path)
        sentence = "EAS ratio: none, because the reference, Llama-2-7b-hf, was not measured."
        assert sentence in (tmp_path / "leaderboard.md").read_text()
        assert sentence in (tmp_path / "index.html").read_text()

    def test_findings_are_told_when_asked_for(self, rows: Path, tmp_path: Path):
        run(rows, "--output", tmp_path, "--findings")
        assert "Newer generations of a family have less to gain." in (tmp_path / "leaderboard.md").read_text()

    def test_otherwise_the_files_say_how_to_have_them(self, rows: Path, tmp_path: Path):
        run(rows, "--output", tmp_path)
        text = (tmp_path / "leaderboard.md").read_text()
        assert "## Findings\n\nNot asked for; --findings adds them." in text
        assert "Newer generations" not in text

    def test_an_output_that_cannot_be_written_is_an_error(self, rows: Path, tmp_path: Path):
        (tmp_path / "file").touch()
        with pytest.raises(InputError, match=r"--output: cannot write to .*file"):
            run(rows, "--output", tmp_path / "file")


class TestLeftOut:
    """What is no full run of today is counted and named, never mixed in."""

    @pytest.fixture
    def others(self, rows: Path) -> Path:
        write_case(rows, "early", "quick", 0.5, limited=True, configuration="00000001")
        (rows / "early" / "chat" / "oracle-00000002.json").write_text("{", encoding="utf-8")
        old = (
            write_case(rows, "early", "old", 0.5)
            .model_dump_json()
            .replace(f'"schema_version":{SCHEMA_VERSION}', '"schema_version":0')
        )
        (rows / "early" / "old" / "oracle-0123abcd.json").write_text(old, encoding="utf-8")
        return rows

    def test_each_reason_is_told_in_one_line(self, others: Path, tmp_path: Path):
        run(others, "--output", tmp_path)
        (line,) = [
            line for line in (tmp_path / "leaderboard.md").read_text().splitlines() if line.startswith("Left out")
        ]
        for part in ("1 failed (late × code)", "1 limited", "(early × quick)", "1 of an older version", "1 damaged"):
            assert part in line

    def test_none_of_them_is_listed(self, others: Path, tmp_path: Path):
        run(others, "--output", tmp_path)
        assert {row["workload"] for row in table(tmp_path / "rows.csv")} == {"chat", "math"}

    def test_the_page_says_why_a_case_failed(self, others: Path, tmp_path: Path):
        run(others, "--output", tmp_path)
        assert "logits are not finite" in (tmp_path / "index.html").read_text()

    def test_limited_runs_are_listed_on_demand_without_a_rank(self, others: Path, tmp_path: Path):
        run(others, "--output", tmp_path, "--limited")
        lines = {line["line"]: (line["rank_eas"], line["unranked"]) for line in table(tmp_path / "models.csv")}
        assert lines == {"early": ("1", ""), "late": ("2", ""), "early (limited)": ("", "limited")}

    def test_two_settings_are_two_lines(self, rows: Path, tmp_path: Path):
        for workload in ("chat", "math"):
            write_case(rows, "early", workload, 0.3, dtype="float32", configuration="00000003")
        run(rows, "--output", tmp_path)
        lines = [(line["line"], line["dtype"]) for line in table(tmp_path / "models.csv")]
        assert lines == [("early (bfloat16)", "bfloat16"), ("early (float32)", "float32"), ("late", "bfloat16")]

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            (None, "nothing to list: it holds no rows; measure with: pytest suites/ --results-dir "),
            ({"limited": True}, r"nothing to list: 1 limited, not .* \(tiny × chat\); list them with --limited, "),
        ],
    )
    def test_nothing_to_list_is_an_error(self, columns: dict[str, Any] | None, message: str, tmp_path: Path):
        folder = tmp_path / "rows"
        folder.mkdir()
        if columns is not None:
            write_case(folder, "tiny", "chat", 0.1, **columns)
        with pytest.raises(InputError, match=message):
            run(folder, "--output", tmp_path / "board")
        assert not (tmp_path / "board").exists()

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("package.json", '{"name": "x"}', "1 not a row (package.json)"),
            ("package.json", "[" * 100_000, "1 not a row (package.json)"),
            ("oracle-0123abcd.json", '{"schema_version": 2, "model": "ti', "1 damaged (oracle-0123abcd.json)"),
            ("oracle-0123abcd.json", b"\xff\xfe\x00", "1 damaged (oracle-0123abcd.json)"),
            (
                "oracle-0123abcd.json",
                row_of().model_dump_json().replace(f'"schema_version":{SCHEMA_VERSION}', '"schema_version":99'),
                "1 of a newer version, for which ExitBench must be updated (oracle-0123abcd.json)",
            ),
            (
                "oracle-0123abcd.json",
                row_of(eas=1e308).model_dump_json(),
                "1 with a number beyond all bounds (oracle-0123abcd.json)",
            ),
            ("x\x1b[2J.json", "{}", "1 not a row (x\N{REPLACEMENT CHARACTER}[2J.json)"),
        ],
    )
    def test_files_that_are_no_rows_of_today_are_one_line(
        self, name: str, content: str | bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ):
        folder = tmp_path / "rows"
        folder.mkdir()
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        assert main(["leaderboard", str(folder), "--output", str(tmp_path / "board")]) == 1
        output = capsys.readouterr()
        (line,) = output.err.splitlines()
        assert line.startswith(f"exitbench: {folder}: nothing to list: {message}; ")
        assert (output.out, (tmp_path / "board").exists()) == ("", False)

    def test_no_folder_is_an_error(self, tmp_path: Path):
        with pytest.raises(InputError, match="nowhere: no such folder"):
            run(tmp_path / "nowhere")


class TestNames:
    """Names come from whoever measured; they are shown and never followed."""

    @pytest.mark.parametrize(
        "name", ["../../outside", "/etc/outside", "a/b", "..", "a\\b", "<b>x</b>", "con\x00.txt", "é" * 300]
    )
    def test_no_name_leads_outside_the_output(self, name: str, tmp_path: Path):
        folder, output = tmp_path / "rows", tmp_path / "deep" / "er" / "board"
        folder.mkdir()
        row = row_of(model=name, workload=name, family=name, architecture="dense", eas=0.3, skip_ratio=0.2)
        (folder / "oracle-0123abcd.json").write_text(row.model_dump_json(), encoding="utf-8")
        assert run(folder, "--output", output) == 0
        found = {path for path in content(tmp_path) if "/pictures/" not in path}
        assert found == {"rows/oracle-0123abcd.json", *(f"deep/er/board/{file}" for file in (*FILES, LIBRARY))}
        assert {f"pictures/{path.name}" for path in (output / "pictures").iterdir()} <= PICTURES
        (line,) = table(output / "models.csv")
        assert line["model"].replace("'", "") == name


def test_the_page_has_more_digits_than_it_shows(rows: Path, tmp_path: Path):
    write_case(rows, "early", "math", 0.5, skip_ratio=0.2105263, skip_ratio_ci_low=0.2, skip_ratio_ci_high=0.22)
    run(rows, "--output", tmp_path)
    assert "0.210526" in (tmp_path / PAGE).read_text(encoding="utf-8")  # 0.2105 would become 0.210 where 0.211 is right


class TestCheck:
    """Whether the files there are what the rows give."""

    def test_files_just_written_pass(self, rows: Path, tmp_path: Path):
        run(rows, "--output", tmp_path)
        assert run(rows, "--output", tmp_path, "--check") == 0

    @pytest.mark.parametrize("name", sorted(FILES - {PAGE}))
    def test_a_changed_file_is_named_with_the_command(
        self, name: str, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ):
        run(rows, "--output", tmp_path, "--reference", "late")
        (tmp_path / name).write_text("something else", encoding="utf-8")
        assert run(rows, "--output", tmp_path, "--reference", "late", "--check") == 1
        command = f"exitbench leaderboard {rows} --output {tmp_path} --reference late"
        assert capsys.readouterr().err == f"{tmp_path / name} is not what the rows give; run: {command}\n"

    def test_a_new_row_makes_all_tables_stale(self, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        run(rows, "--output", tmp_path)
        write_case(rows, "new", "chat", 0.3)
        assert run(rows, "--output", tmp_path, "--check") == 1
        named = {Path(line.split(" is not ")[0]).name for line in capsys.readouterr().err.splitlines()}
        assert named >= {"leaderboard.md", "models.csv", "rows.csv"}

    def test_the_page_need_not_be_there(self, rows: Path, tmp_path: Path):
        run(rows, "--output", tmp_path)
        (tmp_path / PAGE).unlink()
        (tmp_path / LIBRARY).unlink()
        assert run(rows, "--output", tmp_path, "--check") == 0

    def test_it_writes_nothing(self, rows: Path, tmp_path: Path):
        assert run(rows, "--output", tmp_path / "board", "--check") == 1
        assert not (tmp_path / "board").exists()
