"""Taking a pretrained model from a folder, a package or the Hugging Face hub."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from modelmill.errors import SourceError
from modelmill.sources.address import HUB, LocatedFile, local_path, verify_sha256

NEEDED = ("config.json", "*.safetensors")
READERS = ("tokenizer*", "preprocessor_config.json")
"""What says how texts or images are read; one is needed."""
VOCABULARIES = ("vocab*", "merges.txt", "special_*", "added_tokens.json", "*.model")
WANTED = (*NEEDED, *READERS, "*.safetensors.index.json", *VOCABULARIES)


@dataclass(frozen=True)
class FetchedBackbone:
    """A model folder somewhere else, to be copied."""

    files: list[LocatedFile]
    address: str
    digests: dict[str, str]

    def save(self, folder: Path) -> None:
        """Copy the files and write `backbone.json`."""
        for file in self.files:
            shutil.copyfile(file.path, folder / file.path.name)
        info = {"taken_from": self.address, "sha256": self.digests}
        (folder / "backbone.json").write_text(json.dumps(info, indent=2, ensure_ascii=False), encoding="utf-8")


def fetch_backbone(model: str, sha256: dict[str, str], root: str) -> FetchedBackbone:
    """Find a declared model and check its files.

    Args:
        model: folder, `package://NAME/folder` or `hf://OWNER/NAME`.
        sha256: file name to declared digest.
        root: the project's folder.

    Raises:
        SourceError: when it is not there, is not in safetensors, or is not the declared one.
    """
    folder = _download(model) if model.startswith(HUB) else local_path(model, Path(root))
    if not folder.is_dir():
        raise SourceError(f"{model}: there is no such folder; correct `model` in the backbone's declaration.")
    missing = [pattern for pattern in NEEDED if not any(folder.glob(pattern))]
    if not any(found for pattern in READERS for found in folder.glob(pattern)):
        missing.append(" or ".join(READERS))
    if missing:
        raise SourceError(
            f"{model}: the folder lacks {', '.join(missing)}.\n"
            "A model is read from config.json and safetensors (pickled weights are refused): save it with "
            "`save_pretrained`."
        )
    paths = sorted({path for pattern in WANTED for path in folder.glob(pattern) if path.is_file()})
    files = [LocatedFile(path, path.name, None) for path in paths]
    return FetchedBackbone(files, model, verify_sha256(files, sha256, model))


def _download(address: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    name = address.removeprefix(HUB).removeprefix("models/")
    try:
        return Path(snapshot_download(name, allow_patterns=list(WANTED)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise SourceError(
            f"{address}: the hub did not give the model ({error}).\nCheck the name and the network, or name a folder."
        ) from None
