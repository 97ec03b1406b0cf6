"""What MLflow runs to load and serve a version (models from code: this file is the model, nothing is pickled)."""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import polars as pl
from mlflow.pyfunc.model import PythonModel


class ProductModel(PythonModel):
    """Answers a DataFrame with the columns of its signature; which ones says its kind of task."""

    def load_context(self, context: Any) -> None:
        from modelmill.tasks.run import load_predictor

        self.predictor = load_predictor(Path(context.artifacts["model"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        answers = self.predictor.answers(pl.from_pandas(model_input))
        return pd.DataFrame({column.name: column.to_list() for column in answers})  # pandas' own strings, not Arrow's


mlflow.models.set_model(ProductModel())
