"""What a command line asks to be measured, read and held together before anything that takes long is imported."""

from pathlib import Path

from benchmark.errors import InputError
from benchmark.inputs.catalog import asked_workloads
from benchmark.inputs.data.texts import read_texts, refuse_texts
from benchmark.inputs.model_entry import ModelEntry, load_models
from benchmark.inputs.packaged import model_file
from benchmark.inputs.selection import in_shard, select
from benchmark.inputs.workload_entry import WorkloadEntry
from benchmark.interface.options import Options


def asked_for(options: Options) -> tuple[list[ModelEntry], list[WorkloadEntry]]:
    """Return the models and workloads that options ask for.

    Raises:
        InputError: a file cannot be read, a name matches nothing, a gate is not written as one, or texts are given
            that cannot be those of what is asked for.
    """
    if options.study == "clock":
        options.clocks()
    else:
        options.decodings()
    file = model_file(options.model_file)
    models = select(load_models(file), options.model, "--model", str(file))
    if options.shard is not None:
        models = in_shard(models, options.shard)
    workloads = asked_workloads(options.workload_file, options.workload)
    if options.texts is not None:
        _refuse_texts(options.texts, options.study, workloads)
    return models, workloads


def _refuse_texts(file: Path, study: str | None, workloads: list[WorkloadEntry]) -> None:
    """Make sure that given texts can be those of what is asked for.

    Raises:
        InputError: they cannot be read, or go with nothing that is asked for.
    """
    if len(workloads) != 1:
        raise InputError(
            f"--texts: texts are of one workload, and {len(workloads)} are asked for; name it with --workload"
        )
    if study not in (None, "oracle"):
        raise InputError(f"--texts: where texts are given, nothing is decoded; leave --study {study} away")
    refuse_texts(workloads[0])
    read_texts(file)
