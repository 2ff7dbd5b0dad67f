"""Names that components write and commands read, for those that must not import TensorFlow."""

# A metric, beside TFMA's own.
COST = "expected_cost"
# A verdict, beside BLESSED and REJECTED.
INCONCLUSIVE = "INCONCLUSIVE"
# What is said of an inconclusive model to which a person said yes.
APPROVED = "APPROVED"
# What the ModelGate notes on a blessing.
ON_INCONCLUSIVE = "on_inconclusive"
APPROVED_BY, APPROVED_WHY, APPROVED_AT = "approved_by", "approved_why", "approved_at"
# What the Pusher notes on a model that it pushed beside the served one.
SHADOW = "shadow"
