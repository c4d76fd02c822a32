"""The memory: nearest items, straight-through gradients, unused items."""

import pytest
import torch

from dmad.model.memory import Memory, count_uses, nearest_item, perplexity


def test_the_nearest_item_has_the_smallest_distance() -> None:
    torch.manual_seed(0)
    z_e, items = torch.randn(2, 5, 3, 4), torch.randn(7, 5)
    flat = z_e.permute(0, 2, 3, 1).reshape(-1, 5)
    expected = torch.cdist(flat, items).argmin(1).reshape(2, 3, 4)
    assert torch.equal(nearest_item(z_e, items), expected)


def test_the_embedding_gets_the_gradient_of_the_decoded_items() -> None:
    memory = Memory(6, 4)
    z_e = torch.randn(2, 4, 3, 3, requires_grad=True)
    out = memory(z_e)
    torch.testing.assert_close(out.decoded, out.z_q)
    out.decoded.sum().backward()
    assert torch.equal(z_e.grad, torch.ones_like(z_e))
    assert memory.items.grad is None
    out.z_q.sum().backward()
    assert memory.items.grad is not None


@torch.no_grad()
def test_an_item_is_its_own_nearest() -> None:
    memory = Memory(6, 4)
    torch.nn.init.normal_(memory.items)
    z_e = memory.items[[3, 0, 5, 5]].T.reshape(1, 4, 2, 2)
    out = memory(z_e)
    assert out.indices.flatten().tolist() == [3, 0, 5, 5]
    torch.testing.assert_close(out.decoded, z_e)


def test_the_memory_computes_in_32_bit_under_autocast() -> None:
    memory = Memory(6, 4)
    with torch.autocast("cpu", torch.bfloat16):
        output = memory(torch.randn(2, 4, 3, 3, dtype=torch.bfloat16))
    assert output.decoded.dtype == output.z_q.dtype == torch.float32


def test_only_unused_items_are_replaced_and_by_whole_embeddings() -> None:
    memory = Memory(4, 2)
    before = memory.items.detach().clone()
    z_e = torch.stack((20 + torch.arange(4.0), 30 + torch.arange(4.0))).view(1, 2, 2, 2)
    assert memory.revive(torch.tensor([3, 0, 1, 0]), z_e) == 2
    assert torch.equal(memory.items[[0, 2]], before[[0, 2]])
    for item in memory.items[[1, 3]].tolist():
        assert item in [[20 + i, 30 + i] for i in range(4)]


def test_the_seed_of_the_generator_decides_which_embeddings_are_taken() -> None:
    z_e = torch.randn(1, 2, 8, 8)

    def items(seed: int) -> torch.Tensor:
        memory = Memory(4, 2)
        memory.revive(torch.zeros(4), z_e, torch.Generator().manual_seed(seed))
        return memory.items.detach()

    assert torch.equal(items(3), items(3))
    assert not torch.equal(items(3), items(4))


def test_perplexity_is_one_for_a_single_item_and_n_for_equal_use() -> None:
    assert perplexity(torch.tensor([8, 0, 0, 0])) == pytest.approx(1)
    assert perplexity(torch.tensor([2, 2, 2, 2])) == pytest.approx(4)
    assert torch.isfinite(perplexity(torch.zeros(4, dtype=torch.int64)))


def test_uses_are_counted_for_every_item() -> None:
    assert count_uses(torch.tensor([[0, 2], [2, 2]]), 4).tolist() == [1, 0, 3, 0]
