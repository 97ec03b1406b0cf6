"""What MLflow runs to load and serve a version (models from code: this file is the model, nothing is pickled)."""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc.model import PythonModel


class ProductModel(PythonModel):
    """Answers a DataFrame with the column `text` by label, score and one probability `p_<label>` per label."""

    def load_context(self, context: Any) -> None:
        from modelmill.tasks.text_classification import Predictor

        self.predictor = Predictor(Path(context.artifacts["model"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        probabilities = self.predictor.probabilities(model_input["text"].tolist())
        labels = self.predictor.labels
        columns = {f"p_{label}": probabilities[:, i] for i, label in enumerate(labels)}
        answer = {"label": [labels[i] for i in probabilities.argmax(1)], "score": probabilities.max(1)}
        return pd.DataFrame({**answer, **columns})


mlflow.models.set_model(ProductModel())
