"""Models of each architecture."""

from typing import Any

import pytest

from modelmill.specs.backbone import ArchitectureSpec
from modelmill.training.architectures import new_model
from tests.training.tiny import SHAPE


class Ids:
    """A tokenizer of ten tokens."""

    cls_token_id = bos_token_id = 1
    sep_token_id = eos_token_id = 2
    pad_token_id = 0

    def __len__(self) -> int:
        return 10


@pytest.mark.parametrize("share", [0.0, 0.3])
@pytest.mark.parametrize("kind", ["modernbert", "bert", "gpt2", "llama"])
def test_dropout_is_what_is_declared(kind: str, share: float) -> None:
    """None by default, whatever transformers would take; a declared share everywhere."""
    objective: Any = "causal_lm" if kind in ("gpt2", "llama") else "masked_lm"
    model = new_model(ArchitectureSpec.model_validate({**SHAPE, "kind": kind, "dropout": share}), objective, Ids())
    config = model.config.to_dict()
    shares = {name: value for name, value in config.items() if "drop" in name and name not in UNUSED}
    assert set(shares.values()) == {share}
    assert {module.p for module in model.modules() if type(module).__name__ == "Dropout"} <= {share}


UNUSED = {"classifier_dropout", "summary_first_dropout"}
"""Of heads that a backbone does not have."""
