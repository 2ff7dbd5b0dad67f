"""Options for the signatures of models."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS
from pipeline.production_options.delivery import variable_of

FilePath = Annotated[str, Field(min_length=1)]
Variable = Annotated[str, Field(pattern=r"^\$[A-Za-z_][A-Za-z0-9_]*$")]


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class SigningOptions:
    """Signatures of pushed models; relative paths are relative to the YAML's folder.

    Attributes:
        private_key: PEM file with the private key, on a curve P-256, P-384 or P-521; `faultline
            run` signs what it pushes. By default nothing is signed.
        passphrase: Environment variable with the pass phrase of `private_key`, such as
            `$MODEL_KEY_PASSPHRASE`; by default the key is not encrypted.
        public_keys: PEM files with the trusted public keys. If there are any, `predict`, `serve`
            and `rollout` with this config refuse versions without a valid signature of one of them.
    """

    private_key: FilePath | None = None
    passphrase: Variable | None = None
    public_keys: tuple[FilePath, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> "SigningOptions":
        if self.private_key is None and not self.public_keys:
            raise ValueError("signing names no key; set `private_key`, `public_keys` or both")
        if self.passphrase is not None and self.private_key is None:
            raise ValueError("signing.passphrase is set, but signing.private_key is not")
        return self

    @property
    def variable(self) -> str | None:
        """Name of the environment variable with the pass phrase; None without one."""
        return None if self.passphrase is None else variable_of(self.passphrase)

    def located(self, folder: Path) -> "SigningOptions":
        """Returns these options with absolute paths.

        Args:
            folder: The YAML's folder, where relative paths start.
        """
        root = folder.absolute()
        return replace(
            self,
            private_key=None if self.private_key is None else str(root / self.private_key),
            public_keys=tuple(str(root / path) for path in self.public_keys),
        )
