"""How values lie in memory: a second reading of the lowering that moves no number, the copies that follow, and a choice of orders.

No torch here: `attn explain` tells from this what is copied. `compiler/lower/copies.py` measures the same in a run.
"""
