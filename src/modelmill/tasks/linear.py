"""What a model of texts must beat: the majority label, and linear models on n-grams."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from modelmill import images
from modelmill.augmentation.units import has_no_spaces
from modelmill.records import IMAGE

STRENGTHS = (1.0, 10.0)
"""Inverse regularisation to choose from, on the validation split."""


def majority_probabilities(train: pl.Series, labels: Sequence[str], items: int) -> NDArray[np.float64]:
    """The shares of the labels in training, for each of so many items, (items, labels)."""
    counts = dict(train.value_counts().iter_rows())
    return np.tile(np.array([counts[label] for label in labels]) / len(train), (items, 1))


def linear_probabilities(train: pl.DataFrame, validation: pl.DataFrame, texts: pl.Series) -> NDArray[np.float64]:
    """TF-IDF n-grams (1-3 characters where a script has no spaces, else 1-2 words) and logistic regression.

    Args:
        train: columns text and label.
        validation: the same; by it the strength of the regularisation is chosen.
        texts: to be answered.

    Returns:
        probabilities (texts, labels), labels of the training records sorted.
    """
    from sklearn.linear_model import LogisticRegression

    vectorizer = ngrams(train["text"])
    x_train = vectorizer.fit_transform(train["text"].to_list())
    x_validation = vectorizer.transform(validation["text"].to_list())
    candidates = [LogisticRegression(C=strength, max_iter=500).fit(x_train, train["label"]) for strength in STRENGTHS]
    best = max(candidates, key=lambda model: model.score(x_validation, validation["label"]))
    probabilities: NDArray[np.float64] = best.predict_proba(vectorizer.transform(texts.to_list()))
    return probabilities


Labelled = tuple[pl.Series, NDArray[np.bool_]]
"""Texts, and which labels each has, (texts, labels)."""


def linear_shares(
    train: Labelled, validation: Labelled, texts: pl.Series
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same n-grams and a logistic regression for each label, which has its own strength.

    Returns:
        probabilities (texts, labels) of the validation split's texts, and of those to be answered.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    vectorizer = ngrams(train[0])
    x_train = vectorizer.fit_transform(train[0].to_list())
    asked = [vectorizer.transform(some.to_list()) for some in (validation[0], texts)]
    found: list[list[NDArray[np.float64]]] = []
    for column in range(train[1].shape[1]):
        known, held_out = train[1][:, column], validation[1][:, column]
        if known.all():  # what every record has needs no model
            found.append([np.ones(some.shape[0]) for some in asked])
            continue
        models = [LogisticRegression(C=strength, max_iter=500).fit(x_train, known) for strength in STRENGTHS]
        tried = [[model.predict_proba(some)[:, 1] for some in asked] for model in models]
        losses = [log_loss(held_out, chances, labels=[False, True]) for chances, _ in tried]
        found.append(tried[int(np.argmin(losses))])
    return np.stack([one[0] for one in found], 1), np.stack([one[1] for one in found], 1)


def linear_numbers(train: pl.DataFrame, validation: pl.DataFrame, texts: pl.Series) -> NDArray[np.float64]:
    """The same n-grams and ridge regression; the labels of `train` and `validation` are numbers."""
    from sklearn.linear_model import Ridge

    vectorizer = ngrams(train["text"])
    x_train = vectorizer.fit_transform(train["text"].to_list())
    x_validation = vectorizer.transform(validation["text"].to_list())
    candidates = [Ridge(1 / strength).fit(x_train, train["label"].cast(pl.Float64)) for strength in STRENGTHS]
    best = max(candidates, key=lambda model: model.score(x_validation, validation["label"].cast(pl.Float64)))
    numbers: NDArray[np.float64] = best.predict(vectorizer.transform(texts.to_list()))
    return numbers


def ngrams(texts: pl.Series) -> Any:
    """A vectoriser to fit to such texts: n-grams of characters where their script has no spaces, else of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    by_character = has_no_spaces(texts.to_list())
    return TfidfVectorizer(
        analyzer="char" if by_character else "word",
        ngram_range=(1, 3) if by_character else (1, 2),
        min_df=2 if len(texts) > 100 else 1,
        max_features=200_000,
        sublinear_tf=True,
    )


MOST_IMAGES, LONGEST_SIDE = 10_000, 32
"""Training images that the linear model reads, and pixels of the sides they are brought to: more take minutes."""


def linear_pixel_probabilities(
    train: pl.DataFrame, validation: pl.DataFrame, test: pl.DataFrame, labels: Sequence[str]
) -> NDArray[np.float64]:
    """Logistic regression on pixels: grey where the first image is, at most `LONGEST_SIDE` a side.

    Args:
        train: columns image and label; `MOST_IMAGES` of them, drawn, are read.
        validation: the same; by it the strength of the regularisation is chosen.
        test: column image, to be answered.
        labels: those of the training records, sorted.

    Returns:
        probabilities (images, labels); 0 of a label that was not drawn.
    """
    from sklearn.linear_model import LogisticRegression

    height, width, channels = images.decoded(train[IMAGE][0]).shape
    size = min(LONGEST_SIDE, height), min(LONGEST_SIDE, width)

    def pixels(records: pl.DataFrame) -> NDArray[np.float32]:
        found = images.stacked(records[IMAGE].to_list(), channels, size)
        flat: NDArray[np.float32] = (found / 255).astype(np.float32).reshape(len(found), -1)
        return flat

    drawn = train.sample(min(MOST_IMAGES, train.height), seed=0)
    x_train, x_validation = pixels(drawn), pixels(validation)
    with warnings.catch_warnings(action="ignore"):  # a baseline may stop before the last digit
        fitted = [LogisticRegression(C=s / 100, max_iter=100).fit(x_train, drawn["label"]) for s in STRENGTHS]
    best = max(fitted, key=lambda model: model.score(x_validation, validation["label"]))
    probabilities = np.zeros((test.height, len(labels)))
    probabilities[:, [labels.index(label) for label in best.classes_]] = best.predict_proba(pixels(test))
    return probabilities
