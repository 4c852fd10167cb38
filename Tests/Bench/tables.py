"""Figures for a person to read: the median, and the least and the most in brackets."""

import dataclasses


@dataclasses.dataclass
class Target:
    """What the project wants of itself."""

    # What is wanted, in words.
    name: str
    # What was measured, as a `Spread`.
    measured: object
    limit: float
    # How the figures are written.
    form: str = "{:.2f}"
    # Whether more is better.
    is_least: bool = False

    @property
    def is_met(self):
        median = self.measured.median
        return median >= self.limit if self.is_least else median <= self.limit


def spread(value, form="{:.2f}"):
    if value is None:
        return "–"
    if value.least == value.most:
        return form.format(value.median)
    return f"{form} [{form}–{form}]".format(value.median, value.least, value.most)


def print_table(titles, rows):
    widths = [max(len(row[column]) for row in [titles, *rows]) for column in range(len(titles))]
    for row in [titles, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_ratios(measured, pairs, figures):
    """Of two contenders in each row: the first one's figures divided by the second one's of the same round.

    `figures` are functions of a run, by title. Gives what is printed, for the result.
    """
    ratios = {f"{one} : {other}": {title: measured.ratio(one, other, figure) for title, figure in figures.items()}
              for one, other in pairs}
    print()
    print_table(["", *figures], [[title, *map(spread, each.values())] for title, each in ratios.items()])
    return {title: {figure: value and dataclasses.asdict(value) for figure, value in each.items()}
            for title, each in ratios.items()}


def print_targets(targets):
    width = max(len(target.name) for target in targets)
    for target in targets:
        word = "met" if target.is_met else "missed"
        print(f"target: {target.name:<{width}}  {word:<6}  {spread(target.measured, target.form)}")
