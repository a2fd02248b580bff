"""What the zoo's rows and losses come to, as pictures."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from benchmark.report.findings.comparable_rows import comparable, read
from benchmark.report.pictures.chart import Axis, Chart, Guide, Look, Mark, Panel, Series, looks
from benchmark.report.pictures.palette import MARKS
from benchmark.results.comparable import STUDY, not_a_full_run
from benchmark.results.row import Row
from benchmark.results.versions import inventory
from examples.zoo.seeds import MEASURES, REFERENCE, differences, variant_of

_SHOWN = ("skip_ratio", "above_chance", "eas", "gate_skip_ratio_99", "speedup_speculation", "decoded_same_until")
"""Measures whose differences are drawn."""
_ZERO = Guide(0.0, "", vertical=True)


def charts(losses: pd.DataFrame, models: pd.DataFrame, results: Path, alike: Sequence[str]) -> list[Chart]:
    """Return the pictures of a page: what is learned, exits in training, layer by layer, and differences over seeds.

    Args:
        losses: of `page.losses`.
        models: of `seeds.final_models`.
        results: folder of the rows.
        alike: variants of the dense model's depth and width.

    Raises:
        InputError: there are no rows.
    """
    lines = looks(sorted({*models["variant"]}), MARKS)
    return [
        _learning(losses, lines),
        _training(results, lines),
        _layers(results, lines, alike),
        _variants(differences(models)),
    ]


def _learning(losses: pd.DataFrame, lines: Mapping[str, Look]) -> Chart:
    # What a tuned model loses is of answers, and no number beside the others.
    known = losses[~losses["tuned"]]
    last = known[known["step"].eq(known["step"].max())]["held_out_loss"]
    unigram = float(known["unigram_loss"].iloc[0])
    return Chart(
        "zoo-learning",
        f"After the last step models lose {last.min():.2f} to {last.max():.2f} nats a token; a unigram {unigram:.2f}",
        "Held-out loss of each checkpoint, mean over seeds. Tuned models are left out: theirs is of answers.",
        (
            Panel(
                _steps(known["step"]),
                Axis("nats a token"),
                tuple(_curves(known, "held_out_loss", lines)),
                (Guide(unigram, "unigram"),),
            ),
        ),
        height=380,
    )


def _training(results: Path, lines: Mapping[str, Look]) -> Chart:
    table, _ = read(results)
    rows = comparable(table[table["suite"].eq(STUDY)]).checkpoints
    rows = rows[rows["stage"].ne("instruct")]
    rows = rows.assign(
        variant=[variant_of(name) for name in rows["model"]],
        step=rows["training_step"].astype(int),
        above_chance=rows["skip_ratio"] - rows["skip_ratio_chance"],
    )
    dense = rows[rows["variant"].eq(REFERENCE)].groupby("step")["skip_ratio"].mean()
    panels = tuple(
        Panel(_steps(rows["step"]), Axis("layers", "percent"), tuple(_curves(rows, column, lines)), title=title)
        for column, title in (("skip_ratio", "skipped by a perfect rule"), ("above_chance", "more than by chance"))
    )
    return Chart(
        "zoo-training",
        f"From step {dense.index[0]:,} to step {dense.index[-1]:,} what a perfect rule skips of the dense model goes "
        f"from {dense.iloc[0]:.0%} to {dense.iloc[-1]:.0%}".replace("%", " %"),
        "Skip ratio of the oracle by training step, mean over seeds and both workloads. Chance is what a layer gives "
        "that knows only how frequent tokens are.",
        panels,
        height=300,
    )


def _layers(results: Path, lines: Mapping[str, Look], alike: Sequence[str]) -> Chart:
    of_variant: dict[str, list[Row]] = {}
    for found in inventory(results):
        row = found.row
        if row is not None and not_a_full_run(row) is None and row.agreement is not None:
            of_variant.setdefault(variant_of(row.model), []).append(row)
    series: dict[str, Series] = {}
    for variant, rows in sorted(of_variant.items()):
        last = max(row.training_step or 0 for row in rows)
        kept = [row.agreement for row in rows if (row.training_step or 0) == last and row.agreement is not None]
        means = [sum(layer) / len(layer) for layer in zip(*kept, strict=True)]
        marks = tuple(Mark(number / len(means), mean) for number, mean in enumerate(means, start=1))
        colour, marker, dash = lines[variant]
        series[variant] = Series(variant, "curve", marks, colour, marker, dash)
    depth, share = Axis("depth, share of the layers", "percent", ends=(0.0, 1.02)), Axis("tokens", "percent")
    others = [name for name in series if name not in alike or name == REFERENCE]
    groups = (([name for name in series if name in alike], "of one size"), (others, "of other widths and depths"))
    half = next(place for place, mark in enumerate(series[REFERENCE].marks, start=1) if mark.y >= 0.5)
    return Chart(
        "zoo-layers",
        f"In the dense model layer {half} of {len(series[REFERENCE].marks)} is the first that has half of the tokens",
        "Share of tokens that the readout of a layer gives as the full model does, at the last checkpoint, mean over "
        "seeds and both workloads.",
        tuple(
            Panel(depth, share, tuple(series[name] for name in names), title=title)
            for names, title in groups
            if len(names) > 1
        ),
        height=340,
    )


def _variants(found: pd.DataFrame) -> Chart:
    names = tuple(sorted({*found["variant"]}))
    several = found.dropna(subset=["low"])
    beyond = several[(several["low"] > 0) | (several["high"] < 0)]
    return Chart(
        "zoo-variants",
        f"Of {len(several)} differences to the dense model {len(beyond)} are beyond the spread over seeds",
        "Variant less dense model at the last checkpoint. Lines are Welch's 95 % intervals over seeds; hollow marks "
        "have none, being of one seed.",
        tuple(_forest(found[found["measure"].eq(measure)], names, MEASURES[measure]) for measure in _SHOWN),
        columns=2,
        height=80 + 20 * len(names),
    )


def _forest(found: pd.DataFrame, names: Sequence[str], title: str) -> Panel:
    known = pd.notna(found["low"])
    groups = ((found[known], "over seeds", False), (found[~known], "no interval", True))
    series = tuple(
        Series(name, "points", _marks(some, names, hollow), "quiet" if hollow else "1", hollow=hollow, across=True)
        for some, name, hollow in groups
        if len(some)
    )
    return Panel(Axis("less the dense model's"), Axis("", names=tuple(names), lines=1), series, (_ZERO,), title)


def _marks(found: pd.DataFrame, names: Sequence[str], alone: bool) -> tuple[Mark, ...]:
    places = [names.index(name) for name in found["variant"]]
    numbers = found[["difference", "low", "high"]].to_numpy()
    return tuple(
        Mark(difference, place, *(() if alone else (low, high)))
        for place, (difference, low, high) in zip(places, numbers, strict=True)
    )


def _curves(rows: pd.DataFrame, column: str, lines: Mapping[str, Look]) -> Iterator[Series]:
    for variant, some in rows.groupby("variant"):
        means = some.groupby("step")[column].mean()
        colour, marker, dash = lines[str(variant)]
        marks = tuple(Mark(step, mean) for step, mean in zip(means.index.tolist(), means, strict=True))
        yield Series(str(variant), "curve", marks, colour, marker, dash)


def _steps(steps: pd.Series) -> Axis:
    return Axis("training step", log=True, ticks={float(step): f"{step:,}" for step in sorted({*steps})})
