"""How a model is trained."""

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from modelmill.specs.base import OneOrMore, Share, Spec
from modelmill.specs.source import Label

Precision = Literal["bf16-mixed", "32-true"]
DeclaredPrecision = Literal["auto", "bf16-mixed", "32-true"]
Strategy = Literal["ddp", "fsdp"]
Schedule = Literal["linear", "cosine", "one_cycle"]
MicroBatches = Literal["auto"] | Annotated[int, Field(ge=1)]
ClassWeights = Annotated[
    Annotated[Literal["none", "balanced"], Tag("name")]
    | Annotated[dict[Label, Annotated[float, Field(gt=0)]], Tag("by_label")],
    Discriminator(lambda value: "by_label" if isinstance(value, dict) else "name"),
]
"""A named choice, or a weight for each label. The tags are for messages: they name one mistake, not one per kind."""


class OptimizerSpec(Spec):
    """AdamW; the rate rises in a warm-up and falls at the end."""

    learning_rate: float = Field(1e-4, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    warmup: Share = Field(0.1, description="share of all steps")
    gradient_clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    checkpoint_minutes: float = Field(
        5.0, ge=0, description="how often the state is saved, besides at each validation: what a kill costs at most"
    )
    micro_batches: MicroBatches = Field(
        "auto",
        description="pieces that a batch is computed in, one after another, so that it fits into memory; what is "
        "learned from it does not depend on them. auto: the fewest that fit, and twice as many when memory runs out",
    )
    devices: int = Field(
        1, ge=1, description="processes on each machine, which share every batch: one for each GPU, or on the CPU"
    )
    nodes: int = Field(1, ge=1, description="machines, with `devices` processes on each; they need a shared disk")
    strategy: Strategy = Field(
        "ddp",
        description="ddp: every process holds the whole model; fsdp: weights, gradients and optimiser are spread over "
        "the processes",
    )

    @property
    def processes(self) -> int:
        """In all."""
        return self.devices * self.nodes

    @model_validator(mode="after")
    def _something_to_spread_over(self) -> Self:
        if self.strategy == "fsdp" and self.processes == 1:
            raise ValueError("`strategy: fsdp` spreads a model over processes; raise `devices`, or leave it out")
        return self


class FreezeSpec(Spec):
    """What keeps the backbone's weights."""

    embeddings: bool = Field(False, description="all that stands before the layers")
    layers: Annotated[int, Field(ge=0)] | Literal["all"] = Field(0, description="the lowest ones, or all")

    @property
    def everything(self) -> bool:
        """Whether only the head is left to train."""
        return self.embeddings and self.layers == "all"


class LoraSpec(Spec):
    """Low-rank adapters (Hu et al. 2021, arXiv:2106.09685), merged into the weights when training is over."""

    rank: int = Field(8, ge=1)
    alpha: int = Field(16, ge=1, description="the adapter's output is scaled by alpha / rank")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="of the adapter's input")
    targets: Annotated[list[str], OneOrMore()] = Field(
        default_factory=list,
        description="linear maps of the layers that get one, by the end of their names, such as `query`; default: all",
    )


class AdversarialSpec(Spec):
    """Each record is learned a second time, its word embeddings moved to where they hurt most (arXiv:1605.07725)."""

    epsilon: float = Field(1.0, gt=0, description="length of the move, over all tokens of a record")


class FineTuningSpec(OptimizerSpec):
    """Fine-tuning of an encoder with a task head; the defaults train all of it."""

    max_epochs: int = Field(3, ge=1)
    batch_tokens: int = Field(4096, ge=16, description="tokens of a batch, padding included")
    batch_images: int | None = Field(
        None, ge=2, description="images of a batch, 128 unless declared; texts go by `batch_tokens`"
    )
    accumulate: int = Field(1, ge=1, description="batches to a step; each record weighs the same in it")
    schedule: Schedule = Field(
        "linear", description="how the rate falls to zero after warm-up; one_cycle: it rises from 1/25, by cosines"
    )
    dropout: Share = Field(0.1, description="of the classification head; the encoder has what its config says")
    label_smoothing: Share = 0.0
    class_weights: ClassWeights = Field(
        "none",
        description="what a record counts by its label (only ratios matter); balanced: all labels count the same",
    )
    l1: float = Field(
        0.0,
        ge=0,
        description="each step moves matrices by rate x l1 towards zero, as weight_decay does by rate x weight",
    )
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="the rate of each layer (and of the embeddings) over that of the one above it"
    )
    freeze: FreezeSpec = FreezeSpec()
    lora: LoraSpec | None = Field(
        None, description="train adapters and the head, not the backbone's weights; needs a higher learning_rate"
    )
    adversarial: AdversarialSpec | None = Field(None, description="train on worst-case changes of the embeddings too")
    gradient_checkpointing: bool = Field(
        False, description="compute activations again in the backward pass: less memory, about a third more time"
    )
    patience: int = Field(2, ge=1, description="epochs without a better validation score before it stops")
    precision: DeclaredPrecision = Field("auto", description="auto: bf16 where the hardware is faster in it")
    seed: int = Field(0, ge=0, description="of the new head's weights, the dropout and the order of the records")

    @model_validator(mode="after")
    def _no_contradictions(self) -> Self:
        if self.lora and self.freeze != FreezeSpec():
            raise ValueError("`lora` freezes embeddings and layers by itself; leave out `lora` or `freeze`")
        if self.lora and self.layer_decay < 1:
            raise ValueError("adapters of all layers have one rate; leave out `lora` or `layer_decay`")
        if self.freeze.everything and self.layer_decay < 1:
            raise ValueError("`freeze` leaves no layer to train, `layer_decay` has no effect; leave out one of them")
        if self.schedule == "one_cycle" and not 0 < self.warmup < 1:
            raise ValueError("`schedule: one_cycle` rises and falls: `warmup` must lie between 0 and 1")
        if isinstance(self.class_weights, dict) and not self.class_weights:
            raise ValueError("`class_weights` names no label; give each its weight, or leave it out")
        return self


class TokenizationSpec(Spec):
    """How texts become tokens."""

    max_tokens: int = Field(256, ge=8, description="longer texts are cut, special tokens included")


class PretrainingTrainingSpec(OptimizerSpec):
    """Pretraining on blocks of tokens, a budget in steps so that a run can be repeated exactly."""

    learning_rate: float = Field(2e-3, gt=0)
    warmup: Share = 0.05
    decay: Share = Field(0.4, description="share of the steps, at the end, in which the rate falls to zero")
    max_steps: int = Field(1000, ge=1)
    block_tokens: int = Field(128, ge=16)
    batch_blocks: int = Field(32, ge=1)
    masked: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="share of the tokens to predict; of those 80% [MASK], 10% random (masked objectives)",
    )
    separate: bool = Field(
        True, description="no token sees another text that is packed into its block (masked_lm, causal_lm)"
    )
    precision: DeclaredPrecision = "auto"
    seed: int = Field(0, ge=0, description="of the weights, the masks, the pairs and the order of the text")

    @model_validator(mode="after")
    def _a_block_for_each(self) -> Self:
        if self.batch_blocks < self.processes:
            raise ValueError(
                f"`batch_blocks: {self.batch_blocks}` cannot be shared by {self.processes} processes "
                "(`devices` x `nodes`); raise it"
            )
        return self
