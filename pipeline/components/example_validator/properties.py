"""Names of what ExampleValidator notes on its output, and AnomalyGate on its report."""

# Absent where the data have no spans: such data are nothing to compare a span with.
STATISTICS_ID_KEY = "statistics_id"  # id of the statistics artifact that was judged
DATA_SPAN_KEY = "data_span"  # the data's latest span, on the report alone
DRIFT_KEY = "drift"  # in words: with which span the data were compared, or why with none
# On the report: which examples were accepted, by which rules; see `pipeline.wiring.spans`.
EXAMPLES_ID_KEY = "examples_id"
ACCEPTANCE_KEY = "acceptance"
