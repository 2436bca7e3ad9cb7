"""What the harness costs and how it grows: ``python -m reach`` measures and says.

Beside ``speed``, which measures trifecta, and with its figures and tables.
Ratios are of things that were measured in turns in the same run; nothing here passes or fails.
"""
