"""Numbers with their nouns."""


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Returns a number with its noun in the singular or plural.

    Args:
        number: The number.
        noun: The noun in the singular.
        plural: Its plural; by default with an `s`.

    >>> count(1, "row"), count(12345, "row"), count(2, "anomaly", "anomalies")
    ('1 row', '12,345 rows', '2 anomalies')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
