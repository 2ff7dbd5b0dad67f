"""Tables with columns of paths, profiled: the table itself, and samples of the files."""

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from common.errors import InputError
from models.features import Feature, Signal
from pipeline.config import Data
from pipeline.counting import count
from pipeline.data_options.path_columns import PathColumn
from pipeline.onboarding.profile.table import ReadOptions, Table, read_table
from pipeline.onboarding.profile.words import quoted, unit_of
from pipeline.onboarding.recordings.media import audio_feature, image_feature
from pipeline.onboarding.recordings.origin import Origin
from pipeline.onboarding.signals.lengths import choose_lengths
from pipeline.reading import values
from pipeline.reading.path_columns.embedding import embed_files
from pipeline.reading.path_columns.writing import Counts

_MAX_BAD_SHARE = 0.05
_MAX_SAMPLED = 500
_WORDS = {"image": "pictures", "audio": "sounds", "signal": "signals"}


def profile_with_paths(
    path: str, label: str, columns: Mapping[str, PathColumn], reading: ReadOptions
) -> tuple[Table, Origin]:
    """Profiles a table with columns of paths.

    Args:
        path: The table.
        label: The label column.
        columns: The columns of paths.
        reading: What the person says about how data are written.

    Raises:
        InputError: The table or too many of its files cannot be used.
    """
    table = read_table(path, label, replace(reading, leave_out=(*reading.leave_out, *columns)))
    layout = table.layout.layout
    data = Data(
        path=path,
        path_columns=dict(columns),
        encoding=layout.encoding,
        delimiter=layout.delimiter,
        header=layout.header,
        units_row=layout.units_row,
        skip_rows=layout.skip_rows,
        decimal=table.decimal,
    )
    with tempfile.TemporaryDirectory(prefix="faultline-") as folder:
        embedded = embed_files(path, data, folder=Path(), target=Path(folder))
        rates = _median_rates(columns, embedded.counts)
        # Lengths are those at the common rate.
        embedded = embed_files(path, data, folder=Path(), target=Path(folder), rates=rates)
        _check_usable(embedded.counts, path)
        samples = _sample(embedded.pattern, columns)
    features, gap_share = _features(columns, samples, rates)
    notes = [
        f"{quoted(name)} holds paths of {_WORDS[option.holds]}; they are read in its place"
        for name, option in columns.items()
    ]
    others = {name: column for name, column in table.columns.items() if name not in columns}
    origin = Origin(
        path_columns=columns,
        features=features,
        notes=(*notes, *embedded.notes),
        # Rows that cannot be divided into fields are counted with the table.
        num_bad=max(0, embedded.counts.num_bad - table.num_ragged),
        missing={n: k / embedded.counts.num_rows for n, k in embedded.counts.missing.items()},
        gap_share=gap_share,
    )
    return replace(table, columns=others), origin


def _median_rates(columns: Mapping[str, PathColumn], counts: Counts) -> dict[str, float]:
    """Returns the median sampling rate in Hz of each column of samples whose files have times."""
    rates: dict[str, float] = {}
    for name, option in columns.items():
        numbers = counts.rates.get(name, {})
        own = np.repeat([float(rate) for rate in numbers], list(numbers.values()))
        if len(own):
            middle = float(np.sort(own)[len(own) // 2])
            rates |= dict.fromkeys(option.columns(name), middle)
    return rates


def _check_usable(counts: Counts, path: str) -> None:
    if counts.num_bad > _MAX_BAD_SHARE * counts.num_rows:
        more = counts.num_bad - len(counts.problems)
        shown = "; ".join(counts.problems) + (f"; and {more:,} more" if more > 0 else "")
        raise InputError(
            f"{path}: {counts.num_bad:,} of {count(counts.num_rows, 'row')} cannot be used: "
            f"{shown}."
        )


@dataclass(kw_only=True)
class _Sample:
    """What the files of one column of the embedded table hold.

    Attributes:
        files: Contents of the first files.
        num_files: Files.
        lengths: Number of signals of each length.
        num_gapped: Rows without a signal, or with a missing sample.
        num_rows: Rows.
    """

    files: list[bytes] = field(default_factory=list)
    num_files: int = 0
    lengths: Counter[int] = field(default_factory=Counter)
    num_gapped: int = 0
    num_rows: int = 0

    def add(self, column: pa.Array) -> None:
        self.num_rows += len(column)
        present = column.drop_null()
        self.num_files += len(present)
        if pa.types.is_binary(column.type):
            self.files += present.slice(0, max(0, _MAX_SAMPLED - len(self.files))).to_pylist()
            return
        self.num_gapped += column.null_count
        for one in present:
            samples = np.asarray(values.samples(one.values))
            self.lengths[len(samples)] += 1
            self.num_gapped += not np.isfinite(samples).all()


def _sample(pattern: str, columns: Mapping[str, PathColumn]) -> dict[str, _Sample]:
    names = [name for own, option in columns.items() for name in option.columns(own)]
    samples = {name: _Sample() for name in names}
    for file in sorted(Path(pattern).parent.glob("*.parquet")):
        for batch in pq.ParquetFile(file).iter_batches(batch_size=256, columns=names):
            for name, sample in samples.items():
                sample.add(batch.column(name))
    return samples


def _features(
    columns: Mapping[str, PathColumn], samples: Mapping[str, _Sample], rates: Mapping[str, float]
) -> tuple[dict[str, tuple[Feature, str]], float]:
    """Returns the features with their reasons, and the largest share of rows with gaps."""
    features: dict[str, tuple[Feature, str]] = {}
    gap_share = 0.0
    for name, option in columns.items():
        for column in option.columns(name):
            sample = samples[column]
            if not sample.num_files:
                raise InputError(f"None of the files that the column `{name}` names can be used.")
            if option.holds == "image":
                features[column] = image_feature(sample.files, sample.num_files)
            elif option.holds == "audio":
                features[column] = audio_feature(sample.files)
            else:
                feature, reason = _signal(name, column, option, sample)
                features[column] = replace(feature, sampling_rate_hz=rates.get(column)), reason
                gap_share = max(gap_share, sample.num_gapped / sample.num_rows)
    return features, gap_share


def _signal(name: str, column: str, option: PathColumn, sample: _Sample) -> tuple[Signal, str]:
    choice = choose_lengths(sample.lengths, rate_varies=False)
    if choice is None:
        raise InputError(
            f"The files of `{name}` have {min(sample.lengths)} to {max(sample.lengths)} samples, "
            "which are too unequal for signals of one length. Cut them to one length, or leave "
            f"the column out with --leave-out {name}."
        )
    given: dict[str, Any] = {"num_samples": choice.num_samples, "lengths": choice.lengths}
    reason = f"{count(sample.num_files, 'file')}: {choice.reason}"
    return Signal(**given, unit=unit_of(option.columns(name)[column])), reason
