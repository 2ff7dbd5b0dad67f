from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.onboarding.decisions import make_decisions
from pipeline.onboarding.profile.labels import choose_positive
from pipeline.onboarding.profile.table import ReadOptions, read_table
from pipeline.onboarding.proposal import Proposal, propose

ROWS = 1_000


@pytest.fixture
def base() -> dict[str, Any]:
    """A thousand rows with one honest measurement `x` and a label with 100 positives."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=ROWS)
    score = x + rng.normal(size=ROWS)
    return {"x": x.round(4), "label": (score >= np.sort(score)[-100]).astype(int)}


@pytest.fixture
def propose_for(tmp_path: Path) -> Callable[..., Proposal]:
    """Writes columns to a file and proposes for it as `init` does."""

    def run(
        columns: dict[str, Any],
        positive: str | None = None,
        kind: str = "csv",
        kinds: Sequence[str] = (),
        **flags: Any,
    ) -> Proposal:
        path = tmp_path / f"data.{kind}"
        frame = pd.DataFrame(columns)
        if kind == "csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path)
        table = read_table(str(path), "label", ReadOptions())
        choice = choose_positive("label", table.classes, positive)
        return propose(table, "label", choice, make_decisions(kind=kinds, **flags))

    return run
