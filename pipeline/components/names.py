"""Property and column names that components write and commands read; needs no TensorFlow."""

# A metric, beside TFMA's own.
COST = "expected_cost"
# A verdict, beside BLESSED and REJECTED.
INCONCLUSIVE = "INCONCLUSIVE"
# The verdict shown for an inconclusive model that a person approved.
APPROVED = "APPROVED"
# Properties that ModelGate writes on a blessing.
ON_INCONCLUSIVE = "on_inconclusive"
APPROVED_BY, APPROVED_WHY, APPROVED_AT = "approved_by", "approved_why", "approved_at"
# Properties that make a blessed model an anchor of later comparisons: how good it surely is, for
# which data, and in which run it was evaluated.
ANCHOR_SCORE, DATA_DEFINITION, EVALUATED_IN = "anchor_score", "data_definition", "evaluated_in"
# What `faultline approve --new-anchor` records on a blessing.
ANCHOR_BY, ANCHOR_WHY, ANCHOR_AT = "anchor_by", "anchor_why", "anchor_at"
# Property that the Pusher writes on a model that it pushed beside the served one.
SHADOW = "shadow"
# What the latest transition of its rollout was, noted on the push of a version.
ROLLOUT = "rollout"
# What `faultline rollback` and `faultline withdraw` note on the push of a version: of one taken out
# of service, and of one put back.
WITHDRAWN_BY, WITHDRAWN_WHY, WITHDRAWN_AT = "withdrawn_by", "withdrawn_why", "withdrawn_at"
RESTORED_BY, RESTORED_WHY, RESTORED_AT = "restored_by", "restored_why", "restored_at"
# Under this key the Pusher gets what was withdrawn: by served name and digest, what to note.
WITHDRAWN = "withdrawn"
# Digest of a withdrawn version's files, by which the Pusher knows the same model again.
WITHDRAWN_DIGEST = "withdrawn_digest"
# What the Pusher notes where it pushed nothing: the withdrawn version that has the same files.
WITHDRAWN_VERSION = "withdrawn_version"
# ROC-AUC by feature that DataReport writes, of those that separate the classes almost alone.
SEPARATING = "separating_features"
# How the files of an artifact differ from those that its step published.
DAMAGE = "damage"
# Under this key the Pusher gets the key to sign with. On what it pushed it notes the fingerprint of
# that key, and the SHA-256 of the signature's file.
SIGNING = "signing"
SIGNER, SIGNATURE_DIGEST = "signer", "signature_digest"
