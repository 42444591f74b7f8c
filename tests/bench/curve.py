"""What measured costs say of how they grow."""

import dataclasses
import math

# Between two sizes whose costs are medians of a few runs, chance alone makes up to this.
LINEAR = 1.1


@dataclasses.dataclass(frozen=True)
class Curve:
    """The costs at sizes, of which there are at least two."""

    costs: dict[int, float]

    def steepest(self) -> float:
        """The largest exponent between one size and the next, of cost ~ size^exponent; at most 1
        where it is linear or better."""
        pairs = sorted(self.costs.items())
        return max(math.log(cost / before) / math.log(size / smaller)
                   for (smaller, before), (size, cost) in zip(pairs, pairs[1:]))

    def is_linear(self) -> bool:
        """Or better."""
        return self.steepest() <= LINEAR

    def line(self) -> tuple[float, float]:
        """What is always there, and what each unit adds, of the straight line whose errors,
        relative to the costs, have the least squares."""
        weights = {size: 1 / cost**2 for size, cost in self.costs.items()}
        total = sum(weights.values())
        mean_size = sum(weights[size] * size for size in self.costs) / total
        mean_cost = sum(weights[size] * cost for size, cost in self.costs.items()) / total
        slope = (sum(weights[size] * (size - mean_size) * (cost - mean_cost)
                     for size, cost in self.costs.items())
                 / sum(weights[size] * (size - mean_size)**2 for size in self.costs))
        return mean_cost - slope * mean_size, slope

    def knee(self) -> float | None:
        """The size at which what grows has become as large as what is always there. None: it does
        not grow."""
        fixed, slope = self.line()
        return max(fixed, 0) / slope if slope > 0 else None
