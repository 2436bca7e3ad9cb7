"""Campaigns of many soaks: the grid, the results and how they are merged, and who does the work.

A point is one soak. Points know nothing of each other, so they can run anywhere, in any order, more
than once; what they say is merged by a function for which none of that matters.
"""
