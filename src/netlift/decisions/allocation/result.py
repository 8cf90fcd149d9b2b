"""Results of an allocation in plain numbers: what limits are worth, and points of the budget curve.

Apart from what computes them, so that a page is shown without numerical libraries.
"""

from __future__ import annotations

from dataclasses import dataclass

from netlift.results import format_number


@dataclass(frozen=True, kw_only=True)
class Price:
    """What one limit is worth at the margin.

    One more unit can earn no more than `price`, and one unit less loses at least that much (with many customers both
    are the same). For a minimum, it is what one less would earn.

    Attributes:
        name: The limit; minimums and upper limits of one name are two rows.
        side: "most" or "least".
        bound: The limit itself.
        used: What the allocation uses.
        slack: How far `used` is from the bound.
        price: Currency per unit, not below 0.
        binding: Whether another bound would change the profit.
    """

    name: str
    side: str
    bound: float
    used: float
    slack: float
    price: float
    binding: bool

    def __str__(self) -> str:
        used = f"{format_number(self.used)} of {format_number(self.bound)}"
        if not self.binding:
            return f"{self.name}: does not bind, {used} used"
        if self.side == "least":
            return f"{self.name}: one unit less of the minimum earns {format_number(self.price)}, {used} used"
        return f"{self.name}: one more unit earns up to {format_number(self.price)}, {used} used"


@dataclass(frozen=True, kw_only=True)
class BudgetPoint:
    """One budget.

    Attributes:
        budget: Money to spend at most, in currency.
        spent: What is spent, in currency.
        profit: What the allocation earns, in currency.
        bound: What no allocation within the budget exceeds, in currency.
        gap: (bound - profit) / |bound|.
        price: What one more unit of budget earns at most, in currency.
        customers: Customers who get an option.
        binding: Names of the limits that bind, the budget among them.
    """

    budget: float
    spent: float
    profit: float
    bound: float
    gap: float
    price: float
    customers: int
    binding: tuple[str, ...]
