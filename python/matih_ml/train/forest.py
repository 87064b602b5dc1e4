"""A trained forest as arrays, from which the service writes the ONNX model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .arrays import Array
from .spec import Doubles, Floats, Integers

Link = Literal["NONE", "SIGMOID", "SOFTMAX"]
Comparison = Literal["LESS", "LESS_OR_EQUAL"]


@dataclass(frozen=True)
class Forest:
    """
    Trees whose leaves add up to one score per output. A node without children (-1) is a leaf. Rows whose feature is
    less than the split (or equal, by `comparison`) go left.
    """

    roots: Integers
    #: The output of each tree.
    outputs: Integers
    feature: Integers
    split: Doubles
    left: Integers
    right: Integers
    value: Doubles
    #: The score of each output before the first tree.
    baseline: Doubles
    comparison: Comparison
    #: From scores to probabilities; NONE when the scores are the answer.
    link: Link

    def arrays(self) -> dict[str, Array]:
        return {
            f"forest.{name}": getattr(self, name)
            for name in ("roots", "outputs", "feature", "split", "left", "right", "value", "baseline")
        }

    def scores(self, features: Floats) -> Doubles:
        """The score of every row and output."""
        total = np.tile(self.baseline, (len(features), 1))
        rows = np.arange(len(features))
        for root, output in zip(self.roots, self.outputs, strict=True):
            node = np.full(len(features), root)
            while True:
                inner = self.left[node] >= 0
                if not inner.any():
                    break
                at = node[inner]
                asked = features[rows[inner], self.feature[at]].astype(np.float64)
                split = self.split[at]
                goes_left = asked < split if self.comparison == "LESS" else asked <= split
                node[inner] = np.where(goes_left, self.left[at], self.right[at])
            total[:, output] += self.value[node]
        return total


def _joined(
    trees: list[dict[str, Array]], outputs: list[int], baseline: Array, comparison: Comparison, link: Link
) -> Forest:
    sizes = [len(tree["feature"]) for tree in trees]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64) if trees else np.zeros(0, np.int64)

    def whole(name: str, dtype: type) -> Array:
        return np.concatenate([tree[name] for tree in trees]).astype(dtype)

    def child(name: str) -> Array:
        moved = [np.where(tree[name] >= 0, tree[name] + start, -1) for tree, start in zip(trees, starts, strict=True)]
        return np.concatenate(moved).astype(np.int32)

    return Forest(
        roots=starts.astype(np.int32),
        outputs=np.asarray(outputs, dtype=np.int32),
        feature=whole("feature", np.int32),
        split=whole("split", np.float64),
        left=child("left"),
        right=child("right"),
        value=whole("value", np.float64),
        baseline=np.asarray(baseline, dtype=np.float64),
        comparison=comparison,
        link=link,
    )


def forest_of_sklearn(model: Any, classes: int | None) -> Forest:
    """The mean of the trees of a random forest; of two classes only the second one has a score."""
    count = len(model.estimators_)
    trees: list[dict[str, Array]] = []
    outputs: list[int] = []
    # A class that no training row has is not known to the model.
    known = {int(label): at for at, label in enumerate(model.classes_)} if classes is not None else {}
    wanted = [(0, 0)] if classes is None else [(1, 0)] if classes == 2 else [(k, k) for k in range(classes)]
    for estimator in model.estimators_:
        tree = estimator.tree_
        shares = tree.value[:, 0, :]
        if classes is not None:
            shares = shares / shares.sum(axis=1, keepdims=True)
        for label, output in wanted:
            at = known.get(label) if classes is not None else 0
            if at is None:
                continue
            trees.append(
                {
                    "feature": np.where(tree.children_left >= 0, tree.feature, 0),
                    "split": tree.threshold,
                    "left": tree.children_left,
                    "right": tree.children_right,
                    "value": shares[:, at] / count,
                }
            )
            outputs.append(output)
    size = 1 if classes in (None, 2) else int(classes or 1)
    return _joined(trees, outputs, np.zeros(size), "LESS_OR_EQUAL", "NONE")


def forest_of_xgboost(booster: Any, classes: int | None, sample: Floats) -> Forest:
    """
    The trees of a booster. The scores before the first tree are what its predictions for `sample` have above the sum
    of the leaves, because versions of XGBoost store them in different ways.
    """
    import xgboost

    model = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]
    trees = []
    for tree in model["trees"]:
        left = np.asarray(tree["left_children"])
        condition = np.asarray(tree["split_conditions"], dtype=np.float32).astype(np.float64)
        trees.append(
            {
                "feature": np.where(left >= 0, np.asarray(tree["split_indices"]), 0),
                "split": condition,
                "left": left,
                "right": np.asarray(tree["right_children"]),
                # A leaf has its value in the place of a condition.
                "value": np.where(left >= 0, 0.0, condition),
            }
        )
    size = 1 if classes in (None, 2) else int(classes or 1)
    link: Link = "NONE" if classes is None else "SIGMOID" if classes == 2 else "SOFTMAX"
    outputs = [int(output) for output in model["tree_info"]]
    forest = _joined(trees, outputs, np.zeros(size), "LESS", link)
    margins = booster.predict(xgboost.DMatrix(sample), output_margin=True).reshape(len(sample), size)
    baseline = np.median(margins - forest.scores(sample), axis=0)
    return _joined(trees, outputs, baseline, "LESS", link)


def forest_of_lightgbm(model: Any, classes: int | None) -> Forest:
    """The trees of a dumped booster; the first ones have the scores before them in their leaves."""
    size = 1 if classes in (None, 2) else int(classes or 1)
    trees = [_tree_of_lightgbm(tree["tree_structure"]) for tree in model["tree_info"]]
    outputs = [number % size for number in range(len(trees))]
    link: Link = "NONE" if classes is None else "SIGMOID" if classes == 2 else "SOFTMAX"
    return _joined(trees, outputs, np.zeros(size), "LESS_OR_EQUAL", link)


def _tree_of_lightgbm(root: Any) -> dict[str, Array]:
    nodes: list[Any] = [root]
    left: list[int] = []
    right: list[int] = []
    # Nodes are added behind their parents while the list is read.
    for node in nodes:
        is_leaf = "leaf_value" in node
        left.append(-1 if is_leaf else len(nodes))
        right.append(-1 if is_leaf else len(nodes) + 1)
        if not is_leaf:
            nodes.extend((node["left_child"], node["right_child"]))
    return {
        "feature": np.array([node.get("split_feature", 0) for node in nodes]),
        "split": np.array([node.get("threshold", 0.0) for node in nodes]),
        "left": np.array(left),
        "right": np.array(right),
        "value": np.array([node.get("leaf_value", 0.0) for node in nodes]),
    }
