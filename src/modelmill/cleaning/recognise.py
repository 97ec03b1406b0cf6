"""Names, places and more in texts, found by presidio (https://microsoft.github.io/presidio) over spaCy pipelines.

Presidio would download a pipeline that is not installed; here it is given loaded ones.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from modelmill.cleaning.language import likeliest
from modelmill.errors import DataError
from modelmill.specs.cleaning import PresidioSpec

if TYPE_CHECKING:
    from presidio_analyzer import BatchAnalyzerEngine
    from spacy.language import Language

AT_ONCE = 100_000
"""Characters of the texts that a pipeline reads at once: spaCy wants about 1 GB for them (its error E088)."""

NAMED = {
    "PER": "PERSON", "PERSON": "PERSON", "LOC": "LOCATION", "LOCATION": "LOCATION", "GPE": "LOCATION",
    "FAC": "LOCATION", "ORG": "ORGANIZATION", "NORP": "NRP", "DATE": "DATE_TIME", "TIME": "DATE_TIME",
}  # fmt: skip
"""Labels of spaCy's pipelines, and what presidio calls them; all others are passed over."""


class Engine(NamedTuple):
    """Presidio, and by language: the pipelines, the names that they find, what presidio's own recognisers find."""

    presidio: "BatchAnalyzerEngine"
    pipelines: dict[str, "Language"]
    names: dict[str, set[str]]
    others: dict[str, set[str]]


class Find(NamedTuple):
    """A span of a text that is personal data, and how sure that is (0 to 1)."""

    kind: str
    start: int
    end: int
    score: float


def recognise(texts: Sequence[str], spec: PresidioSpec) -> list[list[Find]]:
    """What presidio finds in each text; kinds are its names in lower case.

    The engine is made at the first call and kept.

    Raises:
        DataError: when presidio or a pipeline is not installed, when they find nothing of a kind that is wanted, or for
            a text that is too long for its pipeline.
    """
    engine = _engine(tuple(spec.pipelines.items()))
    wanted = _wanted(engine, spec)
    rows = defaultdict(list)
    for row, text in enumerate(texts):
        rows[likeliest(text, list(spec.pipelines))].append(row)
    found: list[list[Find]] = [[] for _ in texts]
    for language, entities in wanted.items():
        nlp = engine.pipelines[language]
        for batch in _batches(rows[language], texts, nlp.max_length):
            with nlp.memory_zone():  # or each word that is new would stay in memory
                results = engine.presidio.analyze_iterator(
                    [texts[row] for row in batch], language, len(batch),
                    entities=entities, score_threshold=spec.least_score,
                )  # fmt: skip
            for row, finds in zip(batch, results, strict=True):
                found[row] = [Find(find.entity_type.lower(), find.start, find.end, find.score) for find in finds]
    return found


def _batches(rows: Iterable[int], texts: Sequence[str], most: int) -> Iterator[list[int]]:
    """Rows whose texts have up to `AT_ONCE` characters together, or one that has more."""
    batch: list[int] = []
    size = 0
    for row in rows:
        length = len(texts[row])
        if length > most:
            raise DataError(
                f"`cleaning.privacy.presidio`: a text has {length:,} characters, its spaCy pipeline reads {most:,} at "
                "most; lower `cleaning.max_chars`."
            )
        if batch and size + length > AT_ONCE:
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += length
    if batch:
        yield batch


@cache
def _engine(pipelines: tuple[tuple[str, str], ...]) -> Engine:
    try:
        from presidio_analyzer import AnalyzerEngine, BatchAnalyzerEngine
        from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine
        from presidio_analyzer.predefined_recognizers import SpacyRecognizer
    except ImportError:
        raise DataError("`cleaning.privacy.presidio` needs `pip install -e '.[presidio]'`.") from None
    loaded = {language: _pipeline(language, name) for language, name in pipelines}
    labels = {
        language: {label for own in nlp.pipe_labels.values() for label in own} for language, nlp in loaded.items()
    }
    reader: Any = SpacyNlpEngine(
        ner_model_configuration=NerModelConfiguration(
            model_to_presidio_entity_mapping=NAMED,
            labels_to_ignore=set[str]().union(*labels.values()) - NAMED.keys(),
        )
    )
    reader.nlp = loaded  # not by its `load`, which downloads
    analyzer = AnalyzerEngine(nlp_engine=reader, supported_languages=list(loaded))
    others: dict[str, set[str]] = {language: set() for language in loaded}
    for one in analyzer.get_recognizers():
        if not isinstance(one, SpacyRecognizer):
            others[one.supported_language].update(one.supported_entities)
    names = {language: {NAMED[label] for label in own & NAMED.keys()} for language, own in labels.items()}
    return Engine(BatchAnalyzerEngine(analyzer), loaded, names, others)


def _pipeline(language: str, name: str) -> "Language":
    import spacy

    try:
        return spacy.load(name)
    except (OSError, ImportError, ValueError) as error:  # not there; a tokenizer is missing; of another spaCy
        reason = str(error).splitlines()[0]
        raise DataError(
            f"`cleaning.privacy.presidio.pipelines`: the spaCy pipeline '{name}' for '{language}' cannot be loaded "
            f"({reason}).\nNothing is downloaded in a run: install the package (`python -m spacy download {name}`, or "
            "its wheel from the releases of explosion/spacy-models), or name a folder that holds the pipeline."
        ) from None


def _wanted(engine: Engine, spec: PresidioSpec) -> dict[str, list[str]]:
    """By language, the wanted entities that can be found in it: not all are known in each.

    Raises:
        DataError: when a pipeline finds none of the names that are wanted, or nothing finds an entity.
    """
    wanted: set[str] = set(spec.entities)
    found = {}
    for language, name in spec.pipelines.items():
        only_by_it = wanted & set(NAMED.values()) - engine.others[language]
        if only_by_it and not only_by_it & engine.names[language]:
            raise DataError(
                f"`cleaning.privacy.presidio`: the spaCy pipeline '{name}' for '{language}' finds none of "
                f"{', '.join(sorted(only_by_it))}; take one that recognises names, or other `entities`."
            )
        if here := wanted & (engine.names[language] | engine.others[language]):
            found[language] = sorted(here)
    if lacking := wanted.difference(*found.values()):
        raise DataError(
            f"`cleaning.privacy.presidio.entities`: nothing finds {', '.join(sorted(lacking))} in "
            f"{', '.join(spec.pipelines)}; leave it out, or add a pipeline of a language in which it is known."
        )
    return found
