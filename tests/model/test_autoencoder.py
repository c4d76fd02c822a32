"""Encoder, decoder, skips and the mask of the encoder."""

import pytest
import torch
from torch.nn import functional as F

from dmad.model.autoencoder import Decoder, Encoder, EncoderMask, image_layers, skip_modules
from dmad.model.coordinates import CoordConv2d


@torch.no_grad()
def test_each_level_pools_the_level_before() -> None:
    encoder = Encoder(1, (4, 8)).eval()
    first, second = encoder(torch.rand(1, 1, 8, 8))
    torch.testing.assert_close(second, encoder.levels[1](F.max_pool2d(first, 2)))


def test_the_embedding_comes_from_a_convolution_and_has_a_sign() -> None:
    torch.manual_seed(0)
    encoder = Encoder(1, (4, 8))
    assert isinstance(encoder.levels[-1][-1], CoordConv2d)
    assert encoder(torch.rand(1, 1, 8, 8))[-1].min() < 0


@pytest.mark.parametrize("kind", ["compressed", "full", "none"])
def test_skips_pass_their_channels_and_the_decoder_returns_to_image_size(kind: str) -> None:
    widths = [4, 8, 16]
    skips = skip_modules(kind, widths, 2, 3)
    encoder, decoder = Encoder(2, widths, 2), Decoder(1, widths, skips, 2)
    features = encoder(torch.randn(2, 2, 32, 32))
    passed = [skip(f).shape[1] for skip, f in zip(skips, features, strict=True)]
    assert passed == {"compressed": [0, 3, 3], "full": [4, 8, 0], "none": [0, 0, 0]}[kind]
    assert decoder(features[-1], features).shape == (2, 1, 32, 32)


@torch.no_grad()
def test_the_pixels_of_a_block_begin_alike() -> None:
    blocks = image_layers(8, 1, stem=2)[:2](torch.randn(1, 8, 6, 6))
    assert torch.equal(blocks[..., ::2], blocks[..., 1::2])
    assert torch.equal(blocks[..., ::2, :], blocks[..., 1::2, :])
    assert blocks.std() > 0


@torch.no_grad()
def test_resized_features_leave_no_stripes() -> None:
    image = image_layers(8, 1, stem=2, upsampling="resize")(torch.ones(1, 8, 12, 12))
    inside = image[..., 6:-6, 6:-6]
    torch.testing.assert_close(inside, inside.mean().expand_as(inside))
    assert image.shape == (1, 1, 24, 24)


@torch.no_grad()
def test_skips_reach_the_decoder() -> None:
    widths = [4, 8, 16]
    decoder = Decoder(1, widths, skip_modules("compressed", widths, 2, 3), 2).eval()
    features = [torch.randn(1, w, 16 // 2**i, 16 // 2**i) for i, w in enumerate(widths)]
    other = [features[0], features[1] + 1, features[2]]
    assert not torch.allclose(decoder(features[-1], features), decoder(features[-1], other))


def test_compressed_skips_stop_the_gradient() -> None:
    skip = skip_modules("compressed", [4, 8], 4, 3)[0]
    features = torch.randn(1, 4, 8, 8, requires_grad=True)
    out = skip(features)
    assert out.requires_grad
    out.sum().backward()
    assert features.grad is None


@pytest.mark.parametrize("stem", [1, 2])
def test_the_mask_of_the_encoder_uses_the_two_finest_levels(stem: int) -> None:
    widths = (4, 8, 16)
    mask = EncoderMask(widths, 3, stem)
    features = Encoder(2, widths, stem)(torch.randn(2, 2, 32, 32))
    logits = mask(features)
    assert logits.shape == (2, 3, 32, 32)
    parts = torch.autograd.grad(logits.sum(), features, allow_unused=True)
    assert [part is not None for part in parts] == [True, True, False]
