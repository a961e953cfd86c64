"""Arrange the countries of the world by quality of life: a table of 24 columns becomes a flat map.

python examples/quality_of_life.py [FOLDER]

Life expectancy and income per person of 142 countries in twelve years, from 1952 to 2007, as Gapminder published them
(https://www.gapminder.org, CC BY 4.0); they ship in the package `gapminder`. Needs dasksom[examples].
"""

import csv
import sys
from importlib.metadata import distribution
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from dasksom import BatchSOM, show

ROWS, COLUMNS = 8, 10


def read() -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the countries, and two tables, a row per country and a column per year: years of life, dollars a year."""
    path = Path(str(distribution("gapminder").locate_file("gapminder/gapminder.csv")))
    with path.open(newline="") as file:
        lines = sorted(csv.DictReader(file), key=lambda line: (line["country"], int(line["year"])))
    names = sorted({line["country"] for line in lines})
    life, income = (
        np.array([float(line[column]) for line in lines]).reshape(len(names), -1) for column in ("lifeExp", "gdpPercap")
    )
    return names, life, income


def standardized(table: np.ndarray) -> np.ndarray:
    """Scale a complete table to mean 0 and deviation 1, so that neither kind of column outweighs the other."""
    return (table - table.mean()) / table.std()


def draw(som: BatchSOM, units: np.ndarray, names: list[str], life: np.ndarray, path: Path) -> None:
    """Draw the map in the life expectancy of its units, with the names of the countries at their units."""
    column = life.shape[1] - 1  # the last year's
    colors = som.weights_[..., column] * life.std() + life.mean()
    figure, ax = plt.subplots(figsize=(14, 9), layout="constrained")
    drawn = ax.imshow(colors, cmap="viridis", aspect="auto")
    figure.colorbar(drawn, ax=ax, label="life expectancy of the unit in 2007, years", pad=0.01)
    for unit in range(ROWS * COLUMNS):
        here = [names[country] for country in np.flatnonzero(units == unit)]
        dark = colors.flat[unit] < colors.min() + 0.6 * np.ptp(colors)
        text = "\n".join(here)
        ax.text(unit % COLUMNS, unit // COLUMNS, text, ha="center", va="center", size=6.5, color="w" if dark else "k")
    ax.set(xticks=[], yticks=[], title="142 countries by life expectancy and income from 1952 to 2007")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(folder: Path) -> None:
    """Train the map, draw it, and print how well it groups similar countries."""
    folder.mkdir(parents=True, exist_ok=True)
    names, life, income = read()
    table = np.hstack([standardized(life), standardized(np.log(income))])  # a dollar more means more to the poor
    som = BatchSOM(ROWS, COLUMNS, epochs=60, sigma=(5.0, 0.6)).fit(table)
    units = som.predict(table)
    draw(som, units, names, life, folder / "countries.png")
    planes = ["life in 1952", "life in 2007", "income in 1952", "income in 2007"]
    show.plot_component_planes(som, [0, 11, 12, 23], planes).savefig(folder / "planes.png", dpi=110)

    with (folder / "countries.csv").open("w", newline="") as file:
        places = csv.writer(file)
        places.writerow(["country", "row", "column"])
        places.writerows([name, *divmod(int(unit), COLUMNS)] for name, unit in zip(names, units, strict=True))
    explained = 1 - som.history_[-1].mean_squared_error / table.var(axis=0).sum()
    places_of = np.stack(np.divmod(units, COLUMNS), axis=1)
    order = np.argsort(income[:, -1])
    poor, rich = places_of[order[:14]].mean(axis=0), places_of[order[-14:]].mean(axis=0)
    together = [np.ptp(life[units == unit, -1]) for unit in np.unique(units)]
    print(f"{len(names)} countries on {len(np.unique(units))} of {ROWS * COLUMNS} units")
    print(f"the map explains {explained:.0%} of the differences between countries")
    print(f"the richest tenth is {np.hypot(*(rich - poor)):.1f} steps from the poorest")
    print(
        f"life expectancy in 2007 differs by {np.mean(together):.1f} years on a unit, {np.ptp(life[:, -1]):.1f} in all"
    )
    print(f"{folder / 'countries.png'}, {folder / 'planes.png'} and {folder / 'countries.csv'}: the map")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "example-output"))
