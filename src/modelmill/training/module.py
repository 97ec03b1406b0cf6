"""What all our Lightning modules share: optimiser, schedule, clipping."""

from typing import Any

import pytorch_lightning as lightning
import torch
from transformers import get_wsd_schedule

from modelmill.specs.training import OptimizerSpec


class TrainedModule(lightning.LightningModule):
    """AdamW; the rate rises linearly, stays, and falls linearly to zero over the last part of the steps."""

    def __init__(self, model: Any, spec: OptimizerSpec, total_steps: int, decay: float) -> None:
        super().__init__()
        self.model = model
        self.optimizer_spec = spec
        self.total_steps = total_steps
        self.decay = decay

    def configure_optimizers(self) -> Any:
        """Matrices are decayed, biases and norms are not."""
        spec = self.optimizer_spec
        trained = [p for p in self.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim >= 2], "weight_decay": spec.weight_decay},
            {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=spec.learning_rate, betas=(0.9, 0.98), fused=True)
        schedule = get_wsd_schedule(
            optimizer,
            num_warmup_steps=round(spec.warmup * self.total_steps),
            num_decay_steps=round(self.decay * self.total_steps),
            num_training_steps=self.total_steps,
            decay_type="linear",
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        """Clip here: Lightning refuses to beside a fused optimiser, because of fp16 scaling, which we do not use."""
        torch.nn.utils.clip_grad_norm_(self.parameters(), self.optimizer_spec.gradient_clip)
