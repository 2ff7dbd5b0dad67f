"""One pass over train: correlations, histograms and a sample of recordings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from models.features import Audio, FeatureTable, Image, Signal, of_kind
from pipeline.components.data_report.correlations import Correlations, Floats, column_numbers
from pipeline.components.data_report.histograms import ClassHistogram
from pipeline.components.data_report.media.pictures import sample_pictures
from pipeline.components.data_report.media.properties import FileProperties
from pipeline.components.data_report.media.sampling import FileSample
from pipeline.components.data_report.media.sounds import sample_sounds
from pipeline.components.data_report.recordings import RecordingSample
from pipeline.components.data_report.separations import ClassSample


@dataclass(frozen=True, eq=False)
class TrainFigures:
    """The results of the pass.

    Attributes:
        correlated: The columns of the correlations.
        correlations: Pearson's r of each pair, `[k, k]`.
        histograms: By column.
        recordings: A sample of the recordings of each class.
        pictures: A sample of the pictures of each class.
        sounds: A sample of the sounds of each class.
        separations: ROC-AUC of the features that separate the classes almost alone.
        giveaways: How properties of files tell the label, by column and property.
    """

    correlated: Sequence[str]
    correlations: Floats
    histograms: Mapping[str, ClassHistogram]
    recordings: RecordingSample
    pictures: FileSample
    sounds: FileSample
    separations: Mapping[str, float] = field(default_factory=dict)
    giveaways: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def read_train(
    batches: Iterable[pa.RecordBatch],
    label: str,
    correlated: Sequence[str],
    edges: Mapping[str, Floats],
    features: FeatureTable,
    separating: Sequence[str] = (),
) -> TrainFigures:
    """Reads the examples once.

    Args:
        batches: Columns of lists, as tfx_bsl decodes them.
        label: The label column, 0 and 1.
        correlated: Columns of at most one number a row.
        edges: Such a column to the edges of its histogram.
        features: The features table, for signals, sounds and pictures.
        separating: Features of one number a row that may separate the classes.
    """
    sample = ClassSample(separating)
    correlations, recordings = Correlations(correlated), RecordingSample(of_kind(features, Signal))
    pictures = sample_pictures(of_kind(features, Image))
    sounds = sample_sounds(of_kind(features, Audio))
    properties = FileProperties(features)
    histograms = {name: ClassHistogram.over(bins) for name, bins in edges.items()}
    for batch in batches:
        names = dict.fromkeys([*correlated, *histograms, *separating])
        values = {name: column_numbers(batch, name) for name in names}
        labels = column_numbers(batch, label).astype(np.int64)
        if correlated:
            correlations.add(np.stack([values[name] for name in correlated], axis=1))
        for name, histogram in histograms.items():
            histogram.add(values[name], labels)
        if separating:
            sample.add(np.stack([values[name] for name in separating], axis=1), labels)
        recordings.add(batch, labels)
        pictures.add(batch, labels)
        sounds.add(batch, labels)
        properties.add(batch, labels)
    return TrainFigures(
        correlated,
        correlations.values(),
        histograms,
        recordings,
        pictures,
        sounds,
        sample.separations(),
        properties.giveaways(),
    )
