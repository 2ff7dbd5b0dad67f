"""Names of TensorFlow Data Validation that its package does not export: statistics in parts."""

from tensorflow_data_validation.statistics.generators.basic_stats_generator import (
    BasicStatsGenerator,
)
from tensorflow_data_validation.statistics.generators.stats_generator import (
    CombinerStatsGenerator,
)
from tensorflow_data_validation.statistics.generators.top_k_uniques_sketch_stats_generator import (
    TopKUniquesSketchStatsGenerator,
)
from tensorflow_data_validation.statistics.stats_impl import extract_statistics_output

__all__ = [
    "BasicStatsGenerator",
    "CombinerStatsGenerator",
    "TopKUniquesSketchStatsGenerator",
    "extract_statistics_output",
]

VERSION = "1.21"
_GENERATORS = "tensorflow_data_validation.statistics.generators"
NAMES = (
    f"{_GENERATORS}.basic_stats_generator:BasicStatsGenerator.merge_accumulators",
    f"{_GENERATORS}.stats_generator:CombinerStatsGenerator.add_input",
    f"{_GENERATORS}.top_k_uniques_sketch_stats_generator:TopKUniquesSketchStatsGenerator.setup",
    "tensorflow_data_validation.statistics.stats_impl:extract_statistics_output",
)
