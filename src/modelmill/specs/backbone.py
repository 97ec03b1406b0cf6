"""What may be declared of a backbone: `conf/<env>/backbones/*.yml`."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from modelmill.specs.base import OneOrMore, Share, Spec
from modelmill.specs.cleaning import CleaningSpec
from modelmill.specs.licences import Licence
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
    """The tokenizer to train.

    `bpe`: byte-pair merges of characters up to words; `character`: each character is a token; both leave blanks out.
    `byte_bpe`: merges of bytes (Radford et al. 2019, GPT-2); nothing is unknown, and text comes back as it was.
    `word`: what stands between blanks is a token, for sequences of names such as the items of a recommendation.
    """

    kind: Literal["bpe", "character", "byte_bpe", "word"] = "bpe"
    vocabulary: int = Field(12_000, ge=100, description="tokens kept, special ones included")
    alphabet: int = Field(4500, ge=50, description="most frequent characters kept; others are unknown (bpe)")
    longest: int = Field(4, ge=1, description="characters of the longest token (bpe)")
    sample: int = Field(
        3_000_000, ge=10_000, description="characters of the corpus that merges are learned from (bpe, byte_bpe)"
    )
    lowercase: bool = Field(True, description="fold case; byte_bpe and word: false when not given")

    @model_validator(mode="before")
    @classmethod
    def _case_is_kept(cls, given: Any) -> Any:
        kept = isinstance(given, dict) and given.get("kind") in ("byte_bpe", "word")
        return {"lowercase": False, **given} if kept else given

    @model_validator(mode="after")
    def _all_bytes(self) -> Self:
        if self.kind == "byte_bpe" and self.vocabulary < 300:
            raise ValueError(
                f"`byte_bpe` has 256 bytes and its special tokens; vocabulary {self.vocabulary} is below 300"
            )
        return self


ArchitectureKind = Literal["modernbert", "bert", "gpt2", "llama"]
Objective = Literal["masked_lm", "masked_lm_nsp", "causal_lm"]
GOES_WITH: dict[str, tuple[str, ...]] = {
    "masked_lm": ("modernbert", "bert"),
    "masked_lm_nsp": ("bert",),
    "causal_lm": ("gpt2", "llama"),
}
"""The kinds of architecture that an objective trains."""


class ArchitectureSpec(Spec):
    """The shape of the model, by a config of transformers.

    `modernbert`: encoder, pre-norm, rotary positions, gated MLP (Warner et al. 2024, arXiv:2412.13663).
    `bert`: encoder, post-norm, learned positions (Devlin et al. 2019, arXiv:1810.04805).
    `gpt2`: decoder, pre-norm, learned positions (Radford et al. 2019).
    `llama`: decoder, RMS norm, rotary positions, gated MLP (Touvron et al. 2023, arXiv:2302.13971).
    """

    kind: ArchitectureKind = "modernbert"
    layers: int = Field(4, ge=1)
    hidden: int = Field(256, ge=8)
    heads: int = Field(4, ge=1)
    intermediate: int = Field(512, ge=8)
    max_tokens: int = Field(512, ge=16)
    dropout: Share = Field(0.0, description="in pretraining and after it; BERT and GPT-2 had 0.1")

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden {self.hidden} must be a multiple of twice the heads ({self.heads})")
        return self


class PretrainingSpec(Spec):
    """A backbone made here.

    `masked_lm`: predict masked tokens; `masked_lm_nsp`: and whether a second piece of text follows on the first (Devlin
    et al. 2019, 3.1); `causal_lm`: predict the next token.
    """

    objective: Objective = "masked_lm"
    whole_words: bool = Field(False, description="mask all tokens of a word or none (masked_lm, masked_lm_nsp)")
    from_: str | None = Field(
        None,
        alias="from",
        description="a backbone to go on from: its tokenizer, architecture and weights are taken over",
    )
    corpus: CorpusSpec
    tokenizer: TokenizerSpec | None = TokenizerSpec()
    architecture: ArchitectureSpec | None = ArchitectureSpec()
    training: PretrainingTrainingSpec = PretrainingTrainingSpec()

    @model_validator(mode="before")
    @classmethod
    def _taken_over(cls, given: Any) -> Any:
        goes_on = isinstance(given, dict) and given.get("from") is not None
        return {"tokenizer": None, "architecture": None, **given} if goes_on else given

    @model_validator(mode="after")
    def _taken_over_or_made(self) -> Self:
        for name in ("tokenizer", "architecture"):
            declared = getattr(self, name) is not None
            if declared and self.from_ is not None:
                raise ValueError(f"`from: {self.from_}` brings its own {name}; take `{name}` away")
            if not declared and self.from_ is None:
                raise ValueError(f"`{name}` is empty; take the key away for its defaults")
        return self

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        kinds = GOES_WITH[self.objective]
        if self.architecture and self.architecture.kind not in kinds:
            raise ValueError(
                f"`objective: {self.objective}` does not train `architecture.kind: {self.architecture.kind}`; "
                f"{which_go_together()}"
            )
        if self.objective == "causal_lm" and self.whole_words:
            raise ValueError("`whole_words` is for masked objectives; `causal_lm` masks nothing")
        if self.objective == "causal_lm" and self.tokenizer and self.tokenizer.kind != "byte_bpe":
            raise ValueError(
                f"`objective: causal_lm` writes text, and `tokenizer.kind: {self.tokenizer.kind}` cannot give it back "
                "as it was; declare `tokenizer: {kind: byte_bpe}`"
            )
        return self

    @model_validator(mode="after")
    def _blocks_fit(self) -> Self:
        if self.architecture and self.training.block_tokens > self.architecture.max_tokens:
            raise ValueError(
                f"training.block_tokens {self.training.block_tokens} is above "
                f"architecture.max_tokens {self.architecture.max_tokens}"
            )
        return self


def which_go_together() -> str:
    """'masked_lm goes with modernbert, bert; ...'"""
    return "; ".join(f"{objective} goes with {', '.join(kinds)}" for objective, kinds in GOES_WITH.items())


class OfImages(Spec):
    """What all architectures for images have."""

    channels: Literal[1, 3] = Field(3, description="1: grey, 3: RGB; images are brought to it")
    seed: int = Field(0, ge=0, description="of the random weights")


Sizes = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]


class ResNetSpec(OfImages):
    """A residual network (He et al. 2015, arXiv:1512.03385). Its stem makes images a quarter as wide and high."""

    kind: Literal["resnet"]
    stem: int = Field(64, ge=1, description="channels behind the stem")
    widths: Sizes = Field([64, 128, 256, 512], description="channels of each stage; all but the first halve the sides")
    depths: Sizes = Field([2, 2, 2, 2], description="blocks of each stage")
    block: Literal["basic", "bottleneck"] = "basic"

    @model_validator(mode="after")
    def _stages(self) -> Self:
        if len(self.widths) != len(self.depths):
            raise ValueError(f"{len(self.widths)} widths and {len(self.depths)} depths; each stage has one of both")
        return self


class ViTSpec(OfImages):
    """A vision transformer (Dosovitskiy et al. 2020, arXiv:2010.11929); it reads images of one size."""

    kind: Literal["vit"]
    side: int = Field(224, ge=1, description="pixels of a side of the images, which are brought to it")
    patch: int = Field(16, ge=1, description="pixels of a side of a patch")
    layers: int = Field(12, ge=1)
    hidden: int = Field(192, ge=1)
    heads: int = Field(3, ge=1)
    intermediate: int = Field(768, ge=1)

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.hidden % self.heads or self.side % self.patch:
            raise ValueError("`hidden` must be a multiple of `heads`, and `side` of `patch`")
        return self


ImageArchitecture = Annotated[ResNetSpec | ViTSpec, Field(discriminator="kind")]


class BackboneSpec(Spec):
    """A model that products share: taken from somewhere (`model`), pretrained here (`pretraining`), or, for images,
    one that has seen nothing (`architecture`).
    """

    description: str = ""
    licence: Licence | None = Field(None, description="of the weights: an SPDX expression, such as `Apache-2.0`")
    model: str | None = Field(
        None,
        description="folder, `package://NAME/folder` or `hf://OWNER/NAME` with safetensors and a tokenizer, or for "
        "images a preprocessor_config.json",
    )
    sha256: dict[str, str] = Field(default_factory=dict, description="file name: its SHA-256, checked when given")
    pretraining: PretrainingSpec | None = None
    architecture: ImageArchitecture | None = Field(None, description="for images, from a random start")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if [self.model, self.pretraining, self.architecture].count(None) != 2:
            raise ValueError(
                "give one of `model` (take it from somewhere), `pretraining` (make it here) and `architecture` (for "
                "images, from a random start)"
            )
        if self.sha256 and not self.model:
            raise ValueError("`sha256` belongs to `model`; a backbone that is made here has none")
        return self


def ancestry(name: str, backbones: Mapping[str, BackboneSpec]) -> list[str]:
    """The name of a backbone, of the one that it goes on from, and so on."""
    chain = [name]
    while (made := backbones[chain[-1]].pretraining) and made.from_:
        chain.append(made.from_)
    return chain


def why_not_from(spec: BackboneSpec, start: BackboneSpec) -> str | None:
    """What keeps a backbone from going on from one whose architecture is declared; None when nothing does."""
    made = spec.pretraining
    shape = start.pretraining.architecture if start.pretraining else None
    if made is None or shape is None:
        return None
    if shape.kind not in GOES_WITH[made.objective]:
        return f"`objective: {made.objective}` does not train a {shape.kind}; {which_go_together()}"
    if made.training.block_tokens > shape.max_tokens:
        return (
            f"it reads {shape.max_tokens} tokens, and `training.block_tokens` is {made.training.block_tokens}; lower it"
        )
    return None
