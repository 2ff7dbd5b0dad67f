"""Options for a model's card: what a person states about the model."""

from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class CardOptions:
    """Statements on the model card of each pushed version; they change no step.

    Attributes:
        purpose: What the model is for, and who decides what by it.
        out_of_scope: What it must not be used for.
        data_licence: Licence of the data.
        contact: Whom to ask.
    """

    purpose: str = ""
    out_of_scope: str = ""
    data_licence: str = ""
    contact: str = ""
