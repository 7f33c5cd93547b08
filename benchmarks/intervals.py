"""How far a share that was counted on few cases can be trusted.

Wilson's score interval: unlike the textbook's normal interval it stays inside [0, 1] and means something for
0 of n and n of n, which is where a benchmark of two dozen cases ends up. E. B. Wilson, "Probable Inference,
the Law of Succession, and Statistical Inference", JASA 22 (1927); Brown, Cai and DasGupta, "Interval
Estimation for a Binomial Proportion", Statistical Science 16 (2001).
"""

from math import sqrt

Z_95 = 1.959963984540054
"""Standard deviations that hold 95 % of a normal distribution."""


def wilson(hits: int, n: int, z: float = Z_95) -> tuple[float, float]:
    """Bounds (low, high) of the share ``hits / n``; (0, 1) where nothing was counted."""
    if not n:
        return 0.0, 1.0
    share, weight = hits / n, z * z / n
    middle = (share + weight / 2) / (1 + weight)
    half = z * sqrt(share * (1 - share) / n + weight / (4 * n)) / (1 + weight)
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    high = 1.0 if hits == n else min(1.0, middle + half)
    return low, high
