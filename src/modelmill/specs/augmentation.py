"""Altered copies of training records."""

from typing import Annotated, Literal, Self

from pydantic import Field, RootModel, model_validator

from modelmill.specs.base import OneOrMore, Share, Spec

NEEDS = {"synonym": "lexicon", "rewrite": "models"}
"""The key that a kind cannot do without; other kinds must not have it."""


class AugmentationSpec(Spec):
    """Altered copies of training records; a unit is a word, or a character where a script has no spaces."""

    kind: Literal["delete", "swap", "noise", "replace", "synonym", "mix", "rewrite"] = Field(
        description="delete units; swap neighbouring ones; mistype characters; replace units by others of the training "
        "texts; by synonyms; mix sentences of two records of a label; rewrite whole texts by seq2seq models"
    )
    rate: Share = Field(0.1, description="share of the units that are touched; `mix`: of the sentences")
    copies: Annotated[int, Field(ge=1)] | Literal["balance"] = Field(
        1, description="altered copies per record, or as many as bring every label up to the most frequent one"
    )
    lexicon: str | None = Field(
        None, description="`synonym`: a file (or package://NAME/path) of lines of words that can stand for each other"
    )
    models: Annotated[list[str], OneOrMore()] = Field(
        default_factory=list,
        description="`rewrite`: folders, package:// or hf:// names of seq2seq models, applied one after another: one "
        "paraphrases, two translate there and back",
    )
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _what_the_kind_needs(self) -> Self:
        for kind, key in NEEDS.items():
            if bool(getattr(self, key)) != (self.kind == kind):
                raise ValueError(f"`{key}` belongs to the kind `{kind}`, which needs it; this kind is `{self.kind}`")
        return self


class Augmentations(RootModel[Annotated[list[AugmentationSpec], OneOrMore()]]):
    """One augmentation or a list of them."""
