"""Property names of ExampleValidator's output and of AnomalyGate's report."""

# Absent if the data have no spans: they are no reference for a span.
STATISTICS_ID_KEY = "statistics_id"  # id of the statistics artifact that was judged
DATA_SPAN_KEY = "data_span"  # the data's latest span, on the report alone
DRIFT_KEY = "drift"  # which span the data were compared with, or why with none
# On the report: the accepted examples and the rules; see `pipeline.wiring.spans`.
EXAMPLES_ID_KEY = "examples_id"
ACCEPTANCE_KEY = "acceptance"
