"""φ: the information compression module, a vector-quantised memory (Eq. 4, 5)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, eq=False)
class MemoryOutput:
    """The output of the memory for an embedding."""

    decoded: Tensor  # (B, D, H', W'): equal to z_q; its gradient goes to z_e (straight-through)
    z_q: Tensor  # (B, D, H', W'): the nearest items; its gradient goes to the items
    indices: Tensor  # (B, H', W') int64: numbers of the nearest items, 0 to N - 1


def nearest_item(z_e: Tensor, items: Tensor) -> Tensor:
    """Eq. 4: the index of the item with the smallest L2 distance.

    Args:
        z_e: (B, D, H', W') embedding.
        items: (N, D) memory items.

    Returns:
        (B, H', W') int64.
    """
    products = torch.einsum("bdhw,nd->bnhw", z_e, items)
    squares = items.square().sum(1)[:, None, None]
    return (squares - 2 * products).argmin(
        1
    )  # ‖z_e - item‖² without ‖z_e‖², which is equal for all items


class Memory(nn.Module):
    """A memory of N items. Each item is a prototype of normal data in feature space.

    Args:
        count: Number N of items.
        dimension: Channels D of an item.
    """

    def __init__(self, count: int, dimension: int) -> None:
        super().__init__()
        self.items = nn.Parameter(torch.empty(count, dimension).uniform_(-1 / count, 1 / count))

    def forward(self, z_e: Tensor) -> MemoryOutput:
        """Replace each vector of (B, D, H', W') by its nearest item (Eq. 4)."""
        with torch.autocast(z_e.device.type, enabled=False):
            z_e = z_e.float()
            indices = nearest_item(z_e.detach(), self.items.detach())
            z_q = F.embedding(indices, self.items).permute(0, 3, 1, 2)
            return MemoryOutput(z_e + (z_q - z_e).detach(), z_q, indices)

    @torch.no_grad()
    def revive(self, counts: Tensor, z_e: Tensor, generator: torch.Generator | None = None) -> int:
        """Replace unused items by random embeddings.

        Args:
            counts: (N,), how often each item was used.
            z_e: (B, D, H', W'), embeddings to choose from, on any device.
            generator: Random generator on the CPU.

        Returns:
            The number of replaced items.
        """
        unused = (counts == 0).nonzero().flatten()
        embeddings = z_e.permute(0, 2, 3, 1).flatten(0, 2)
        chosen = torch.randint(len(embeddings), (len(unused),), generator=generator)
        self.items[unused] = embeddings[chosen.to(embeddings.device)].to(self.items)
        return len(unused)


def count_uses(indices: Tensor, count: int) -> Tensor:
    """Return how often each of `count` items occurs in `indices` (any shape): (count,) int64."""
    return torch.bincount(indices.flatten(), minlength=count)


def perplexity(counts: Tensor) -> Tensor:
    """Return the effective number of used items, from counts (N,).

    It is 1 if only one item is used, and N if all items are used equally often.
    """
    share = counts.double() / counts.sum().clamp(min=1)
    effective: Tensor = torch.special.entr(share).sum().exp()
    return effective
