"""Registers models of PyTorch, traced and pickled, and of Keras; prints what they answer themselves."""

import json

import keras
import mlflow
import numpy as np
import pandas
import torch
from mlflow.models import infer_signature

mlflow.set_experiment("frameworks")
torch.manual_seed(1)
keras.utils.set_random_seed(1)
generator = np.random.default_rng(7)
COLUMNS = ["length", "width", "weight"]
frame = pandas.DataFrame(generator.normal(size=(400, 3)).astype(np.float32), columns=COLUMNS)
is_big = (2 * frame["length"] - 3 * frame["width"] + frame["weight"] > 0).to_numpy()
matrix = frame.to_numpy()


def classifier():
    network = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2), torch.nn.Softmax(dim=1))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    target = torch.tensor(is_big.astype(np.int64))
    for _ in range(150):
        optimizer.zero_grad()
        loss = torch.nn.functional.nll_loss(torch.log(network(torch.tensor(matrix)) + 1e-9), target)
        loss.backward()
        optimizer.step()
    return network.eval()


network = classifier()
answers = network(torch.tensor(matrix)).detach().numpy()
with mlflow.start_run():
    # What MLflow 3 does unless it is told otherwise: a traced graph, whose signature must be of tensors.
    mlflow.pytorch.log_model(
        network, name="traced", input_example=matrix[:20], signature=infer_signature(matrix, answers), registered_model_name="traced"
    )
with mlflow.start_run():
    mlflow.pytorch.log_model(
        network,
        name="pickled",
        serialization_format="pickle",
        signature=infer_signature(frame, answers),
        registered_model_name="pickled",
    )

dense = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1, activation="sigmoid")])
dense.compile(optimizer=keras.optimizers.Adam(0.05), loss="binary_crossentropy")
dense.fit(matrix, is_big.astype(np.float32), epochs=30, verbose=0)
scores = dense.predict(matrix, verbose=0)
with mlflow.start_run():
    mlflow.tensorflow.log_model(dense, name="keras", signature=infer_signature(matrix, scores), registered_model_name="keras")

rows = [{**dict(zip(COLUMNS, map(float, row))), "size": "big" if big else "small"} for row, big in zip(matrix, is_big)]
print(json.dumps({"rows": rows, "torch": answers[:, 1].tolist(), "keras": scores[:, 0].tolist()}))
