"""How texts are cleaned, and which are taken out."""

import os
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from modelmill.errors import DataError
from modelmill.specs.base import OneOrMore, Share, Spec
from modelmill.specs.languages import LANGUAGES
from modelmill.specs.source import Sources

RuleSet = Literal["c4", "gopher_quality", "gopher_repetition"]

PRESETS: dict[str, dict[str, Any]] = {
    "review": {"min_chars": 2, "max_chars": 5000, "drop_spam": True},
    "web": {
        "max_chars": 200_000,
        "drop_spam": True,
        "rules": ["c4", "gopher_quality", "gopher_repetition"],
        "near_duplicates": {},
    },
}
"""What the keys of `cleaning` are that a declaration with a preset does not give."""


class NearDuplicatesSpec(Spec):
    """When two texts are nearly the same: their shares of common word n-grams, as MinHash signatures estimate it."""

    threshold: float = Field(0.8, gt=0, le=1, description="least share of common n-grams (Jaccard)")
    words: int = Field(5, ge=1, description="words of an n-gram; an ideograph is a word")
    permutations: int = Field(
        128, ge=16, le=1024, description="length of the signatures; the estimate's error is 0.5 / sqrt of it at most"
    )
    seed: int = Field(0, ge=0)


PersonalData = Literal[
    "url_secret", "email", "ip_address", "resident_id", "iban", "bank_card", "social_security", "phone"
]


Recognised = Literal[
    "PERSON", "LOCATION", "ORGANIZATION", "NRP", "DATE_TIME",
    "CRYPTO", "MAC_ADDRESS", "UUID", "PHONE_NUMBER", "MEDICAL_LICENSE",
    "UK_NHS", "US_BANK_NUMBER", "US_DRIVER_LICENSE", "US_ITIN", "US_PASSPORT",
    "ES_NIE", "ES_NIF", "IT_DRIVER_LICENSE", "IT_FISCAL_CODE", "IT_IDENTITY_CARD", "IT_PASSPORT", "IT_VAT_CODE",
    "PL_PESEL",
]  # fmt: skip
"""Presidio's names of what our own kinds lack. Left out are those that they have; of these, presidio's recognisers of
addresses would fetch a list of domains from the network."""


class PresidioSpec(Spec):
    """Names, places and more, found by Microsoft's presidio over spaCy pipelines; the extra `presidio`.

    With more than one pipeline, a text is read by that of its likeliest language.
    """

    pipelines: dict[Annotated[str, Field(pattern="^[a-z]{2}$")], str] = Field(
        min_length=1,
        description="language (ISO 639-1): its spaCy pipeline, an installed package such as zh_core_web_sm or a folder",
    )
    entities: Annotated[list[Recognised], OneOrMore()] = Field(
        ["PERSON", "LOCATION", "CRYPTO", "MAC_ADDRESS"], min_length=1, description="presidio's names"
    )
    least_score: Share = Field(
        0.4, description="least certainty; spaCy's finds have 0.85, numbers that could be anything 0.05 to 0.4"
    )


class LanguagesSpec(Spec):
    """Languages that a text may be in; others are rejected where it is sure that they are others."""

    allowed: Annotated[list[str], OneOrMore()] = Field(
        min_length=1, description="ISO 639 codes as fastText's lid.176 has them: en, zh, ..."
    )

    @field_validator("allowed")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        if unknown := [code for code in value if code not in LANGUAGES]:
            raise ValueError(
                f"'{unknown[0]}' is no language code of lid.176; give codes such as en, zh, ja, de, fr, es, ru, ko"
            )
        return value

    surely: Share = Field(0.7, description="least probability of the other language")
    from_chars: int = Field(20, ge=1, description="shorter texts are not judged: too little to tell by")


SHORTEST_KEY = 16
"""Bytes of a key that nobody finds by trying."""


class PrivacySpec(Spec):
    """Personal data in texts becomes pseudonyms, the same one for the same value."""

    kinds: Annotated[list[PersonalData], OneOrMore()] = Field(default_factory=lambda: list(get_args(PersonalData)))
    key: str = Field("MODELMILL_PSEUDONYM_KEY", description="environment variable that holds the secret key")
    presidio: PresidioSpec | None = Field(None, description="a recogniser that looks at what the kinds leave")

    def secret(self) -> bytes:
        """The key that pseudonyms and ids follow from; `DataError` when the environment does not hold it."""
        key = os.environ.get(self.key, "")
        if not key:
            raise DataError(
                f"`cleaning.privacy` needs a secret key: set the environment variable {self.key} to a long random text "
                "and keep it; with another key the same person gets another pseudonym."
            )
        if len(key.encode()) < SHORTEST_KEY:
            raise DataError(
                f"the key in the environment variable {self.key} has {len(key.encode())} bytes, and could be found by "
                f"trying; give at least {SHORTEST_KEY}, such as `openssl rand -hex 32` prints."
            )
        return key.encode()


class CleaningSpec(Spec):
    """How texts are normalised, and which are taken out. Every record taken out is kept in the rejects."""

    preset: Literal["review", "web"] | None = Field(
        None, description="defaults for short opinions, or for pages of the web; keys that are given win"
    )
    min_chars: int = Field(1, ge=1)
    max_chars: int = Field(20_000, ge=1, description="after normalisation; longer texts are rejected")
    drop_spam: bool = Field(False, description="reject advertisements (contact details beside sales words)")
    languages: LanguagesSpec | None = Field(None, description="reject texts of other languages")
    rules: Annotated[list[RuleSet], OneOrMore()] = Field(
        default_factory=list, description="sets of quality rules for documents, each named after its paper"
    )
    privacy: PrivacySpec | None = Field(None, description="mask personal data; `{}` takes the defaults")
    near_duplicates: NearDuplicatesSpec | None = Field(
        None, description="reject records that nearly repeat an earlier one; `{}` takes the defaults"
    )
    benchmarks: Sources = Field(
        Sources([]), description="sources of texts that a model will be judged by; records that repeat one are rejected"
    )
    memory_mb: int = Field(
        512, ge=128, description="memory for looking at all records at once, beside what reading and a batch take"
    )

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, given: Any) -> Any:
        """The preset's keys under those that are given; a wrong name is left to the check of the field."""
        return {**PRESETS.get(str(given.get("preset")), {}), **given} if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.min_chars > self.max_chars:
            raise ValueError(f"min_chars {self.min_chars} is above max_chars {self.max_chars}")
        return self
