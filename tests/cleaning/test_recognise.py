"""A recogniser beside the patterns: real presidio over tiny spaCy pipelines that know a few names."""

import re
import sys
from pathlib import Path
from typing import get_args

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from modelmill.cleaning.clean import clean_product
from modelmill.cleaning.language import likeliest
from modelmill.cleaning.privacy import KINDS, mask, mask_finds, mask_records
from modelmill.cleaning.recognise import AT_ONCE, Find, _engine, recognise
from modelmill.errors import DataError
from modelmill.records import RECORD
from modelmill.specs.cleaning import CleaningSpec, PresidioSpec, PrivacySpec, Recognised
from modelmill.specs.source import ContractSpec
from modelmill.tables import store
from modelmill.text import normalise

KEY = b"a key of the test"
KNOWN = {
    "en": {"Jane Doe": "PERSON", "John Smith": "PERSON", "Berlin": "GPE", "Acme": "ORG", "Hamlet": "WORK_OF_ART"},
    "zh": {"王小明": "PERSON", "北京": "GPE"},
}


def save_pipeline(folder: Path, language: str, known: dict[str, str]) -> str:
    """A pipeline that finds the names it is told."""
    import spacy

    nlp = spacy.blank(language)
    ruler = nlp.add_pipe("entity_ruler", config={"phrase_matcher_attr": "LOWER"})
    ruler.add_patterns([{"label": label, "pattern": name} for name, label in known.items()])
    if language == "en":  # presidio compares lemmas with its words of context
        nlp.add_pipe("attribute_ruler").add([[{"LOWER": "passport"}]], {"LEMMA": "passport"})
    nlp.to_disk(folder)
    return str(folder)


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One for English, one for Chinese."""
    folder = tmp_path_factory.mktemp("pipelines")
    return {language: save_pipeline(folder / language, language, known) for language, known in KNOWN.items()}


def masked(texts: list[str], presidio: PresidioSpec, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], dict]:
    """Texts and report after masking with all kinds and the recogniser."""
    monkeypatch.setenv("TEST_KEY", KEY.decode())
    rows = [(str(i), text, "x", f"f:{i}") for i, text in enumerate(texts)]
    records = pl.DataFrame(rows, schema=RECORD, orient="row")
    kept, report = mask_records(records, PrivacySpec(key="TEST_KEY", presidio=presidio))
    assert kept.drop("text").equals(records.drop("text"))
    return kept["text"].to_list(), report


def test_patterns_first_then_names(pipelines: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A person and an e-mail in one text, in English and in Chinese; what nobody wanted stays; both in one report."""
    texts, report = masked(
        ["Jane Doe (jane@acme.org) plays Hamlet for Acme in Berlin", "王小明住在北京，邮箱li@qq.com", "no one"],
        PresidioSpec(pipelines=pipelines),
        monkeypatch,
    )
    mark = "[0-9a-f]{8}"
    assert re.fullmatch(rf"<person_{mark}> \(<email_{mark}>\) plays Hamlet for Acme in <location_{mark}>", texts[0]), (
        texts[0]
    )
    assert re.fullmatch(rf"<person_{mark}>住在<location_{mark}>，邮箱<email_{mark}>", texts[1]), texts[1]
    assert texts[2] == "no one"
    assert report == {"masked": {"email": 2, "location": 2, "person": 2}, "records": 2}


def test_same_name_same_pseudonym(pipelines: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """In every record and every batch, case and blanks aside; another name has another one."""
    spec = PresidioSpec(pipelines={"en": pipelines["en"]})
    texts, _ = masked(["I know Jane Doe.", "I know JANE DOE.", "I know John Smith."], spec, monkeypatch)
    again, _ = masked(["I know jane doe."], spec, monkeypatch)
    assert texts[0] == texts[1] == again[0] != texts[2]
    assert mask_finds("Jane  Doe", [Find("person", 0, 9, 1)], KEY)[0] in texts[0]


def test_a_numbers_check_and_context_count(pipelines: dict[str, str]) -> None:
    """Presidio's own recognisers: a MAC address is found, a passport's number only beside a word that says so."""
    spec = PresidioSpec(pipelines=pipelines, entities=["MAC_ADDRESS", "US_PASSPORT"])
    texts = ["from 00:1B:44:11:3A:B7", "my passport 912345678", "number 912345678", "地址 00:1B:44:11:3A:B7"]
    found = recognise(texts, spec)
    assert [[find.kind for find in finds] for finds in found] == [["mac_address"], ["us_passport"], [], ["mac_address"]]


def test_a_single_entity_may_be_wanted(pipelines: dict[str, str]) -> None:
    """Names of other kinds stay; a language in which the wanted kind is unknown is not searched for all others."""
    text = "Jane Doe, Acme, Berlin, 00:1B:44:11:3A:B7"
    spec = PresidioSpec.model_validate({"pipelines": {"en": pipelines["en"]}, "entities": "ORGANIZATION"})
    assert [find.kind for find in recognise([text], spec)[0]] == ["organization"]
    spec = PresidioSpec.model_validate({"pipelines": pipelines, "entities": "US_ITIN"})
    assert recognise([text, "王小明住在北京"], spec) == [[], []]


def test_rows_stay_in_place(pipelines: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts of two languages are read apart and in batches, and each gets its own finds; none at all give none."""
    monkeypatch.setattr("modelmill.cleaning.recognise.AT_ONCE", 40)
    texts = [
        "Jane Doe lives here",
        "王小明住在这里很久了",
        "nobody lives here",
        "x" * 60,
        "",
        "now in Berlin again",
    ] * 4
    found = recognise(texts, PresidioSpec(pipelines=pipelines))
    kinds = [[find.kind for find in finds] for finds in found]
    assert kinds == [["person"], ["person"], [], [], [], ["location"]] * 4
    assert recognise([], PresidioSpec(pipelines=pipelines)) == []


def test_pipelines_are_loaded_once_and_words_are_forgotten(
    pipelines: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller masks batch by batch: the second batch loads nothing, and memory does not grow with the words seen."""
    import spacy

    spec = PresidioSpec(pipelines={"en": pipelines["en"], "zh": pipelines["zh"]})
    recognise(["Jane Doe"], spec)
    monkeypatch.setattr(spacy, "load", lambda name: pytest.fail(f"{name} is loaded again"))
    strings = _engine(tuple(spec.pipelines.items())).pipelines["en"].vocab.strings
    before = len(strings)
    recognise([f"Jane Doe said word{i} again" for i in range(50)], spec)
    assert len(strings) == before


def test_pseudonyms_are_untouched(pipelines: dict[str, str]) -> None:
    """Whatever a recogniser takes for a name: in it, over it or around it; names beside it are still masked."""
    text = "Jane Doe <email_1f3a9c2b> said <phone_00000000>."
    for start in range(len(text)):
        for end in range(start + 1, len(text) + 1):
            done, _ = mask_finds(text, [Find("person", start, end, 1)], KEY)
            assert "<email_1f3a9c2b>" in done
            assert "<phone_00000000>" in done
    whole, found = mask_finds(text, [Find("person", 0, len(text), 1)], KEY)
    assert re.fullmatch(r"<person_\w{8}> <email_1f3a9c2b> <person_\w{8}> <phone_00000000>\.", whole)
    assert found == {"person": 2}


@pytest.mark.parametrize(
    ("finds", "expected"),
    [
        ([Find("location", 0, 8, 0.9), Find("person", 4, 14, 0.4)], "<location> <person>"),  # longer
        ([Find("location", 4, 14, 0.4), Find("person", 4, 14, 0.9)], "New <person>"),  # surer
        ([Find("person", 0, 14, 0.4), Find("location", 0, 8, 0.9)], "<person>"),  # within
    ],
)
def test_overlapping_finds(finds: list[Find], expected: str) -> None:
    """The longer first, then the surer; what the other one alone holds is masked too."""
    for order in (finds, finds[::-1]):
        done, _ = mask_finds("New York Smith", order, KEY)
        assert re.sub(r"_[0-9a-f]{8}>", ">", done) == expected


SPANS = st.lists(st.builds(Find, st.sampled_from(["person", "location"]), *[st.integers(0, 30)] * 2, st.floats(0, 1)))


@given(st.text(max_size=30), SPANS)
def test_whatever_is_found_is_gone(text: str, spans: list[Find]) -> None:
    """Every letter and digit of a find is behind a pseudonym, every other character stays, and so it is in order."""
    finds = [f._replace(start=min(f.start, f.end), end=min(max(f.start, f.end), len(text))) for f in spans]
    finds = [find for find in finds if find.start < find.end]
    done, found = mask_finds(text, finds, KEY)
    marks = re.findall(r"<(?:person|location)_[0-9a-f]{8}>", done)
    assert len(marks) == sum(found.values())
    covered = {place for find in finds for place in range(find.start, find.end)}
    kept = [c for place, c in enumerate(text) if place not in covered]
    rest = iter(re.sub(r"<(?:person|location)_[0-9a-f]{8}>", "", done))
    assert all(c in rest for c in kept)
    assert mask_finds(done, [], KEY) == (done, {})


def test_a_masked_text_is_in_normal_form_and_stays(pipelines: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The recogniser's pseudonyms are no personal data to the patterns, and no mark-up."""
    once, _ = masked(["met Jane Doe in Berlin"], PresidioSpec(pipelines=pipelines), monkeypatch)
    assert normalise(once[0]) == once[0]
    assert mask(once[0], KINDS, KEY) == (once[0], {})
    assert masked(once, PresidioSpec(pipelines=pipelines), monkeypatch)[0] == once


def test_through_cleaning(pipelines: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Declared under `cleaning.privacy`, counted in the books of the step."""
    monkeypatch.setenv("TEST_KEY", "a secret of the tests")
    raw = pl.DataFrame([("r0", "met  Jane Doe at a@b.org", "x", "f:1")], schema=RECORD, orient="row")
    spec = CleaningSpec.model_validate({"privacy": {"key": "TEST_KEY", "presidio": {"pipelines": pipelines}}})
    kept, _, report = clean_product(store(raw, tmp_path / "raw.parquet"), ContractSpec(), spec, str(tmp_path))
    step = next(step for step in report["steps"] if step["step"] == "privacy")
    assert (step["masked"], step["records"]) == ({"email": 1, "person": 1}, 1)
    assert re.fullmatch(r"met <person_\w{8}> at <email_\w{8}>", kept.read()["text"][0])


def test_without_presidio(monkeypatch: pytest.MonkeyPatch) -> None:
    """One message that names the extra."""
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    with pytest.raises(DataError, match=r"pip install -e '.\[presidio\]'"):
        recognise(["Jane Doe"], PresidioSpec(pipelines={"en": "never_loaded"}))


@pytest.mark.parametrize("name", ["en_core_web_sm_of_nowhere", "no/such/folder"])
def test_without_the_pipeline(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One message that says how to install it, also before there is any text; nothing is downloaded."""
    import spacy.cli

    monkeypatch.setattr(spacy.cli, "download", lambda *_: pytest.fail("a download was tried"))
    with pytest.raises(DataError, match=rf"'{name}' for 'en' cannot be loaded (?s:.*)spacy download {name}"):
        recognise([], PresidioSpec(pipelines={"en": name}))


def test_a_damaged_pipeline_is_named(tmp_path: Path) -> None:
    """A folder that holds no pipeline."""
    (tmp_path / "config.cfg").write_text("[nlp]\nlang = 'en'\npipeline = ['nothing']\n")
    with pytest.raises(DataError, match="for 'en' cannot be loaded"):
        recognise([], PresidioSpec(pipelines={"en": str(tmp_path)}))


def test_a_pipeline_must_find_what_is_wanted(pipelines: dict[str, str], tmp_path: Path) -> None:
    """One without names would quietly mask none; an entity of no declared language would too."""
    silent = save_pipeline(tmp_path / "xx", "en", {"Hamlet": "WORK_OF_ART"})
    with pytest.raises(DataError, match=rf"'{silent}' for 'en' finds none of LOCATION, PERSON"):
        recognise(["Jane Doe"], PresidioSpec(pipelines={"en": silent, "zh": pipelines["zh"]}))
    with pytest.raises(DataError, match="nothing finds NRP, PL_PESEL in en, zh"):
        recognise(["Jane Doe"], PresidioSpec(pipelines=pipelines, entities=["PERSON", "NRP", "PL_PESEL"]))


def test_a_text_that_is_too_long_for_spacy(tmp_path: Path) -> None:
    """A message instead of spaCy's own; below its limit one long text is a batch of its own."""
    pipeline = save_pipeline(tmp_path / "long", "en", KNOWN["en"])
    spec = PresidioSpec(pipelines={"en": pipeline})
    assert len(recognise(["here is Jane Doe " * (AT_ONCE // 10)], spec)[0]) == AT_ONCE // 10
    _engine(tuple(spec.pipelines.items())).pipelines["en"].max_length = 1000
    with pytest.raises(DataError, match="a text has 1,001 characters, its spaCy pipeline reads 1,000"):
        recognise(["x" * 1001], spec)


def test_the_language_of_a_text() -> None:
    """The likeliest of those that there are; the first where none is likely."""
    texts = ("Jane Doe", "王小明", "met 王小明 in the park")
    assert [likeliest(text, ["en", "zh"]) for text in texts] == ["en", "zh", "en"]
    assert [likeliest("王小明来自北京", pair) for pair in (["ug", "lb"], ["lb", "ug"])] == ["ug", "lb"]
    assert likeliest("王小明", ["en"]) == "en"


def test_the_language_of_products_knows_presidios_names() -> None:
    """Each entity that can be declared is found by presidio in some language, and is no kind of ours."""
    from presidio_analyzer import RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    registry = RecognizerRegistry(supported_languages=["en", "es", "it", "pl"])
    registry.load_predefined_recognizers(registry.supported_languages)
    known = {entity for one in registry.recognizers for entity in one.supported_entities}
    assert set(get_args(Recognised)) <= known | set(SpacyNlpEngine().get_supported_entities())
    assert not {name.lower() for name in get_args(Recognised)} & set(KINDS)
    with pytest.raises(ValidationError, match="EMAIL_ADDRESS"):
        PresidioSpec.model_validate({"pipelines": {"en": "x"}, "entities": ["EMAIL_ADDRESS"]})
    with pytest.raises(ValidationError, match="pattern"):
        PresidioSpec.model_validate({"pipelines": {"english": "x"}})
