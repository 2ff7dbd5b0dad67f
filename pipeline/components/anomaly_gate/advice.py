"""Advice for each kind of anomaly that TFDV finds in tabular data."""

from tensorflow_metadata.proto.v0.anomalies_pb2 import AnomalyInfo

_NUMBERS = (
    "Look for texts among the numbers (a unit, a decimal comma, a mark for missing values that "
    "`data.missing_values` lacks) and correct them"
)
_SCHEMA_FAULT = "The schema itself is at fault: correct the column's entry in it."

# By TFDV's names. Each text is an imperative for the data, then one for the schema.
_KINDS: tuple[tuple[tuple[str, ...], str], ...] = (
    # Columns.
    (("SCHEMA_NEW_COLUMN",), "Leave the column out of the data, or describe it in the schema."),
    (
        ("SCHEMA_MISSING_COLUMN",),
        "Bring the column back, or remove it from the schema and from `features`.",
    ),
    # Presence.
    (
        ("FEATURE_TYPE_NOT_PRESENT",),
        "Bring the column back, or remove its presence from the schema.",
    ),
    (
        ("FEATURE_TYPE_LOW_FRACTION_PRESENT",),
        "Find out why values are missing; if that is usual now, lower presence.min_fraction.",
    ),
    (
        ("FEATURE_TYPE_LOW_NUMBER_PRESENT",),
        "Find out why values are missing, or lower presence.min_count.",
    ),
    # Values a row.
    (
        ("FEATURE_TYPE_LOW_NUMBER_VALUES", "FEATURE_TYPE_NO_VALUES"),
        "Some rows have fewer values than they need: complete them, or lower value_count.min.",
    ),
    (
        ("FEATURE_TYPE_HIGH_NUMBER_VALUES", "FEATURE_TYPE_UNEXPECTED_REPEATED"),
        "Some rows have more values than there is room for: cut them, or raise value_count.max.",
    ),
    (
        ("INVALID_FEATURE_SHAPE",),
        "Every row needs as many values as `shape` says: correct the rows; or replace `shape` by "
        "`value_count` if rows may differ.",
    ),
    (
        ("VALUE_NESTEDNESS_MISMATCH",),
        "The values are lists in lists, or no longer are: flatten them, or change `value_count` "
        "and `value_counts`.",
    ),
    # Types.
    (
        ("UNEXPECTED_DATA_TYPE",),
        f"{_NUMBERS}; if the values are right as they are, set the column's `type` in the schema.",
    ),
    (
        (
            *("INT_TYPE_INT_EXPECTED", "INT_TYPE_NOT_INT_STRING", "INT_TYPE_NOT_STRING"),
            *("INT_TYPE_STRING_EXPECTED", "INT_TYPE_UNKNOWN_TYPE_NUMBER"),
        ),
        f"{_NUMBERS}; if the values need not be whole numbers, replace int_domain by another "
        "domain.",
    ),
    (
        (
            *("FLOAT_TYPE_NOT_FLOAT", "FLOAT_TYPE_STRING_NOT_FLOAT", "FLOAT_TYPE_NON_STRING"),
            "FLOAT_TYPE_UNKNOWN_TYPE_NUMBER",
        ),
        f"{_NUMBERS}; if the values are texts or whole numbers, replace float_domain by another "
        "domain.",
    ),
    (
        (
            *("BOOL_TYPE_BIG_INT", "BOOL_TYPE_SMALL_INT", "BOOL_TYPE_BYTES_NOT_INT"),
            *("BOOL_TYPE_BYTES_NOT_STRING", "BOOL_TYPE_FLOAT_NOT_INT", "BOOL_TYPE_INT_NOT_STRING"),
            *("BOOL_TYPE_FLOAT_NOT_STRING", "BOOL_TYPE_STRING_NOT_INT"),
            *("BOOL_TYPE_UNEXPECTED_STRING", "BOOL_TYPE_UNEXPECTED_FLOAT"),
            "BOOL_TYPE_INVALID_CONFIG",
        ),
        "Correct the values that are neither true nor false, or replace bool_domain by another "
        "domain.",
    ),
    (
        ("STRING_TYPE_NOW_INT", "STRING_TYPE_NOW_FLOAT"),
        "The texts have become numbers: write them as texts again, or set the column's `type` in "
        "the schema.",
    ),
    (
        ("ENUM_TYPE_INT_NOT_STRING", "ENUM_TYPE_FLOAT_NOT_STRING"),
        "The texts have become numbers: write them as texts again, or replace the column's domain "
        "by int_domain or float_domain.",
    ),
    (
        ("ENUM_TYPE_BYTES_NOT_STRING", "ENUM_TYPE_INVALID_UTF8"),
        "Write the texts in UTF-8, or remove the column's domain if they are no texts.",
    ),
    # Domains.
    (
        ("ENUM_TYPE_UNEXPECTED_STRING_VALUES",),
        "Correct the values; if they are right, add them to the column's domain.",
    ),
    (
        ("FLOAT_TYPE_HAS_NAN",),
        "Correct the values, or remove disallow_nan from the column's float_domain.",
    ),
    (
        ("FLOAT_TYPE_HAS_INF",),
        "Correct the values, or remove disallow_inf from the column's float_domain.",
    ),
    (
        ("FLOAT_TYPE_BIG_FLOAT",),
        "Correct the values and their unit, or raise float_domain's max.",
    ),
    (
        ("FLOAT_TYPE_SMALL_FLOAT",),
        "Correct the values and their unit, or lower float_domain's min.",
    ),
    (("INT_TYPE_BIG_INT",), "Correct the values and their unit, or raise int_domain's max."),
    (("INT_TYPE_SMALL_INT",), "Correct the values and their unit, or lower int_domain's min."),
    (
        ("FEATURE_TYPE_HIGH_UNIQUE",),
        "Look for misspelt or merged values, or raise unique_constraints' max.",
    ),
    (
        ("FEATURE_TYPE_LOW_UNIQUE",),
        "Find out why values no longer occur, or lower unique_constraints' min.",
    ),
    (
        ("FEATURE_TYPE_NO_UNIQUE",),
        "Only texts and categories have a count of different values: write them as such, or "
        "remove unique_constraints.",
    ),
    # Comparisons with an earlier span.
    (
        (
            *("COMPARATOR_L_INFTY_HIGH", "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH"),
            "COMPARATOR_NORMALIZED_ABSOLUTE_DIFFERENCE_HIGH",
        ),
        "Find out what changed at the source and correct it. If the change is permanent, run once "
        "with `validation.drift: warn`, so that later spans are compared with this one, or raise "
        "the comparator's threshold in the schema.",
    ),
    (
        ("COMPARATOR_CONTROL_DATA_MISSING",),
        "The earlier span has no such values to compare with. Run once with "
        "`validation.drift: warn` if the column is new, or remove its drift_comparator.",
    ),
    (
        ("COMPARATOR_TREATMENT_DATA_MISSING",),
        "Bring the column's values back, or remove its drift_comparator.",
    ),
    (
        ("COMPARATOR_LOW_NUM_EXAMPLES", "COMPARATOR_HIGH_NUM_EXAMPLES"),
        "Find out why the number of rows changed, or change num_examples_drift_comparator.",
    ),
    # The data set.
    (
        ("DATASET_LOW_NUM_EXAMPLES", "NO_DATA_IN_SPAN"),
        "Bring more data, or lower dataset_constraints' min_examples_count.",
    ),
    (
        ("DATASET_HIGH_NUM_EXAMPLES",),
        "Look for rows that are there twice, or raise dataset_constraints' max_examples_count.",
    ),
    # The schema.
    (
        (
            *("DOMAIN_INVALID_FOR_TYPE", "INVALID_DOMAIN_SPECIFICATION", "FEATURE_MISSING_NAME"),
            *("INVALID_SCHEMA_SPECIFICATION", "FEATURE_MISSING_TYPE"),
        ),
        _SCHEMA_FAULT,
    ),
)
_ADVICE = {name: text for names, text in _KINDS for name in names}
DRIFT_ADVICE = (
    "Find out what changed at the source and mend it. If it is here to stay, run once with "
    "`validation.drift: warn`: later data are then compared with these. If the column always "
    "changes, add it to `validation.drift_ignore`."
)
OTHER_ADVICE = "Correct the data, or change the column's entry in the schema."


def advise(kind: "AnomalyInfo.Type") -> str:
    """Returns what to do about an anomaly, in one or two sentences.

    Args:
        kind: TFDV's name for it. Anomalies of images, embeddings, natural language, sparse and
            weighted features, which no use case here has, get general advice.
    """
    return _ADVICE.get(AnomalyInfo.Type.Name(kind), OTHER_ADVICE)


def is_comparison(kind: "AnomalyInfo.Type") -> bool:
    """Returns whether an anomaly comes from a comparison with other data: drift."""
    name: str = AnomalyInfo.Type.Name(kind)
    return name.startswith("COMPARATOR_")
