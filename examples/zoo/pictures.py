"""What the zoo's rows and losses come to, as pictures."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from benchmark.report.pictures.chart import Axis, Chart, Guide, Look, Mark, Panel, Series, looks
from benchmark.report.pictures.palette import MARKS
from benchmark.results.row import Row
from examples.zoo.seeds import BEYOND, MEASURES, REFERENCE, differences, rows_of_decoding, rows_of_oracle, verdicts

_SHOWN = ("skip_ratio", "above_chance", "eas", "gate_skip_ratio_99", "speedup_speculation", "decoded_same_until")
"""Measures whose differences are drawn."""
_ZERO = Guide(0.0, "", vertical=True)


def charts(losses: pd.DataFrame, models: pd.DataFrame, results: Path, alike: Sequence[str]) -> list[Chart]:
    """Return the pictures of a page: what is learned, exits in training, layer by layer, and differences over seeds.

    Args:
        losses: of `page.losses_of`.
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
    trained = losses[~losses["tuned"]]
    last = trained[trained["step"].eq(trained["step"].max())]["held_out_loss"]
    unigram = float(trained["unigram_loss"].iloc[0])
    return Chart(
        "zoo-learning",
        f"After the last step models lose {last.min():.2f} to {last.max():.2f} nats per token; a unigram {unigram:.2f}",
        "Held-out loss of each checkpoint, mean over seeds. Tuned models are left out: theirs is of answers.",
        (
            Panel(
                _steps(trained["step"]),
                Axis("nats per token"),
                tuple(_curves(trained, "held_out_loss", lines)),
                (Guide(unigram, "unigram"),),
            ),
        ),
        height=380,
    )


def _training(results: Path, lines: Mapping[str, Look]) -> Chart:
    oracle, decoded = rows_of_oracle(results).checkpoints, rows_of_decoding(results).checkpoints
    panels = tuple(
        Panel(_steps(rows["step"]), Axis("layers", "percent"), tuple(_curves(rows, "skip_ratio", lines)), title=title)
        for checkpoints, title in ((oracle, "skipped by a perfect rule"), (decoded, "skipped by early-exit decoding"))
        for rows in (_trained(checkpoints),)
    )
    rows = _trained(oracle)
    dense = rows[rows["variant"].eq(REFERENCE)].groupby("step")["skip_ratio"].mean()
    return Chart(
        "zoo-training",
        f"From step {dense.index[0]:,} to step {dense.index[-1]:,} what a perfect rule skips of the dense model goes "
        f"from {100 * dense.iloc[0]:.0f} % to {100 * dense.iloc[-1]:.0f} %",
        "Skip ratio by training step, mean over seeds and both workloads. Tuned models are left out.",
        panels,
        height=300,
    )


def _trained(checkpoints: pd.DataFrame) -> pd.DataFrame:
    rows = checkpoints[checkpoints["stage"].ne("instruct")]
    return rows.assign(step=rows["training_step"].astype(int))


def _layers(results: Path, lines: Mapping[str, Look], alike: Sequence[str]) -> Chart:
    series: dict[str, Series] = {}
    for variant, rows in rows_of_oracle(results).rows.groupby("variant"):
        agreements = [row.agreement for path in rows["path"] if (row := _row(path)).agreement is not None]
        means = [sum(layer) / len(layer) for layer in zip(*agreements, strict=True)]
        marks = tuple(Mark(number / len(means), mean) for number, mean in enumerate(means, start=1))
        colour, marker, dash = lines[str(variant)]
        series[str(variant)] = Series(str(variant), "curve", marks, colour, marker, dash)
    depth, share = Axis("depth, share of the layers", "percent", ends=(0.0, 1.02)), Axis("tokens", "percent")
    unlike = [name for name in series if name not in alike or name == REFERENCE]
    groups = (([name for name in series if name in alike], "of one size"), (unlike, "of other widths and depths"))
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


def _row(path: Path) -> Row:
    return Row.model_validate_json(path.read_bytes())


def _variants(of_seeds: pd.DataFrame) -> Chart:
    drawn = of_seeds[of_seeds["measure"].isin(_SHOWN)]
    names = tuple(sorted({*drawn["variant"]}))
    several = drawn.dropna(subset=["low"])
    beyond = verdicts(several).count(BEYOND)
    return Chart(
        "zoo-variants",
        f"Of {len(several)} differences to the dense model {beyond} are beyond the spread over seeds",
        "Variant minus dense model at the last checkpoint. Lines are 95 % intervals over seeds; hollow marks have "
        "none, being of one seed.",
        tuple(_forest(drawn[drawn["measure"].eq(measure)], names, MEASURES[measure]) for measure in _SHOWN),
        columns=2,
        height=80 + 20 * len(names),
    )


def _forest(of_seeds: pd.DataFrame, names: Sequence[str], title: str) -> Panel:
    several = pd.notna(of_seeds["low"])
    groups = ((of_seeds[several], "over seeds", False), (of_seeds[~several], "no interval", True))
    series = tuple(
        Series(name, "points", _marks(some, names, hollow), "quiet" if hollow else "1", hollow=hollow, across=True)
        for some, name, hollow in groups
        if len(some)
    )
    return Panel(Axis("minus the dense model's"), Axis("", names=tuple(names), lines=1), series, (_ZERO,), title)


def _marks(of_seeds: pd.DataFrame, names: Sequence[str], alone: bool) -> tuple[Mark, ...]:
    places = [names.index(name) for name in of_seeds["variant"]]
    numbers = of_seeds[["difference", "low", "high"]].to_numpy()
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
