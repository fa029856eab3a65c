"""A bound that no placement can undercut: every core's busiest neighbours as near as places can be."""

from __future__ import annotations

import numpy as np

from striate.targets.neuromorphic.mapping.place import Board
from striate.tensor import Array


def least_hops(messages: Array, board: Board) -> int:
    """A number of message-hops that no placement of these cores goes below (Gilmore's bound, each core by itself).

    Wherever a core stands, its neighbours are on different places, so that its own messages travel at least as far as
    if the busiest neighbour had the nearest place, the next busiest the next, and so on. Each way is counted by both of
    its ends; so half the sum over cores, each at the place that is best for it.
    """
    traffic = (messages + messages.T).astype(np.float64)
    np.fill_diagonal(traffic, 0)
    busiest_first = -np.sort(-traffic, axis=1)
    nearest_first = np.sort(board.distance, axis=1)[:, 1 : len(traffic)]
    own = busiest_first[:, : nearest_first.shape[1]] @ np.unique(nearest_first, axis=0).T
    return int(np.ceil(own.min(axis=1, initial=np.inf).sum() / 2)) if own.size else 0
