"""What may be declared of a backbone: `conf/<env>/backbones/*.yml`."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from modelmill.specs.base import OneOrMore, Spec
from modelmill.specs.cleaning import CleaningSpec
from modelmill.specs.source import Sources
from modelmill.specs.training import PretrainingTrainingSpec


class CorpusSpec(Spec):
    """The text to pretrain on. Validation and test records of products that use the backbone never get in."""

    sources: Sources = Sources([])
    products: Annotated[list[str], OneOrMore()] = Field(
        default_factory=list, description="products whose training records are read too"
    )
    cleaning: CleaningSpec = CleaningSpec(min_chars=4)

    @model_validator(mode="after")
    def _some_text(self) -> Self:
        if not self.sources.root and not self.products:
            raise ValueError("name at least one of `sources` and `products`")
        return self


class TokenizerSpec(Spec):
    """The tokenizer to train: byte-pair merges of characters up to words, or each character a token."""

    kind: Literal["bpe", "character"] = "bpe"
    vocabulary: int = Field(12_000, ge=100, description="tokens kept, special ones included")
    alphabet: int = Field(4500, ge=50, description="most frequent characters kept; others are unknown (bpe)")
    longest: int = Field(4, ge=1, description="characters of the longest token (bpe)")
    sample: int = Field(3_000_000, ge=10_000, description="characters of the corpus that merges are learned from (bpe)")
    lowercase: bool = True


class ArchitectureSpec(Spec):
    """The encoder: pre-norm, rotary positions, gated MLP (ModernBERT, Warner et al. 2024, arXiv:2412.13663)."""

    layers: int = Field(4, ge=1)
    hidden: int = Field(256, ge=8)
    heads: int = Field(4, ge=1)
    intermediate: int = Field(512, ge=8)
    max_tokens: int = Field(512, ge=16)

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden {self.hidden} must be a multiple of twice the heads ({self.heads})")
        return self


class PretrainingSpec(Spec):
    """A backbone made here, by masked language modelling."""

    corpus: CorpusSpec
    tokenizer: TokenizerSpec = TokenizerSpec()
    architecture: ArchitectureSpec = ArchitectureSpec()
    training: PretrainingTrainingSpec = PretrainingTrainingSpec()

    @model_validator(mode="after")
    def _blocks_fit(self) -> Self:
        if self.training.block_tokens > self.architecture.max_tokens:
            raise ValueError(
                f"training.block_tokens {self.training.block_tokens} is above "
                f"architecture.max_tokens {self.architecture.max_tokens}"
            )
        return self


class BackboneSpec(Spec):
    """A pretrained encoder that products share: taken from somewhere (`model`), or made here (`pretraining`)."""

    description: str = ""
    licence: str = Field("unknown", description="licence of the weights, for the model card")
    model: str | None = Field(
        None,
        description="folder, `package://NAME/folder` or `hf://OWNER/NAME` with safetensors and a tokenizer",
    )
    sha256: dict[str, str] = Field(default_factory=dict, description="file name: its SHA-256, checked when given")
    pretraining: PretrainingSpec | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.model is None) == (self.pretraining is None):
            raise ValueError("give either `model` (take it from somewhere) or `pretraining` (make it here)")
        if self.sha256 and self.pretraining:
            raise ValueError("`sha256` belongs to `model`; a backbone that is made here has none")
        return self
