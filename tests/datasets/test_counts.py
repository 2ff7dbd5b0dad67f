from collections import Counter

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from datasets.faults import FAULT_MIX, NO_FAULT
from datasets.options import SignalOptions
from datasets.signals import BLOCK_SIZE, simulate_span

# Across the edges of a block, where counting could go wrong.
COUNTS = st.integers(0, 40) | st.integers(BLOCK_SIZE - 3, BLOCK_SIZE + 3)


@given(healthy=COUNTS, faulty=COUNTS, seed=st.integers(0, 2**32), span=st.integers(1, 99))
@settings(max_examples=25, deadline=None)
def test_counts_are_exact_for_any_seed_and_span(healthy, faulty, seed, span):
    assume(healthy + faulty > 0)
    options = SignalOptions(num_healthy=healthy, num_faulty=faulty, seed=seed, num_spans=span)
    batches = list(simulate_span(options, span))
    kinds = Counter(kind for batch in batches for kind in batch["fault_kind"].to_pylist())
    labels = Counter(label for batch in batches for label in batch["is_faulty"].to_pylist())

    assert (labels[0], labels[1]) == (healthy, faulty)
    assert kinds[NO_FAULT] == healthy
    assert len(set(kinds) - {NO_FAULT}) == min(faulty, len(FAULT_MIX))
    assert max(batch.num_rows for batch in batches) <= BLOCK_SIZE
