"""Texts rewritten by sequence-to-sequence models: a paraphrase by one, back-translation by two.

Back-translation: Sennrich et al. 2016, arXiv:1511.06709.
"""

from pathlib import Path
from typing import Any

from modelmill.errors import SourceError
from modelmill.sources.address import HUB, local_path
from modelmill.specs.augmentation import AugmentationSpec

BATCH = 32
LONGEST = 256
"""Tokens that are read and written of a text."""


def rewrite(texts: list[str], step: AugmentationSpec, root: Path) -> list[str]:
    """Each text by the models of the step, one after another; a text that would become empty stays.

    Words are drawn from the models' probabilities, `rate` being the temperature: 0 takes the most probable words.
    """
    import torch

    torch.manual_seed(step.seed)
    for name in step.models:
        texts = _by(name, texts, step.rate, root)
    return texts


def _by(name: str, texts: list[str], temperature: float, root: Path) -> list[str]:
    import torch
    from tqdm import tqdm

    tokenizer, model = _load(name, root)
    drawing = {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
    written: list[str] = []
    for start in tqdm(range(0, len(texts), BATCH), desc=f"rewriting by {name}", unit="batch"):
        given = texts[start : start + BATCH]
        encoded = tokenizer(given, return_tensors="pt", padding=True, truncation=True, max_length=LONGEST)
        with torch.inference_mode():
            ids = model.generate(
                input_ids=encoded["input_ids"],
                attention_mask=encoded["attention_mask"],
                max_new_tokens=LONGEST,
                **drawing,
            )
        found = tokenizer.batch_decode(ids, skip_special_tokens=True)
        written += [new.strip() or old for new, old in zip(found, given, strict=True)]
    return written


def _load(name: str, root: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    place = name.removeprefix(HUB) if name.startswith(HUB) else local_path(name, root)
    try:
        model = AutoModelForSeq2SeqLM.from_pretrained(place, use_safetensors=True).eval()
        return AutoTokenizer.from_pretrained(place), model
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{name}: no sequence-to-sequence model could be loaded: {str(error).splitlines()[0]}\n"
            "Correct `augmentation.models`: a folder of safetensors with its tokenizer, or hf://OWNER/NAME."
        ) from None
