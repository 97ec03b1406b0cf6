"""Declarations of backbones: what goes together, and what one goes on from."""

import re
import shutil
from typing import Any

import pytest
import yaml

from modelmill.errors import DeclarationError
from modelmill.specs.backbone import BackboneSpec, TokenizerSpec, ancestry
from tests.conftest import ROOT, Project
from tests.specs.test_resolve import loader

SHORT = {"training": {"block_tokens": 32}}
MORE = {"pretraining": {"from": "tiny", "corpus": {"products": "mood"}, **SHORT}}


def test_what_goes_on_has_neither_tokenizer_nor_architecture(project: Project) -> None:
    """Kedro's parameters call the key `from`, as the file does, and are read back as they were."""
    project.declare("backbones", {"more": MORE})
    declared = loader(project)
    made = declared["parameters"]["more"]["pretraining"]
    assert (made["from"], made["tokenizer"], made["architecture"]) == ("tiny", None, None)
    assert BackboneSpec.model_validate(declared["parameters"]["more"]) == declared.declarations.backbones["more"]
    assert ancestry("more", declared.declarations.backbones) == ["more", "tiny"]


BACKBONE_MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "an encoder to write": ({"objective": "causal_lm"}, "`objective: causal_lm` does not train .* gpt2, llama"),
    "a decoder to fill gaps": ({"architecture": {"kind": "llama"}}, "`objective: masked_lm` does not train .*: llama`"),
    "sentences without types": ({"objective": "masked_lm_nsp"}, "does not train .*: modernbert`; .*masked_lm_nsp goes"),
    "words that cannot be written": (
        {"objective": "causal_lm", "architecture": {"kind": "gpt2"}},
        "cannot give it back as it was; declare `tokenizer: {kind: byte_bpe}`",
    ),
    "words without masks": ({"objective": "causal_lm", "from": "tiny", "whole_words": True}, "is for masked"),
    "fewer tokens than bytes": ({"tokenizer": {"kind": "byte_bpe", "vocabulary": 200}}, "vocabulary 200 is below 300"),
    "two tokenizers": ({"from": "tiny", "tokenizer": {"kind": "bpe"}}, "`from: tiny` brings its own tokenizer"),
    "two architectures": ({"from": "tiny", "architecture": {}}, "`from: tiny` brings its own architecture"),
    "no architecture": ({"architecture": None}, "`architecture` is empty"),
    "unknown base": ({"from": "tinny"}, "from: unknown backbone 'tinny'; .*did you mean 'tiny'"),
    "itself": ({"from": "more"}, "goes round in a circle .more from more.; one of them must start anew"),
    "base of another kind": (
        {"from": "tiny", "objective": "masked_lm_nsp"},
        "from: `objective: masked_lm_nsp` does not train a modernbert",
    ),
    "blocks that the base cannot read": (
        {"from": "tiny", "training": {"block_tokens": 65}},
        "it reads 64 tokens, and `training.block_tokens` is 65; lower it",
    ),
    "misspelt key": ({"form": "tiny"}, "form: unknown key; expected one of .*did you mean 'from'"),
}  # fmt: skip


@pytest.mark.parametrize("case", BACKBONE_MISTAKES)
def test_a_mistake_in_a_backbone_is_one_message(project: Project, case: str) -> None:
    """With the file, the line and what to do."""
    changes, message = BACKBONE_MISTAKES[case]
    pretraining = {"corpus": {"products": "mood"}, **SHORT, **changes}
    path = project.declare("backbones", {"more": {"pretraining": pretraining}})
    with pytest.raises(
        DeclarationError, match=r"^1 mistake .*\n.*backbones/more.yml:\d+: more\.pretraining.*" + message
    ) as caught:
        _ = loader(project).declarations
    line = int(caught.value.message.split("more.yml:")[1].split(":")[0])
    key = caught.value.message.split("more.yml:")[1].split(": ")[1].split(".")[-1]
    assert key in path.read_text().splitlines()[line - 1]


def test_a_circle_of_backbones_is_reported_where_each_goes_on(project: Project) -> None:
    """Two mistakes, one for each; who only goes on from one of them has none."""
    for name, base in (("one", "two"), ("two", "one"), ("three", "one")):
        project.declare("backbones", {name: {"pretraining": {"from": base, "corpus": {"products": "mood"}}}})
    with pytest.raises(DeclarationError, match=r"^2 mistakes") as caught:
        _ = loader(project).declarations
    assert "backbones/one.yml:3: one.pretraining.from: this goes round in a circle (one from two from one)" in str(
        caught.value
    )
    assert "backbones/two.yml:3: two.pretraining.from" in str(caught.value)


def test_bytes_keep_the_case() -> None:
    """Unless it is declared; the other kinds fold it, unless it is declared."""
    assert [TokenizerSpec.model_validate({"kind": kind}).lowercase for kind in ("bpe", "byte_bpe")] == [True, False]
    assert TokenizerSpec(kind="byte_bpe", lowercase=True).lowercase


def test_the_examples_of_the_how_to_are_declarations(project: Project) -> None:
    """All of them stand side by side, without a mistake."""
    text = (ROOT / "docs/how-to/pretrain.md").read_text(encoding="utf-8")
    examples = [yaml.safe_load(block) for block in re.findall("```yaml\n(.*?)```", text, re.DOTALL)]
    assert len(examples) == 4
    for name in ("review_sentiment", "news_topic", "movie_next"):
        shutil.copy(ROOT / f"conf/base/products/{name}.yml", project.root / "conf/base/products")
    for example in (
        *examples,
        *(yaml.safe_load(path.read_text()) for path in (ROOT / "conf/base/backbones").iterdir()),
    ):
        project.declare("backbones", example)
    declared = loader(project).declarations.backbones
    assert {name for example in examples for name in example} < set(declared)
