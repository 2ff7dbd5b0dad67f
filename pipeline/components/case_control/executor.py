"""The Beam pipeline that samples the train split, file by file."""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

import apache_beam as beam
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.artifact import Artifact

from common.example_files import split_files, split_folder
from models.probabilities.sampling import Kept, SamplingRecord
from pipeline.components.beam_progress import ReportingExecutor
from pipeline.components.case_control.selection import Selection, Tally, sample_file
from pipeline.sampling_options import Sampling, rates_of

EXAMPLES_KEY, SAMPLED_KEY = "examples", "sampled_examples"
SAMPLING_KEY, LABEL_KEY, SEED_KEY = "sampling", "label", "seed"
CODE_DIGEST_KEY = "code_digest"
# The property of an Examples artifact that says what its train split is a sample of.
SAMPLING_PROPERTY = "sampling"
_RECORD_FILE = "sampling.json"
_SAMPLED_SPLIT = "train"


class Executor(ReportingExecutor, base_beam_executor.BaseBeamExecutor):  # type: ignore[misc]
    """Samples the train split and copies every other split byte for byte."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the sampled examples and the record of the sampling.

        Args:
            input_dict: `examples`.
            output_dict: `sampled_examples`.
            exec_properties: `sampling` as JSON, `label`, `seed`.

        Raises:
            InputError: A stratum has negatives, but none of them is kept.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(input_dict[EXAMPLES_KEY])
        sampled = artifact_utils.get_single_instance(output_dict[SAMPLED_KEY])
        sampling = Sampling.from_json(exec_properties[SAMPLING_KEY])
        selection = _selection(examples, sampling, exec_properties)
        for split in artifact_utils.decode_split_names(examples.split_names):
            fileio.makedirs(split_folder(sampled.uri, split))
            if split != _SAMPLED_SPLIT:
                _copy_split(examples.uri, sampled.uri, split)
        files = split_files(examples.uri, _SAMPLED_SPLIT)
        folder = split_folder(sampled.uri, _SAMPLED_SPLIT)
        record_path = f"{sampled.uri}/{_RECORD_FILE}"
        with self._make_beam_pipeline() as pipeline:
            # The elements are paths: a row as an element costs more than its hash.
            _ = (
                pipeline
                | "Files" >> beam.Create(files)
                | "Sample" >> beam.Map(sample_file, folder, selection)
                | "Together" >> beam.CombineGlobally(merge_tallies)
                | "Write" >> beam.Map(_write_record, record_path, selection)
            )
        with fileio.open(record_path) as file:
            record = SamplingRecord.from_json(file.read())
        _describe(sampled, examples, record)


def _selection(
    examples: Artifact, sampling: Sampling, exec_properties: dict[str, Any]
) -> Selection:
    num_rows, num_positives = (
        examples.get_int_custom_property(f"num_{what}_{_SAMPLED_SPLIT}")
        for what in ("rows", "positives")
    )
    rates = rates_of(sampling, num_positives=num_positives, num_negatives=num_rows - num_positives)
    return Selection(
        label=exec_properties[LABEL_KEY],
        seed=exec_properties[SEED_KEY],
        by=sampling.by,
        rates=rates,
    )


def _copy_split(source: str, target: str, split: str) -> None:
    for path in split_files(source, split):
        fileio.copy(path, f"{split_folder(target, split)}/{PurePosixPath(path).name}")


def merge_tallies(tallies: Iterable[Tally]) -> Tally:
    """Returns the counts of all files."""
    merged = Tally()
    for tally in tallies:
        merged.merge(tally)
    return merged


def _write_record(tally: Tally, path: str, selection: Selection) -> None:
    strata = tally.strata(selection.rates)
    record = SamplingRecord(
        by=selection.by,
        strata={value: kept for value, kept in strata.items() if value is not None},
        rest=strata[None],
    )
    with fileio.open(path, "w") as file:
        file.write(record.to_json())


def _describe(sampled: Artifact, examples: Artifact, record: SamplingRecord) -> None:
    """Copies the source's properties to the sampled artifact, and adds the sampling record."""
    sampled.split_names = examples.split_names
    sampled.span = examples.span
    copied = ("num_rows_", "num_positives_", "payload_", "file_", "spans")
    for key, value in examples.mlmd_artifact.custom_properties.items():
        if key.startswith(copied):
            sampled.mlmd_artifact.custom_properties[key].CopyFrom(value)
    kept = sum(part.kept for part in negatives(record))
    num_positives = examples.get_int_custom_property(f"num_positives_{_SAMPLED_SPLIT}")
    sampled.set_int_custom_property(f"num_rows_{_SAMPLED_SPLIT}", kept + num_positives)
    sampled.set_string_custom_property(SAMPLING_PROPERTY, record.to_json())


def negatives(record: SamplingRecord) -> list[Kept]:
    """Returns the record of each stratum's negatives."""
    return [record.rest, *record.strata.values()]
