"""Settings of a run: what is refused, in one line that names the setting."""

import pickle
from pathlib import Path

import pytest

from benchmark.errors import InputError
from benchmark.inputs.settings import CaptureSettings, GatedSettings

GATES = "max_prob, margin, entropy, saturation, patience, static, learned, oracle"


class TestRules:
    """A gate as a person writes it."""

    @pytest.mark.parametrize(
        ("rule", "gate", "threshold", "target"),
        [
            ("margin=0.8", "margin", 0.8, None),
            ("margin@0.95", "margin", None, 0.95),
            ("max_prob=1", "max_prob", 1.0, None),
            ("entropy=0", "entropy", 0.0, None),
            ("patience=3", "patience", 3.0, None),
            ("patience@1", "patience", None, 1.0),
            ("static=12", "static", 12.0, None),
            ("learned@0.99", "learned", None, 0.99),
            ("oracle", "oracle", None, None),
        ],
    )
    def test_are_read_and_written_alike(self, rule, gate, threshold, target):
        settings = GatedSettings.of(rule, "propagate")
        assert (settings.gate, settings.threshold, settings.target) == (gate, threshold, target)
        assert settings.rule == rule
        assert GatedSettings.of(settings.rule, settings.policy) == settings
        assert pickle.loads(pickle.dumps(settings)) == settings

    @pytest.mark.parametrize(
        ("rule", "message"),
        [
            ("margn@0.95", f"gate: there is no 'margn'; there are: {GATES}; did you mean 'margin'?"),
            ("", f"gate: there is no ''; there are: {GATES}"),
            ("=0.5", f"gate: there is no ''; there are: {GATES}"),
            ("margin", "gate: margin needs a threshold or a target; write 'margin@0.95' for a target"),
            ("margin=high", "gate: 'margin=high': 'high' is not a number; write 'margin=0.8'"),
            ("margin=", "gate: 'margin=': '' is not a number; write 'margin=0.8'"),
            ("margin@0.9@0.8", "gate: 'margin@0.9@0.8': '0.9@0.8' is not a number; write 'margin=0.8'"),
            ("margin=1.5", "gate: the threshold of margin must be between 0 and 1, not 1.5"),
            ("margin=-0.1", "gate: the threshold of margin must be between 0 and 1, not -0.1"),
            ("margin=nan", "gate: the threshold of margin must be between 0 and 1, not nan"),
            ("margin@0", "gate: the target of margin must be above 0 and at most 1, not 0"),
            ("margin@1.01", "gate: the target of margin must be above 0 and at most 1, not 1.01"),
            ("margin@nan", "gate: the target of margin must be above 0 and at most 1, not nan"),
            ("patience=0", "gate: patience takes a whole number of at least 1, not 0"),
            ("patience=1.5", "gate: patience takes a whole number of at least 1, not 1.5"),
            ("patience=inf", "gate: patience takes a whole number of at least 1, not inf"),
            ("static=nan", "gate: static takes a whole number of at least 1, not nan"),
            ("static=0.5", "gate: static takes a whole number of at least 1, not 0.5"),
            ("oracle=0.5", "gate: the oracle has no threshold; write 'oracle'"),
            ("oracle@0.9", "gate: the oracle has no threshold; write 'oracle'"),
            ("learned=0.5", "gate: learned is fitted to half of the prompts; give it a target: 'learned@0.95'"),
        ],
    )
    def test_others_are_refused_in_one_line(self, rule, message):
        with pytest.raises(InputError) as error:
            GatedSettings.of(rule, "propagate")
        assert str(error.value) == message


class TestTheRest:
    """Policies, looks, and both a threshold and a target."""

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            (
                {"policy": "propogate"},
                "policy: there is no 'propogate'; there are: recompute, propagate, copy; did you mean 'propagate'?",
            ),
            ({"check_every": 0}, "check_every: must be a whole number of at least 1, not 0"),
            ({"check_every": 1.5}, "check_every: must be a whole number of at least 1, not 1.5"),
            ({"check_every": True}, "check_every: must be a whole number of at least 1, not True"),
            ({"min_exit_layer": 0}, "min_exit_layer: must be a whole number of at least 1, not 0"),
            (
                {"threshold": 0.5, "target": 0.5},
                "gate: margin needs a threshold or a target; write 'margin@0.95' for a target",
            ),
        ],
        ids=str,
    )
    def test_are_refused_in_one_line(self, settings, message):
        with pytest.raises(InputError) as error:
            GatedSettings(**{"gate": "margin", "target": None if "threshold" in settings else 0.9} | settings)
        assert str(error.value) == message

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"limit": 0}, "limit: must be a whole number of at least 1, not 0"),
            ({"signals": "none"}, "signals: must be one of sample, all, not 'none'"),
            (
                {"engine": "greedy"},
                "engine: there is no 'greedy'; there are: generate, two-phase",
            ),
            (
                {"engine": "two-phase", "texts": Path("texts.jsonl")},
                "engine: two phases are for texts that the model writes, and these are given; leave it out",
            ),
            ({"seed": -1}, "seed: must be a whole number from 0 to 4294967295, not -1"),
        ],
        ids=str,
    )
    def test_what_is_captured_is_held_against_its_ranges(self, settings, message):
        with pytest.raises(InputError) as error:
            CaptureSettings(**settings)
        assert str(error.value) == message
