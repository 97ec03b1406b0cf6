"""How a model is trained."""

from typing import Literal

from pydantic import Field

from modelmill.specs.base import Share, Spec

Precision = Literal["bf16-mixed", "32-true"]
DeclaredPrecision = Literal["auto", "bf16-mixed", "32-true"]


class OptimizerSpec(Spec):
    """AdamW with linear warm-up and linear decay to zero."""

    learning_rate: float = Field(1e-4, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    warmup: Share = Field(0.1, description="share of all steps")
    gradient_clip: float = Field(1.0, gt=0, description="largest norm of the gradient")


class FineTuningSpec(OptimizerSpec):
    """Fine-tuning of a whole encoder with a task head."""

    max_epochs: int = Field(3, ge=1)
    batch_tokens: int = Field(4096, ge=16, description="tokens of a batch, padding included")
    dropout: Share = Field(0.1, description="of the classification head; the encoder has what its config says")
    label_smoothing: Share = 0.0
    patience: int = Field(2, ge=1, description="epochs without a better validation score before it stops")
    precision: DeclaredPrecision = Field("auto", description="auto: bf16 where the processor computes in it")
    seed: int = Field(0, ge=0, description="of the new head's weights, the dropout and the order of the records")


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
    precision: DeclaredPrecision = "auto"
    seed: int = Field(0, ge=0, description="of the weights, the masks, the pairs and the order of the text")
