"""The GPT of the default recipe: its n-gram tables, and learning equal to reading."""

import numpy as np
import torch

from foretell.corpus.batches import pack, with_boundaries
from foretell.models.neural.gpt import GPT, GPTSizes
from foretell.models.neural.noise import Noise, set_noise
from tests.models.neural.peers import NOTHING, stir

SIZES = GPTSizes(40, context=24, width=32, heads=4, layers=2, tables=(2000, 300, 500), dropout=0.2)


def build(sizes: GPTSizes = SIZES) -> GPT:
    torch.manual_seed(0)
    network = GPT(sizes)
    stir(network)
    return network


def test_a_fresh_layer_is_the_identity_and_foretells_evenly() -> None:
    torch.manual_seed(0)
    network = GPT(SIZES).eval()
    tokens = torch.randint(0, 40, (2, 9))
    hidden, _ = network.learn(tokens, **NOTHING)
    assert torch.equal(network.logits(hidden), torch.zeros(2, 9, 40))
    first = network.embedding(tokens)
    first = torch.nn.functional.layer_norm(first, (32,))
    torch.testing.assert_close(hidden, torch.nn.functional.layer_norm(first, (32,)))


def test_learning_and_reading_agree() -> None:
    network = build().eval()
    tokens = torch.randint(0, 40, (2, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        learned, _ = network.learn(tokens, **NOTHING)
        memory, parts = network.empty_memory(2), []
        for piece in tokens.split([1, 6, 2, 11], dim=1):
            hidden, memory = network.read(piece, memory)
            parts.append(hidden)
        # Back to the middle, and on: the n-grams are those of the tokens that were kept.
        back = memory.truncate([7, 7])
        again, _ = network.read(tokens[:, 7:], back)
    torch.testing.assert_close(torch.cat(parts, dim=1), learned, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(again, learned[:, 7:], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_n_grams_do_not_reach_into_the_chunk_before() -> None:
    network = build().eval()
    generator = np.random.default_rng(1)
    documents = with_boundaries(
        [generator.integers(0, 39, n).astype(np.int32) for n in (3, 0, 30, 9, 1, 5)], 39
    )
    packed = [b for b in pack(documents, rows=3, width=24, key=(0, 0)) if b.segments is not None]
    assert packed
    for batch in packed:
        whole = {
            name: torch.from_numpy(getattr(batch, name).astype(np.int64))
            for name in ("tokens", "segments", "positions")
        }
        tokens = whole.pop("tokens")
        together, _ = network.learn(tokens, memory=None, **whole)
        for b, row in enumerate(batch.segments):
            for segment in range(1, row.max() + 1):
                at = np.flatnonzero(row == segment)
                alone, _ = network.learn(tokens[b : b + 1, at], **NOTHING)
                torch.testing.assert_close(together[b, at], alone[0], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_n_grams_share_rows_only_where_the_table_is_too_small() -> None:
    network = build().eval()
    network.embedding.weight.zero_()
    before, token = torch.meshgrid(torch.arange(-1, 40), torch.arange(40), indexing="ij")
    tokens = token.reshape(-1, 1)
    recent = torch.stack([before.reshape(-1, 1), *[torch.full_like(tokens, -1)] * 2], dim=2)
    for chosen, distinct in ((0, 41 * 40), (1, 300)):
        for number, table in enumerate(network.tables):
            table.weight.zero_()
            if number == chosen:
                table.weight.normal_()
        found = network.embed(tokens, recent, torch.zeros_like(tokens))[:, 0]
        assert len(found.unique(dim=0)) == distinct


def test_dropout_follows_the_row_however_the_batch_is_cut() -> None:
    network = build().train()
    tokens = torch.randint(0, 40, (4, 12), generator=torch.Generator().manual_seed(0))
    set_noise(network, Noise(seed=3, update=5, rows=range(4)))
    whole, _ = network.learn(tokens, **NOTHING)
    for rows in ([0, 1], [2, 3], [3], [2, 0]):
        set_noise(network, Noise(seed=3, update=5, rows=rows))
        part, _ = network.learn(tokens[rows], **NOTHING)
        torch.testing.assert_close(part, whole[rows], atol=1e-5, rtol=1e-5)
    set_noise(network, Noise(seed=3, update=6, rows=range(4)))
    other, _ = network.learn(tokens, **NOTHING)
    assert not torch.allclose(other, whole)
