"""Chaos: real incidents, in a real house, whose parts are killed and cut off while it works on them.

Small shops are broken, many at once; the door gets an alert for each, a human's yes comes over the API, and
at random points of each incident something is done to the house or to its networks. What took effect is
counted in the records of the targets themselves, and set beside what the tickets tell.

`schedule` decides what happens, from a seed alone; `judge` counts, pure too; the rest makes it happen.
"""
