"""Workers: a library behind standard input and output, as ``docs/reference/worker.md`` says.

They import nothing of the judge: a worker is part of what is soaked.
"""
