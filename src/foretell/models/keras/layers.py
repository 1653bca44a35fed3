"""What GPT-2 needs and Keras has no layer for."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="foretell")
class Positions(keras.layers.Layer):
    """Adds a learned vector for its place to each of the vectors (B, T, D); T at most `context`."""

    # Keras hands every layer its name and dtype in this way.
    def __init__(self, context: int, **facts: Any) -> None:
        super().__init__(**facts)
        self.context = context

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.table = self.add_weight(
            name="table",
            shape=(self.context, shape[-1]),
            initializer=keras.initializers.RandomNormal(0.0, 0.01),
        )

    def call(self, vectors: Any) -> Any:
        return vectors + self.table[: keras.ops.shape(vectors)[1]]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "context": self.context}
