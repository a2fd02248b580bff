"""Every picture of a folder: what it is of, the numbers of its title, and what it says where nothing was measured."""

from pathlib import Path
from typing import Any

import pytest
from folders import write_case, write_world
from strategies import row_of

from benchmark.report.board.ranking import arrange
from benchmark.report.board.rows import FolderRows, read_entries
from benchmark.report.findings.claims import SIZES, Findings, findings_of
from benchmark.report.findings.comparable_rows import table_of
from benchmark.report.findings.comparisons import SIZE
from benchmark.report.findings.estimates import slope
from benchmark.report.leaderboard.markdown import as_markdown
from benchmark.report.pictures.chart import Chart, Mark, Series, records
from benchmark.report.pictures.gallery import charts, drawn
from benchmark.results.row import Row
from benchmark.results.store import Store

NAMES = [
    "ladder", "price", "workloads", "generations", "sizes", "layers", "decoding", "clock", "words", "findings",
]  # fmt: skip
_NOT_ASKED = "Not asked for; --findings adds them."
_LISTS = {
    "tokens": 100,
    "vocab_size": 1000,
    "agreement": [0.1, 0.6, 1.0],
    "agreement_chance": [0.05, 0.1, 0.15],
    "entropy_nats": [3.0, 2.0, 1.0],
    "half_agreement": [None, 0.3, 0.8],
    "gate_max_prob_skip_ratio": [0.3, 0.1],
    "gate_max_prob_agreement": [0.8, 0.99],
    "tau_skip_ratio_logit": [0.9, 0.0],
    "tau_agreement_logit": [0.1, 1.0],
    "word_position_tokens": [6, 4, 0, 0, 0, 0, 0, 0],
    "word_position_exit_layer_mean": [2.0, 1.0, None, None, None, None, None, None],
    "exit_layer_mean_word_initial": 2.0,
    "exit_layer_mean_continuation": 1.5,
}


_ALONE = {"batch_size_asked": 1, "gate": "margin", "target_asked": 0.95}


def of_folder(folder: Path, with_findings: bool = False) -> tuple[dict[str, Chart], FolderRows, Findings | str]:
    reading = read_entries(folder, limited=True)
    found = findings_of(table_of(reading.rows), "here") if with_findings else _NOT_ASKED
    made = charts(arrange(reading.entries), reading.rows, folder, found)
    return {chart.name: chart for chart in made}, reading, found


def marks(chart: Chart, series: str | None = None) -> list[Mark]:
    found: list[Series] = [one for panel in chart.panels for one in panel.series]
    return [mark for one in found if series in (None, one.name) for mark in one.marks]


def write_study(folder: Path, suite: str, workload: str, configuration: str, **columns: Any) -> Row:
    """A row of another study, of the model and in the setting of `write_case`."""
    plain = {"source": "hub:lab/tiny", "architecture": "dense", "dtype": "bfloat16", "num_layers": 3}
    row = row_of(suite=suite, workload=workload, configuration=configuration, **plain | columns)
    return Store(folder).write(Store(folder).path("tiny", workload, suite, configuration), row)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model on two workloads, with lists; what it decodes with early exits, and a clock."""
    folder = tmp_path_factory.mktemp("small")
    for workload, gain in (("chat", 0.2), ("math", 0.4)):
        write_case(folder, "tiny", workload, gain, **_LISTS | {"num_layers": 3})
    for number, (policy, gate) in enumerate(
        (("recompute", "margin"), ("propagate", "margin"), ("propagate", "oracle"))
    ):
        loss = {"score_loss": 0.02 * number, "same_until": 1 - 0.1 * number, "skip_ratio": 0.1 + number / 10}
        target = None if gate == "oracle" else 0.95
        lists = {"fidelity_positions": [0, 1], "same_until_by_position": [1.0, 0.5], "target_asked": target}
        write_study(folder, "decoding", "chat", f"0000000{number}", gate=gate, policy=policy, **loss, **lists)
    write_study(
        folder, "clock", "chat", "0000000a", replay_speedup=1.1, replay_bound=1.2, deferred_speedup=0.9,
        drafted_speedups=[0.5, 0.7], **_ALONE,
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def pictured(small: Path) -> dict[str, Chart]:
    return of_folder(small)[0]


def test_they_are_in_the_order_of_the_page(pictured: dict[str, Chart]):
    assert list(pictured) == NAMES


def test_the_ladder_has_the_means_of_the_tables_and_the_clock(pictured: dict[str, Chart], small: Path):
    (line,) = arrange(read_entries(small, limited=False).entries).lines
    of_ladder = marks(pictured["ladder"])
    paid = next(mark.x for mark in of_ladder if mark.y == 2)
    assert paid == line.means["speedup_bound_kv"].value
    assert {mark.text for mark in marks(pictured["ladder"], "measured")} == {"1.10×", "0.90×"}


def test_pictures_of_one_line_are_of_the_first_of_the_page_which_is_by_skip_ratio(tmp_path: Path):
    write_case(tmp_path, "suits", "chat", 0.2, eas=0.9)
    write_case(tmp_path, "skips", "chat", 0.4, eas=0.1)
    reading = read_entries(tmp_path, limited=False)
    board = arrange(reading.entries)
    found = {chart.name: chart for chart in charts(board, reading.rows, tmp_path, _NOT_ASKED)}
    assert [line.label for line in board.lines] == ["suits", "skips"]
    assert [line.label for line in board.by_skip_ratio] == ["skips", "suits"]
    assert {mark.line for name in ("ladder", "price") for mark in marks(found[name])} == {"skips"}
    assert found["workloads"].panels[0].y.names == ("skips", "suits")
    assert b"![Speeds of skips against the full model" in as_markdown(board, [], _NOT_ASKED, "")


def speeds_of_clock(chart: Chart) -> list[float]:
    return [mark.x for mark in marks(chart, "measured")]


def test_marks_of_the_clock_name_their_batch_where_there_are_several(tmp_path: Path):
    plain = {"replay_speedup": 1.2, "replay_bound": 1.3}
    write_case(tmp_path, "tiny", "chat", 0.2, num_layers=3)
    write_study(tmp_path, "clock", "chat", "0000000a", **plain, **_ALONE)
    names = {series.name for series in of_folder(tmp_path)[0]["clock"].panels[0].series}
    assert names == {"the whole bound", "chat"}
    write_study(tmp_path, "clock", "chat", "0000000b", **plain, batch_size_asked=4)
    names = {series.name for series in of_folder(tmp_path)[0]["clock"].panels[0].series}
    assert names == {"the whole bound", "chat, batch 1", "chat, batch 4"}


class TestClockOfTheLadder:
    """Its steps on the clock are of batch 1, one gate, and the newest row of each workload."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        write_case(tmp_path, "tiny", "chat", 0.2, num_layers=3)
        write_study(tmp_path, "clock", "chat", "0000000a", replay_speedup=1.2, deferred_speedup=0.9, **_ALONE)
        return tmp_path

    def test_larger_batches_have_no_part_in_it(self, folder: Path):
        write_study(folder, "clock", "chat", "0000000b", replay_speedup=1.05, batch_size_asked=4)
        chart = of_folder(folder)[0]["ladder"]
        assert speeds_of_clock(chart) == pytest.approx([1.2, 0.9])
        assert "measured in seconds on chat (batch 1, gate margin@0.95)" in chart.caption

    def test_larger_batches_alone_leave_it_unmeasured(self, tmp_path: Path):
        write_case(tmp_path, "tiny", "chat", 0.2, num_layers=3)
        write_study(tmp_path, "clock", "chat", "0000000b", replay_speedup=1.05, batch_size_asked=4)
        chart = of_folder(tmp_path)[0]["ladder"]
        assert speeds_of_clock(chart) == [] and "--timed-batch 1" in chart.caption

    def test_of_several_gates_it_is_the_one_of_most_workloads(self, folder: Path):
        write_study(folder, "clock", "math", "0000000b", replay_speedup=1.2, deferred_speedup=0.9, **_ALONE)
        other = _ALONE | {"gate": "max_prob"}
        write_study(folder, "clock", "chat", "0000000c", replay_speedup=2.0, deferred_speedup=2.0, **other)
        chart = of_folder(folder)[0]["ladder"]
        assert speeds_of_clock(chart) == pytest.approx([1.2, 0.9])
        assert "on chat, math (batch 1, gate margin@0.95)" in chart.caption

    def test_other_machines_and_settings_have_no_part_in_it(self, folder: Path):
        write_study(folder, "clock", "math", "0000000b", replay_speedup=1.2, deferred_speedup=0.9, **_ALONE)
        for number, other in enumerate(({"accelerator": "a graphics card"}, {"dtype": "float32"})):
            columns = {"replay_speedup": 3.0, "deferred_speedup": 3.0, **_ALONE, **other}
            write_study(folder, "clock", "chat", f"0000001{number}", **columns)
        assert speeds_of_clock(of_folder(folder)[0]["ladder"]) == pytest.approx([1.2, 0.9])

    def test_a_newer_row_replaces_an_older_one_with_other_rounds(self, folder: Path):
        columns = {"replay_speedup": 1.4, "deferred_speedup": 1.0, "replay_bound": 1.5, "rounds_asked": 5}
        write_study(folder, "clock", "chat", "0000000b", started="2026-02-01T00:00:00+00:00", **columns, **_ALONE)
        found = of_folder(folder)[0]
        assert speeds_of_clock(found["ladder"]) == [1.4, 1.0]
        assert [mark.x for mark in marks(found["clock"], "chat")] == [1.5, 1.4, 1.0]


def test_early_exit_for_real_is_of_the_newest_rows(tmp_path: Path):
    write_case(tmp_path, "tiny", "chat", 0.2, num_layers=3)
    gated = {"gate": "margin", "policy": "propagate", "target_asked": 0.95, "score_loss": 0.0}
    for number, (started, skipped) in enumerate((("2026-02-01", 0.1), ("2026-01-01", 0.9))):
        columns = {"started": started, "skip_ratio": skipped, "same_until": 1.0}
        write_study(tmp_path, "decoding", "chat", f"0000000{number}", **gated, **columns)
    chart = of_folder(tmp_path)[0]["decoding"]
    assert {mark.x for mark in marks(chart, "margin, propagate")} == {0.1}
    assert "skip up to 10 % of the layers" in chart.title


def test_what_was_not_measured_is_hatched_and_the_caption_tells_how(tmp_path: Path):
    write_case(tmp_path, "tiny", "chat", 0.2, gate_speed_99=None)
    chart = of_folder(tmp_path)[0]["ladder"]
    (missing,) = [series for series in chart.panels[0].series if series.hollow]
    names = [chart.panels[0].y.names[int(mark.y)] for mark in missing.marks]
    assert "best gate, to keep 99 % of tokens" in names and "clock: a real gate" in names
    assert "--signals all" in chart.caption and "exitbench clock" in chart.caption


def test_the_price_has_gates_similarities_the_oracle_and_chance(pictured: dict[str, Chart]):
    chart = pictured["price"]
    gate = marks(chart, "gate max_prob")
    assert [(mark.x, mark.y) for mark in gate] == [(0.1, pytest.approx(0.01)), (0.3, pytest.approx(0.2))]
    (star,) = marks(chart, "oracle")
    assert star.x == pytest.approx(0.3)
    (chance,) = chart.panels[0].guides
    assert (chance.at, chance.vertical) == (pytest.approx(0.02), True)
    none = star.y
    assert min(mark.y for mark in marks(chart)) == none > 0
    assert chart.panels[0].y.ticks[none] == "none"
    assert chart.title.startswith("Of 30 % that a perfect rule skips, the best rule that changes at most 5 %")


def told(chart: Chart) -> list[str]:
    """What is told of its marks under the pointer."""
    return [text for trace in drawn(chart).figure["data"] for text in trace["hovertext"]]  # type: ignore[index,attr-defined]


class TestPlaces:
    """A mark that only fills its place gives no number, neither in the CSV nor under the pointer."""

    def test_a_step_that_was_not_measured_has_no_speed(self, tmp_path: Path):
        write_case(tmp_path, "tiny", "chat", 0.2, gate_speed_99=None)
        chart = of_folder(tmp_path)[0]["ladder"]
        missing = [record for record in records(chart) if record["series"] == "not measured"]
        assert missing and all(record["x"] is None and record["y"] for record in missing)
        hovers = [text for text in told(chart) if "clock: a real gate" in text]
        assert hovers == ["<b>tiny</b><br>speed, full model = 1: not measured<br>clock: a real gate"]

    def test_a_rule_that_changes_no_token_has_zero(self, pictured: dict[str, Chart]):
        chart = pictured["price"]
        changed = {record["series"]: record["y"] for record in records(chart) if record["x"] in (0.0, 0.3)}
        assert changed == {"gate max_prob": 0.2, "similarity of logits": 0.0, "oracle": 0.0}
        assert "<br>tokens changed: 0 %<br>" in next(text for text in told(chart) if "oracle" in text)

    def test_a_finding_without_a_number_has_none(self, tmp_path: Path):
        write_case(tmp_path, "tiny", "chat", 0.2)
        chart = of_folder(tmp_path, with_findings=True)[0]["findings"]
        unknown = [record for record in records(chart) if record["series"] == "no number"]
        assert unknown and all(record["x"] is None and record["y"] for record in unknown)
        assert all("no number<br>" in text for text in told(chart) if text.startswith("<b>no number"))


def test_the_heatmap_is_above_chance_and_links_each_cell_to_its_row(pictured: dict[str, Chart], small: Path):
    cells = marks(pictured["workloads"])
    assert [(cell.text, cell.line) for cell in cells] == [("18 %", "tiny"), ("38 %", "tiny")]
    assert all((small / cell.file).is_file() for cell in cells)
    assert "18 % to 38 % of the layers: least on chat, most on math" in pictured["workloads"].title


def test_layers_are_means_of_the_workloads_and_gaps_stay_gaps(pictured: dict[str, Chart]):
    agreement, halves = pictured["layers"].panels[0], pictured["layers"].panels[-1]
    assert [mark.y for mark in agreement.series[0].marks] == [0.1, 0.6, 1.0]
    assert [mark.y for mark in agreement.series[1].marks] == [0.05, 0.1, 0.15]
    assert (agreement.series[1].dash, agreement.series[1].named) == ("dot", False)
    assert [mark.x for mark in halves.series[0].marks] == pytest.approx([1.5 / 3, 2.5 / 3])
    assert pictured["layers"].title == "In tiny, layer 2 of 3 is the first that has half of the tokens"


def test_places_in_words_are_over_all_tokens_together(pictured: dict[str, Chart]):
    (panel,) = pictured["words"].panels
    assert [(mark.x, mark.y) for mark in panel.series[0].marks] == [
        (0, pytest.approx(2 / 3)),
        (1, pytest.approx(1 / 3)),
    ]
    assert "leave 1.0 layers later" in pictured["words"].title


class TestWords:
    """The title and the curve of a picture are of the same tokens."""

    def test_the_title_weighs_tokens_as_the_curve_does(self, tmp_path: Path):
        # The mean of the workloads' means would say that the first leave later: 2.0 against 1.5.
        for workload, tokens, exits in (("chat", [90, 10], [1.0, 2.0]), ("math", [1, 90], [3.0, 1.0])):
            columns = {"word_position_tokens": tokens, "word_position_exit_layer_mean": exits}
            of_columns = {"exit_layer_mean_word_initial": exits[0], "exit_layer_mean_continuation": exits[1]}
            write_case(tmp_path, "tiny", workload, 0.2, **_LISTS | {"num_layers": 3} | columns | of_columns)
        chart = of_folder(tmp_path)[0]["words"]
        first, later = (mark.y for mark in chart.panels[0].series[0].marks)
        assert first < later
        assert f"leave {3 * (later - first):.1f} layers earlier" in chart.title

    @pytest.mark.parametrize("missing", ["word_position_tokens", "word_position_exit_layer_mean"])
    def test_a_line_of_which_a_row_lacks_the_places_has_no_curve(self, missing: str, tmp_path: Path):
        write_case(tmp_path, "tiny", "chat", 0.2, **_LISTS | {"num_layers": 3})
        write_case(tmp_path, "tiny", "math", 0.2, **_LISTS | {"num_layers": 3, missing: None})
        chart = of_folder(tmp_path)[0]["words"]
        assert (chart.panels, chart.title) == ((), "Exits by place and frequency")


def test_early_exit_for_real_tells_the_gate_and_the_states_apart(pictured: dict[str, Chart], small: Path):
    chart = pictured["decoding"]
    (damage,) = [panel for panel in chart.panels if panel.title == "what does the damage"]
    parts = {damage.y.names[int(mark.y)]: mark.x for series in damage.series for mark in series.marks}
    assert parts == {
        "missing states alone": pytest.approx(0.2),
        "the gate alone": pytest.approx(0),
        "both": pytest.approx(0.1),
    }
    assert "skip up to 20 % of the layers (margin, propagate, chat)" in chart.title
    assert all((small / mark.file).is_file() for mark in marks(chart))


def test_the_clock_stands_beside_its_bound(pictured: dict[str, Chart]):
    chart = pictured["clock"]
    assert [(mark.x, mark.y) for mark in chart.panels[0].series[1].marks] == [(1.2, 1.1)]
    ways = chart.panels[1]
    assert {ways.y.names[int(mark.y)]: mark.x for mark in ways.series[0].marks} == {
        "exits known: replay": 1.1, "real gate: deferred": 0.9, "self-speculation, best": 0.7,
    }  # fmt: skip
    assert "a real gate gives at most 0.90×" in chart.title


def test_what_nothing_was_measured_of_says_what_would_fill_it(tmp_path: Path):
    write_case(tmp_path, "tiny", "chat", 0.2, skip_ratio_chance=None, limited=True)
    found = of_folder(tmp_path)[0]
    empty = {name: chart.empty for name, chart in found.items() if chart.empty}
    assert empty.keys() == {"workloads", "generations", "sizes", "layers", "decoding", "clock", "words", "findings"}
    remedies = ("pytest suites/", "exitbench ", "--findings")
    assert all(any(remedy in str(said) for remedy in remedies) for said in empty.values())
    picture = drawn(found["clock"])
    assert (picture.svg, picture.figure, picture.csv) == (None, None, None)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Chart], FolderRows, Findings | str]:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, claimed=True)
    return of_folder(folder, with_findings=True)


class TestFindings:
    """Pictures beside findings are of the very rows that these are of."""

    def test_generations_have_the_models_and_the_slope_of_the_finding(self, world: Any):
        pictured, _, found = world
        estimate = found.findings[0].estimate
        chart = pictured["generations"]
        points = [series for series in chart.panels[0].series if series.kind == "points"]
        shown = {mark.line: (mark.x, mark.y) for series in points for mark in series.marks}
        assert len(shown) == estimate.models
        models = found.compared.loc[list(shown)]
        families = models["family"] + models["architecture"]
        x, y = zip(*shown.values(), strict=True)
        assert slope("", "", y, x, families).value == pytest.approx(estimate.value)
        for series in chart.panels[0].series:
            if series.kind == "curve":
                first, last = series.marks
                assert (last.y - first.y) / (last.x - first.x) == pytest.approx(estimate.value)
        assert f"{estimate.low:+.3f}, {estimate.high:+.3f}" in chart.caption

    def test_sizes_have_the_models_and_the_change_of_the_finding(self, world: Any):
        pictured, _, found = world
        estimate = next(one for one in found.estimates[SIZES] if one.name == SIZE)
        shown = {mark.line for series in pictured["sizes"].panels[0].series for mark in series.marks if mark.line}
        assert len(shown) == estimate.models == found.models
        assert f"{100 * abs(estimate.value):.1f} % of the layers more" in pictured["sizes"].title

    def test_without_findings_they_are_of_the_same_models(self, world: Any, tmp_path: Path):
        pictured, reading, _ = world
        folder = reading.rows[0][0].parents[2]
        made = charts(arrange(reading.entries), reading.rows, folder, _NOT_ASKED)
        others = {chart.name: chart for chart in made}
        for name in ("generations", "sizes"):
            both = [
                [mark for series in chart.panels[0].series if series.kind == "points" for mark in series.marks]
                for chart in (pictured[name], others[name])
            ]
            assert both[0] == both[1]
        assert "--findings" in others["generations"].caption

    def test_marks_have_the_label_of_the_line_that_is_compared(self, tmp_path: Path):
        for dtype in ("bfloat16", "float32"):
            for workload in ("chat", "math")[: 2 if dtype == "float32" else 1]:
                write_case(tmp_path, "tiny", workload, 0.2, dtype=dtype, configuration=f"000000{dtype[-2:]}")
        (mark,) = marks(of_folder(tmp_path)[0]["sizes"])
        assert mark.line == "tiny (float32)"

    def test_the_forest_has_every_finding_with_its_interval(self, world: Any):
        pictured, _, found = world
        shown = {(mark.x, mark.low, mark.high) for mark in marks(pictured["findings"])}
        assert shown == {(one.estimate.value, one.estimate.low, one.estimate.high) for one in found.findings}
        assert "the rows support 11, contradict 0 and leave 0 open" in pictured["findings"].title

    def test_a_family_has_one_colour_in_every_picture(self, world: Any):
        pictured, _, found = world
        family_of = found.compared["family"].to_dict()
        colours: dict[str, set[str]] = {}
        for name in ("generations", "sizes"):
            for series in pictured[name].panels[0].series:
                for mark in series.marks:
                    if mark.line:
                        colours.setdefault(family_of[mark.line], set()).add(series.colour + series.marker)
        assert all(len(some) == 1 for some in colours.values())
        assert len(set.union(*colours.values())) == len(colours) == 7


@pytest.mark.parametrize(
    "odd",
    [
        {"agreement": []},
        {"agreement": [0.1, 0.2], "entropy_nats": [1e308, 1e308], "target_rank": [1e300, 1.0]},
        {"gate_max_prob_skip_ratio": [0.1], "gate_max_prob_agreement": [0.9, 0.8]},
        {"word_position_tokens": [0, 3], "word_position_exit_layer_mean": [1.0]},
        {"frequency_start": None, "frequency_tokens": [0], "frequency_exit_layer_mean": [2.0]},
        {"parameters": 0, "vocab_size": 1},
        {"parameters": 1, "released": "0001", "family": "x"},
        {"skip_ratio": 0.0, "skip_ratio_chance": 0.9, "speedup_bound_kv": 0.0, "gate_speed_99": 1e-9},
        {"num_layers": None, "architecture": None},
    ],
    ids=str,
)  # fmt: skip
def test_an_odd_row_is_drawn_without_what_is_odd_in_it(odd: dict[str, Any], tmp_path: Path):
    write_case(tmp_path, "tiny", "chat", 0.2, **_LISTS | {"num_layers": 3} | odd)
    for chart in of_folder(tmp_path)[0].values():
        if "entropy_nats" in odd or chart.name in ("ladder", "price", "sizes", "workloads"):
            drawn(chart)
