"""What each layer prefers of the choices of a task, held against its definition."""

from pathlib import Path

import numpy as np
import pytest
import torch
from lm_eval_files import QUESTIONS, write_tasks

lm_eval = pytest.importorskip("lm_eval", reason="needs the extra: pip install 'exitbench[lm-eval]'")

from lm_eval.models.huggingface import HFLM  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402

from benchmark import load  # noqa: E402
from benchmark.cases.lm_eval.choices import measure_choices  # noqa: E402
from benchmark.errors import InputError  # noqa: E402
from benchmark.inputs.libraries.lm_eval_library import TaskPlace  # noqa: E402
from benchmark.readout.loaded_model import LoadedModel  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tasks(tmp_path_factory.mktemp("lm-eval") / "tasks")


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> LoadedModel:
    return load(tiny_folder).loaded


def by_definition(model: LoadedModel) -> dict[str, np.ndarray]:
    """Of each layer and question, whether the right choice is the likeliest: a pass for each, then norm and head."""
    right = {"acc": [], "acc_norm": []}
    for question, choices, gold in QUESTIONS:
        sums = []
        for choice in choices:
            prompt = f"Question: {question}\nAnswer:"
            whole = model.tokenizer(f"{prompt} {choice}").input_ids
            behind = len(model.tokenizer(prompt).input_ids)
            states: list[torch.Tensor] = []
            hooks = [
                layer.register_forward_hook(lambda _, __, output, into=states: into.append(output))
                for layer in model.model.model.layers
            ]
            with torch.inference_mode():
                model.model(torch.tensor([whole]))
                logits = [model.model.lm_head(model.model.model.norm(state[0])).float() for state in states]
            for hook in hooks:
                hook.remove()
            targets = torch.tensor(whole[behind:])
            said = [one.log_softmax(-1)[behind - 1 : -1].gather(1, targets[:, None]).sum().item() for one in logits]
            sums.append(said)
        found = np.array(sums).T
        lengths = np.array([len(choice) for choice in choices])
        right["acc"].append(found.argmax(axis=1) == gold)
        right["acc_norm"].append((found / lengths).argmax(axis=1) == gold)
    return {name: np.array(values).T.astype(float) for name, values in right.items()}


@pytest.mark.parametrize("batch_size", [1, 5])
def test_every_layer_prefers_what_its_readout_says(batch_size, tiny, folder):
    found = measure_choices(tiny, TaskPlace("picks", folder, "test"), batch_size=batch_size)
    truth = by_definition(tiny)
    assert found.fewshot == 0
    assert {name: values.tolist() for name, values in found.values.items()} == {
        name: values.tolist() for name, values in truth.items()
    }


def test_the_last_layer_is_the_full_model(tiny, folder):
    found = measure_choices(tiny, TaskPlace("picks", folder, "test"), count=3)
    truth = lm_eval.simple_evaluate(
        model=HFLM(pretrained=tiny.model, tokenizer=tiny.tokenizer, batch_size=2, device="cpu"),
        tasks=["picks"],
        task_manager=TaskManager(include_path=folder, include_defaults=False),
        limit=3,
        bootstrap_iters=0,
    )["results"]["picks"]
    for name in ("acc", "acc_norm"):
        assert found.values[name][-1].mean() == truth[f"{name},none"]


def test_a_task_that_generates_has_no_choices(tiny, folder):
    with pytest.raises(InputError, match="test: 'sums' has no choices to compare"):
        measure_choices(tiny, TaskPlace("sums", folder, "test"))
