"""The network and what decides its steps: batches, dropped units and the optimizer, the same in every strategy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from .arrays import Array
from .spec import Part, Spec

Positions = npt.NDArray[np.int64]

_PREDICTED_ROWS = 8192
#: Shared with the service's own networks.
_LARGEST_BATCH = 128
_SMALLEST_BATCH = 16
_STEPS_PER_EPOCH = 20


@dataclass(frozen=True)
class FullState:
    """All layers of the network after an epoch, whichever process had them."""

    weights: dict[str, Tensor]
    optimizer: dict[str, dict[str, Tensor]]
    #: Of the best epoch; None when none was kept.
    best: dict[str, Tensor] | None


def batch_size(spec: Spec, rows: int) -> int:
    given = spec.hyperparameters.get("batchSize")
    return int(given or max(_SMALLEST_BATCH, min(_LARGEST_BATCH, rows // _STEPS_PER_EPOCH)))


def seeded_order(spec: Spec, epoch: int, rows: int) -> Positions:
    """The order of the training rows in an epoch."""
    return np.random.default_rng([spec.seed, epoch]).permutation(rows)


class Layers(nn.Module):
    """Some neighbouring layers of the network; all of them by default."""

    def __init__(self, spec: Spec, first: int = 0, last: int | None = None) -> None:
        super().__init__()
        widths = widths_of(spec)
        self._dropout = float(spec.hyperparameters.get("dropout") or 0)
        self._seed = spec.seed
        self._first = first
        self._end = len(widths) - 1
        self._last = self._end if last is None else last
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(spec.seed)
            # Every process draws the weights of all layers, so that each layer begins the same everywhere.
            everything = [nn.Linear(inputs, outputs) for inputs, outputs in pairwise(widths)]
        self.layers = nn.ModuleDict({str(at): everything[at] for at in range(first, self._last)})

    def forward(self, values: Tensor, masks: Mapping[int, Tensor]) -> Tensor:
        for name, layer in self.layers.items():
            values = layer(values)
            if int(name) < self._end - 1:
                values = torch.relu(values)
                if int(name) in masks:
                    values = values * masks[int(name)]
        return values

    def masks(self, rows: int, step: int) -> dict[int, Tensor]:
        """For a whole batch, which units of each hidden layer a row leaves out; a process takes those of its rows."""
        if self._dropout == 0:
            return {}
        masks: dict[int, Tensor] = {}
        for at in range(self._first, min(self._last, self._end - 1)):
            layer = self.layers[str(at)]
            assert isinstance(layer, torch.nn.Linear)
            width = layer.out_features
            drawn = np.random.default_rng([self._seed, step, at]).random((rows, width), dtype=np.float32)
            masks[at] = torch.from_numpy((drawn >= self._dropout).astype(np.float32) / (1 - self._dropout))
        return masks

    def predict(self, part: Part) -> Tensor:
        """What the last of these layers gives for rows."""
        with torch.no_grad():
            return torch.cat([self(values, {}) for values in in_pieces(torch.from_numpy(part.features))])

    def weights(self) -> dict[str, Tensor]:
        return {_name(name): value.detach().clone() for name, value in self.layers.named_parameters()}

    def put(self, weights: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in self.layers.named_parameters():
                value.copy_(weights[_name(name)])


def in_pieces(values: Tensor) -> tuple[Tensor, ...]:
    return torch.split(values, _PREDICTED_ROWS)


def widths_of(spec: Spec) -> list[int]:
    """Of the inputs, the hidden layers and the outputs."""
    return [spec.numeric_width + spec.indicator_count, *spec.hyperparameters["hiddenLayers"], spec.classes or 1]


def _name(parameter: str) -> str:
    """`<layer>.weight` or `<layer>.bias`."""
    return parameter.removeprefix("layers.")


class Optimizer:
    """The optimizer of these layers, whose state has the names of their parameters."""

    def __init__(self, spec: Spec, layers: Layers) -> None:
        given = spec.hyperparameters
        self._layers = layers
        named = list(layers.layers.named_parameters())
        rate = given["learningRate"]
        if given["optimizer"] == "SGD":
            self._method: torch.optim.Optimizer = torch.optim.SGD(
                [value for _, value in named],
                lr=rate,
                momentum=given.get("momentum", 0),
                nesterov=given.get("nesterov", False),
            )
        elif given["optimizer"] == "ADAMW":
            # Biases do not decay.
            groups = [
                {"params": [value for name, value in named if name.endswith(kind)], "weight_decay": decay}
                for kind, decay in (("weight", given.get("weightDecay", 0)), ("bias", 0))
            ]
            self._method = torch.optim.AdamW(groups, lr=rate)
        else:
            self._method = torch.optim.Adam([value for _, value in named], lr=rate)

    def clear(self) -> None:
        self._method.zero_grad()

    def step(self) -> None:
        self._method.step()

    def state(self) -> dict[str, dict[str, Tensor]]:
        state = self._method.state
        return {
            _name(name): {key: one.clone() for key, one in state[value].items() if isinstance(one, Tensor)}
            for name, value in self._layers.layers.named_parameters()
            if value in state
        }

    def put(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        for name, value in self._layers.layers.named_parameters():
            if _name(name) in state:
                self._method.state[value] = {key: one.clone() for key, one in state[_name(name)].items()}


class Truth:
    """The target of the training rows, and the loss that a step lowers."""

    def __init__(self, spec: Spec, part: Part) -> None:
        self._is_classes = spec.classes is not None
        dtype = np.int64 if self._is_classes else np.float32
        self._target = torch.from_numpy(np.asarray(part.target).astype(dtype))
        weights = None if part.weights is None else torch.from_numpy(np.asarray(part.weights).astype(np.float32))
        self._weights = weights

    def loss(self, outputs: Tensor, positions: Positions) -> Tensor:
        """The sum over these rows: the log loss, or the squared error."""
        target = self._target[positions]
        losses = (
            nn.functional.cross_entropy(outputs, target, reduction="none")
            if self._is_classes
            else (outputs[:, 0] - target) ** 2
        )
        return losses.sum() if self._weights is None else (losses * self._weights[positions]).sum()


def answer_of(spec: Spec, outputs: Tensor) -> Array:
    """Probabilities, or values in standard units."""
    answer: Any = outputs[:, 0] if spec.classes is None else torch.softmax(outputs.double(), dim=1)
    found: Array = answer.numpy()
    return found
