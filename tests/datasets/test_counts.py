from collections import Counter

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from datasets.faults import FAULT_MIX, NO_FAULT
from datasets.options import SignalOptions
from datasets.signals import BLOCK_SIZE, simulate_span

COUNTS = st.integers(0, 40)


@pytest.mark.simulation
@given(healthy=COUNTS, faulty=COUNTS, seed=st.integers(0, 2**32), span=st.integers(1, 99))
# At the edges of a block, where counting could go wrong.
@example(healthy=BLOCK_SIZE - 1, faulty=0, seed=1, span=2)
@example(healthy=BLOCK_SIZE, faulty=0, seed=2, span=3)
@example(healthy=0, faulty=BLOCK_SIZE + 1, seed=3, span=4)
@example(healthy=BLOCK_SIZE - 1, faulty=2, seed=4, span=5)
@example(healthy=BLOCK_SIZE, faulty=BLOCK_SIZE, seed=5, span=6)
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
