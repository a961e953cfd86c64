"""Find unusual samples, such as a fraud or an illness, by their distance to a map of ordinary samples.

python examples/outliers.py [FOLDER]

A map learns half of the ordinary samples. A fifth of them sets the threshold: the distance that one in twenty exceeds.
Then the map judges samples that it has not seen: the other ordinary ones, and all unusual ones.
Two data sets that ship with scikit-learn:

- handwritten digits, 64 pixels each: each digit in turn is the unusual one;
- tumors, 30 measures of their cells: benign ones are ordinary, malignant ones unusual.

Payments are judged in the same way. The script compares the map with an isolation forest and with the distance to the
mean: they are as good where ordinary samples are of one kind, as among tumors, and much worse where they are of many
kinds, as among digits. Needs dasksom[plots].
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from dasksom import BatchSOM

FALSE_ALARMS = 0.05
"""Share of the ordinary samples that may be called unusual."""


@dataclass(frozen=True)
class Verdict:
    """Distances of samples that the map has not seen, and the scores of other methods."""

    ordinary: np.ndarray
    unusual: np.ndarray
    threshold: float
    areas: dict[str, float]
    """Area under the ROC curve by method: 1 separates unusual from ordinary samples completely, 0.5 not at all."""

    @property
    def recall(self) -> float:
        """Share of the unusual samples that were found."""
        return float((self.unusual > self.threshold).mean())

    @property
    def precision(self) -> float:
        """Share of the samples called unusual that are unusual."""
        found = (self.unusual > self.threshold).sum()
        return float(found / max(1, found + (self.ordinary > self.threshold).sum()))


def judge(ordinary: np.ndarray, unusual: np.ndarray, side: int, *, scaled: bool) -> Verdict:
    """Learn ordinary samples, set a threshold, judge the rest; `scaled` where columns have different units."""
    ordinary = np.random.default_rng(0).permutation(ordinary)
    learned, to_threshold, ordinary = np.split(ordinary, [len(ordinary) // 2, len(ordinary) * 7 // 10])
    if scaled:
        mean, deviation = learned.mean(axis=0), learned.std(axis=0)
        learned, to_threshold, ordinary, unusual = (
            (samples - mean) / deviation for samples in (learned, to_threshold, ordinary, unusual)
        )
    som = BatchSOM(side, side, epochs=50, sigma=(side / 2, 0.5)).fit(learned)
    forest = IsolationForest(random_state=0).fit(learned)

    def to_best_unit(samples: np.ndarray) -> np.ndarray:
        return np.asarray(som.transform(samples).min(axis=1))

    methods: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "map": to_best_unit,
        "isolation forest": lambda samples: -forest.score_samples(samples),
        "distance to the mean": lambda samples: np.linalg.norm(samples - learned.mean(axis=0), axis=1),
    }
    truth = np.r_[np.zeros(len(ordinary)), np.ones(len(unusual))]
    judged = np.vstack([ordinary, unusual])
    areas = {name: float(roc_auc_score(truth, method(judged))) for name, method in methods.items()}
    threshold = float(np.quantile(to_best_unit(to_threshold), 1 - FALSE_ALARMS))
    return Verdict(to_best_unit(ordinary), to_best_unit(unusual), threshold, areas)


def draw(verdicts: dict[str, Verdict], path: Path) -> None:
    """Draw how far ordinary and unusual samples are from the map."""
    figure, axes = plt.subplots(1, len(verdicts), figsize=(6 * len(verdicts), 3.6), layout="constrained")
    for ax, (title, verdict) in zip(axes, verdicts.items(), strict=True):
        both = np.r_[verdict.ordinary, verdict.unusual]
        bins = np.geomspace(both.min(), both.max(), 40)
        ax.hist(verdict.ordinary, bins, alpha=0.7, label=f"{len(verdict.ordinary)} ordinary", color="#0072b2")
        ax.hist(verdict.unusual, bins, alpha=0.7, label=f"{len(verdict.unusual)} unusual", color="#d55e00")
        ax.axvline(verdict.threshold, color="k", ls="--", label="threshold")
        ax.set(xscale="log", xlabel="distance to the best-matching unit", ylabel="samples", title=title)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter("")
        ax.set_xticks([tick for tick in (1, 2, 5, 10, 20, 50) if both.min() <= tick <= both.max()])
        ax.legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(folder: Path) -> None:
    """Judge both data sets, draw one of each, and print the scores."""
    folder.mkdir(parents=True, exist_ok=True)
    images, digits = load_digits(return_X_y=True)
    of_digits = [judge(images[digits != digit], images[digits == digit], 12, scaled=False) for digit in range(10)]
    measures, benign = load_breast_cancer(return_X_y=True)
    of_tumors = judge(measures[benign == 1], measures[benign == 0], 4, scaled=True)
    for name, verdicts in (("digits (mean of ten)", of_digits), ("tumors", [of_tumors])):
        recall, precision = (
            float(np.mean([getattr(one, word) for one in verdicts])) for word in ("recall", "precision")
        )
        print(f"{name}: recall {recall:.2f}, precision {precision:.2f}")
        for method in of_tumors.areas:
            print(f"  area under the ROC curve, {method}: {np.mean([one.areas[method] for one in verdicts]):.3f}")
    draw({"A map that knows all digits but 7": of_digits[7], "Tumors": of_tumors}, folder / "outliers.png")
    print(f"{folder / 'outliers.png'}: the distances")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "example-output"))
