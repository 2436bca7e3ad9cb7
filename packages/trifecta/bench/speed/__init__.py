"""How fast is trifecta beside what one would use instead?  ``python -m speed`` measures and says.

Every figure is a ratio of two things that were measured in turns in the same run: on a shared
machine times double from one minute to the next, and what is measured one after the other says
more about the neighbours than about the programs.  Nothing here passes or fails anything.
"""
