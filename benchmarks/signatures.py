"""Time to sign a model, and to check and copy it before a load: `python -m benchmarks.signatures`.

Each model has the files of a real one, with random content. The times of the first signature and of
the first check hold the import of the libraries.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from rich.console import Console
from rich.table import Table

from common.signing.keys import PrivateKey, read_private_key
from common.signing.signatures import sign_folder, subject_of
from common.signing.verification import Verifier

_SIZES_MB = (1, 10, 100, 1_000)
_REPEATS = 5
# Shares of a model's bytes; the rest are its weights.
_FILES = {
    "saved_model.pb": 0.2,
    "assets.extra/model_info.json": 0.01,
    "assets.extra/reference.json": 0.02,
    "assets.extra/tf_serving_warmup_requests": 0.01,
    "variables/variables.index": 0.01,
}
_WEIGHTS = "variables/variables.data-00000-of-00001"


def _write_model(folder: Path, num_bytes: int) -> None:
    sizes = {name: int(share * num_bytes) for name, share in _FILES.items()}
    sizes[_WEIGHTS] = num_bytes - sum(sizes.values())
    for name, size in sizes.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("wb") as file:
            for start in range(0, size, 1 << 20):
                file.write(os.urandom(min(1 << 20, size - start)))


def _make_pair(folder: Path) -> tuple[PrivateKey, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / "key.pem", folder / "key.pub"
    private.touch(0o600)
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return read_private_key(private, None), public


def _repeated(action: Callable[[], object]) -> list[float]:
    """Returns the seconds that each of some repeats takes."""
    times = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return times


def main() -> None:
    """Measures models of each size and prints a table."""
    table = Table("model", "sign", "check and copy", title="seconds, median of 5")
    with tempfile.TemporaryDirectory(prefix="faultline-signatures-") as scratch:
        key, public = _make_pair(Path(scratch))
        verifier = Verifier([public])
        for size_mb in _SIZES_MB:
            draft = Path(scratch) / "model" / subject_of("model", size_mb)
            _write_model(draft, size_mb * 1_000_000)
            signing = _repeated(partial(sign_folder, draft, key))
            version = draft.rename(draft.with_name(str(size_mb)))
            checks = _repeated(partial(verifier.verify, version))
            if size_mb == _SIZES_MB[0]:
                table.caption = f"first signature {signing[0]:.2f}, first check {checks[0]:.2f}"
            medians = (f"{statistics.median(times):.3f}" for times in (signing, checks))
            table.add_row(f"{size_mb:,} MB", *medians)
    Console().print(table)


if __name__ == "__main__":
    main()
