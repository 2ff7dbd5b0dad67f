import pyarrow as pa
import pytest

from pipeline.config import Data, Label
from pipeline.reading.recordings.labelling import positive_samples
from pipeline.reading.recordings.raw.clock import UnusableError

_DATA = Data(path="raw")
_STATES = Label(column="state", positive="bad", values=("bad", "ok"))


def texts(*labels: str | None) -> pa.DictionaryArray:
    return pa.array(labels, pa.string()).dictionary_encode()


@pytest.mark.parametrize(
    ("label", "labels"),
    [
        (Label(column="fault"), ("0", "1.0", "0")),
        (Label(column="fault", positive=True), ("false", "True", "false")),
        (_STATES, ("ok", "bad", "ok")),
        (Label(column="state", positive="bad"), ("ok", "bad", "warm-up")),
    ],
)
def test_a_sample_is_positive_as_a_row_would_be(label: Label, labels: tuple[str, ...]):
    assert positive_samples(texts(*labels), label, _DATA).tolist() == [False, True, False]


@pytest.mark.parametrize("missing", [None, "nan", "NaN", "NA"])
def test_a_sample_with_a_mark_of_a_missing_value_has_no_label(missing: str | None):
    with pytest.raises(UnusableError, match="1 sample without a label, first row 2"):
        positive_samples(texts("1", missing, "0"), Label(column="fault"), _DATA)


def test_a_label_that_is_none_of_the_declared_values_is_refused():
    with pytest.raises(UnusableError, match=r"label of row 3 is `warm`; expected .*`bad`, `ok`"):
        positive_samples(texts("ok", "bad", "warm"), _STATES, _DATA)
