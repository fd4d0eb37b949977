"""Layers for graphs of atoms that do not depend on a task.

N atoms and E directed pairs are the nodes and edges of a GraphTensor. In this package, node states [N, F] and edge
states [E, F] are hidden states of atoms and of pairs. A pair goes from its source (sender) to its target (receiver).
"""
