"""Property names of ExampleValidator's output and of AnomalyGate's report."""

STATISTICS_ID_KEY = "statistics_id"  # id of the statistics artifact that was judged
HAS_SPANS_KEY = "has_spans"
# The data's latest span, on the report alone; absent if the data have no spans.
DATA_SPAN_KEY = "data_span"
# On the report: drift was found and accepted, because `validation.drift` is `warn`.
DRIFTED_KEY = "drifted"
DRIFT_KEY = "drift"  # what was compared with which data, or why nothing
# On the report: the accepted examples and the rules; see `pipeline.wiring.spans`.
EXAMPLES_ID_KEY = "examples_id"
ACCEPTANCE_KEY = "acceptance"
