"""What a model must beat: the majority label, and a linear model on n-grams."""

import numpy as np
import polars as pl

from modelmill.augmentation.units import has_no_spaces
from modelmill.tasks.text_classification import prediction_table

STRENGTHS = (1.0, 10.0)
"""Inverse regularisation to choose from, on the validation split."""


def majority_baseline(train: pl.DataFrame, test: pl.DataFrame) -> pl.DataFrame:
    """Predicts the most frequent training label, with the training shares as probabilities."""
    counts = dict(train.group_by("label").len().iter_rows())
    labels = sorted(counts)
    shares = np.array([counts[label] for label in labels]) / train.height
    return prediction_table(test, np.tile(shares, (test.height, 1)), labels)


def linear_baseline(train: pl.DataFrame, validation: pl.DataFrame, test: pl.DataFrame) -> pl.DataFrame:
    """TF-IDF n-grams (1-3 characters where a script has no spaces, else 1-2 words) and logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    texts = {name: part["text"].to_list() for name, part in (("train", train), ("test", test))}
    by_character = has_no_spaces(texts["train"])
    vectorizer = TfidfVectorizer(
        analyzer="char" if by_character else "word",
        ngram_range=(1, 3) if by_character else (1, 2),
        min_df=2 if train.height > 100 else 1,
        max_features=200_000,
        sublinear_tf=True,
    )
    x_train, y_train = vectorizer.fit_transform(texts["train"]), train["label"].to_numpy()
    x_validation, y_validation = (
        vectorizer.transform(validation["text"].to_list()),
        validation["label"].to_numpy(),
    )
    candidates = [LogisticRegression(C=strength, max_iter=500).fit(x_train, y_train) for strength in STRENGTHS]
    best = max(candidates, key=lambda model: model.score(x_validation, y_validation))
    probabilities = best.predict_proba(vectorizer.transform(texts["test"]))
    return prediction_table(test, probabilities, [str(label) for label in best.classes_])
