"""One step of a network's training, and its predictions, by one process or by several."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
import torch.distributed as group
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from .layers import FullState, Layers, Optimizer, Positions, Truth, in_pieces, widths_of
from .spec import Part, Spec

#: Pieces of a batch on their way through the two stages of a pipeline.
_PIECES = 4


class Steps(Protocol):
    """A network that several processes may train together: all of them call the same methods in the same order."""

    row_count: int

    def step(self, batch: Positions, number: int) -> None:
        """One step over these rows of the training rows; `number` counts the steps from 0."""

    def predict(self, part: Part) -> Tensor | None:
        """What the network gives for rows, in the first process; None in the others."""

    def agree(self, stop: bool, is_best: bool, is_saved: bool) -> tuple[bool, bool, bool]:
        """What the first process has decided, in all of them."""

    def keep_best(self) -> None:
        """Keeps the weights as those of the best epoch."""

    def gather(self) -> FullState | None:
        """The state of all layers, in the first process; None in the others."""

    def restore(self, state: FullState) -> None:
        """Continues from this state."""


class _Base:
    """What this process has of the network."""

    def __init__(self, spec: Spec, train: Part, layers: Layers) -> None:
        self.row_count = len(train.target)
        self.features = torch.from_numpy(train.features)
        self.truth = Truth(spec, train)
        self.layers = layers
        self.optimizer = Optimizer(spec, layers)
        self.best: dict[str, Tensor] | None = None

    def keep_best(self) -> None:
        self.best = self.layers.weights()

    def state(self) -> FullState:
        return FullState(self.layers.weights(), self.optimizer.state(), self.best)

    def restore(self, state: FullState) -> None:
        self.layers.put(state.weights)
        self.optimizer.put(state.optimizer)
        self.best = state.best


class Alone(_Base):
    """One process does everything."""

    def __init__(self, spec: Spec, train: Part) -> None:
        super().__init__(spec, train, Layers(spec))

    def step(self, batch: Positions, number: int) -> None:
        self.optimizer.clear()
        outputs = self.layers(self.features[batch], self.layers.masks(len(batch), number))
        (self.truth.loss(outputs, batch) / len(batch)).backward()
        self.optimizer.step()

    def predict(self, part: Part) -> Tensor | None:
        return self.layers.predict(part)

    def agree(self, stop: bool, is_best: bool, is_saved: bool) -> tuple[bool, bool, bool]:
        return stop, is_best, is_saved

    def gather(self) -> FullState | None:
        return self.state()


def _agree(stop: bool, is_best: bool, is_saved: bool) -> tuple[bool, bool, bool]:
    decided = torch.tensor([stop, is_best, is_saved], dtype=torch.int32)
    group.broadcast(decided, 0)
    return bool(decided[0]), bool(decided[1]), bool(decided[2])


class DataParallel(_Base):
    """Each process has the whole network and a share of the rows of each batch; their gradients are added up."""

    def __init__(self, spec: Spec, train: Part, number: int) -> None:
        super().__init__(spec, train, Layers(spec))
        self._number = number
        self._count = spec.workers
        self._network = DistributedDataParallel(self.layers)

    def step(self, batch: Positions, number: int) -> None:
        self.optimizer.clear()
        mine = slice(self._number, None, self._count)
        masks = {at: mask[mine] for at, mask in self.layers.masks(len(batch), number).items()}
        outputs = self._network(self.features[batch[mine]], masks)
        # The mean over the processes is then the mean over the rows of the whole batch, also when shares differ.
        (self.truth.loss(outputs, batch[mine]) * (self._count / len(batch))).backward()
        self.optimizer.step()

    def predict(self, part: Part) -> Tensor | None:
        return self.layers.predict(part) if self._number == 0 else None

    def agree(self, stop: bool, is_best: bool, is_saved: bool) -> tuple[bool, bool, bool]:
        return _agree(stop, is_best, is_saved)

    def gather(self) -> FullState | None:
        return self.state() if self._number == 0 else None


class Stages(_Base):
    """
    The first process has the first half of the layers, the second one the others. MODEL_PARALLEL: a batch passes as a
    whole, so that one of them waits. PIPELINE_PARALLEL: it passes in pieces, on which both work at the same time.
    """

    def __init__(self, spec: Spec, train: Part, number: int) -> None:
        widths = widths_of(spec)
        count = len(widths) - 1
        self._middle = (count + 1) // 2
        self._between = widths[self._middle]
        self._outputs = widths[-1]
        self._is_first = number == 0
        super().__init__(
            spec, train, Layers(spec, 0, self._middle) if self._is_first else Layers(spec, self._middle, count)
        )
        self._pieces = _PIECES if spec.strategy == "PIPELINE_PARALLEL" else 1

    def step(self, batch: Positions, number: int) -> None:
        self.optimizer.clear()
        masks = self.layers.masks(len(batch), number)
        pieces = [piece for piece in np.array_split(np.arange(len(batch)), self._pieces) if len(piece) > 0]
        if self._is_first:
            self._first_half(batch, pieces, masks)
        else:
            self._second_half(batch, pieces, masks)
        self.optimizer.step()

    def _first_half(self, batch: Positions, pieces: list[Positions], masks: dict[int, Tensor]) -> None:
        passed: list[Tensor] = []
        sent = []
        for tag, piece in enumerate(pieces):
            values = self.layers(self.features[batch[piece]], {at: mask[piece] for at, mask in masks.items()})
            passed.append(values)
            sent.append(group.isend(values.detach(), 1, tag=tag))
        for tag, values in enumerate(passed):
            gradient = torch.empty_like(values)
            group.recv(gradient, 1, tag=tag)
            values.backward(gradient)
        for one in sent:
            if one is not None:
                one.wait()

    def _second_half(self, batch: Positions, pieces: list[Positions], masks: dict[int, Tensor]) -> None:
        sent = []
        for tag, piece in enumerate(pieces):
            values = torch.empty(len(piece), self._between)
            group.recv(values, 0, tag=tag)
            values.requires_grad_()
            outputs = self.layers(values, {at: mask[piece] for at, mask in masks.items()})
            (self.truth.loss(outputs, batch[piece]) / len(batch)).backward()
            assert values.grad is not None
            # The gradient is kept until it is sent.
            sent.append((values.grad, group.isend(values.grad, 0, tag=tag)))
        for _, one in sent:
            if one is not None:
                one.wait()

    def predict(self, part: Part) -> Tensor | None:
        pieces = in_pieces(torch.from_numpy(part.features))
        outputs: list[Tensor] = []
        with torch.no_grad():
            for piece in pieces:
                if self._is_first:
                    group.send(self.layers(piece, {}), 1)
                    answer = torch.empty(len(piece), self._outputs)
                    group.recv(answer, 1)
                    outputs.append(answer)
                else:
                    values = torch.empty(len(piece), self._between)
                    group.recv(values, 0)
                    group.send(self.layers(values, {}), 0)
        return torch.cat(outputs) if self._is_first else None

    def agree(self, stop: bool, is_best: bool, is_saved: bool) -> tuple[bool, bool, bool]:
        return _agree(stop, is_best, is_saved)

    def gather(self) -> FullState | None:
        states: list[FullState | None] | None = [None, None] if self._is_first else None
        group.gather_object(self.state(), states)
        if states is None:
            return None
        own, other = states
        assert own is not None and other is not None
        best = {**own.best, **other.best} if own.best is not None and other.best is not None else None
        return FullState({**own.weights, **other.weights}, {**own.optimizer, **other.optimizer}, best)
