"""φ: the information compression module, a vector-quantised memory (Eq. 4, 5)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class MemoryOutput:
    """What the memory returns for an embedding."""

    decoded: Tensor  # (B, D, H', W'): value of z_q, gradient of z_e (straight-through)
    z_q: Tensor  # (B, D, H', W'): the nearest items; gradient flows to the items
    indices: Tensor  # (B, H', W') int64: which item, 0 to N - 1


def nearest_item(z_e: Tensor, items: Tensor) -> Tensor:
    """Eq. 4: index of the item with the least L2 distance.

    Args:
        z_e: (B, D, H', W') embedding.
        items: (N, D) memory items.

    Returns:
        (B, H', W') int64.
    """
    scores = torch.einsum("bdhw,nd->bnhw", z_e, items)
    return (items.square().sum(1)[:, None, None] - 2 * scores).argmin(1)


class Memory(nn.Module):
    """N memory items, each a prototype of the normal in feature space.

    Args:
        count: Number N of items.
        dimension: Channels D of an item.
    """

    def __init__(self, count: int, dimension: int) -> None:
        super().__init__()
        self.items = nn.Parameter(torch.empty(count, dimension).uniform_(-1 / count, 1 / count))

    def forward(self, z_e: Tensor) -> MemoryOutput:
        """Quantise (B, D, H', W') to single items (Eq. 4)."""
        with torch.autocast(z_e.device.type, enabled=False):
            z_e = z_e.float()
            indices = nearest_item(z_e.detach(), self.items.detach())
            z_q = F.embedding(indices, self.items).permute(0, 3, 1, 2)
            return MemoryOutput(z_e + (z_q - z_e).detach(), z_q, indices)

    @torch.no_grad()
    def revive(self, counts: Tensor, z_e: Tensor, draw: torch.Generator | None = None) -> int:
        """Replace items that were never used by embeddings of the present batch.

        Args:
            counts: (N,) how often each item was used.
            z_e: (B, D, H', W') embeddings to choose from at random, on any device.
            draw: Of that chance, on the CPU.

        Returns:
            How many items were replaced.
        """
        dead = (counts == 0).nonzero().flatten()
        pool = z_e.permute(0, 2, 3, 1).flatten(0, 2)
        choice = torch.randint(len(pool), (len(dead),), generator=draw).to(pool.device)
        self.items[dead] = pool[choice].to(self.items)
        return len(dead)


def usage(indices: Tensor, count: int) -> Tensor:
    """How often each of `count` items was used: (count,) int64."""
    return torch.bincount(indices.flatten(), minlength=count)


def perplexity(counts: Tensor) -> Tensor:
    """Effective number of items in use, 1 (collapse) to N (all alike), from their counts (N,)."""
    share = counts.double() / counts.sum().clamp(min=1)
    effective: Tensor = torch.special.entr(share).sum().exp()
    return effective
