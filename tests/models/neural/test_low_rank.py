"""Low-rank parts: nothing at first, all that learns, and merged the same as beside."""

import pytest
import torch

from foretell.contracts.errors import ForetellError
from foretell.models.neural.low_rank import attach, changes, merge
from foretell.models.neural.network import Network
from foretell.models.neural.recurrent import RecurrentNetwork, RecurrentSizes
from foretell.tokenizers import Bytes
from tests.laws.test_families import gpt, gpt2, llama

TOKENS = torch.arange(1, 13).view(2, 6)
FAMILIES = {"gpt": gpt, "gpt2": gpt2, "llama": llama}


def logits(network: Network) -> torch.Tensor:
    with torch.no_grad():
        hidden, _ = network.read(TOKENS, network.empty_memory(2))
        return network.logits(hidden)


def learn(network: Network) -> None:
    """Some steps, without a learner."""
    parts = [part for part in network.parameters() if part.requires_grad]
    optimizer = torch.optim.SGD(parts, lr=0.5)
    for _ in range(4):
        hidden, _ = network.learn(TOKENS, memory=None, segments=None, positions=None)
        loss = network.logits(hidden).log_softmax(-1)[..., 7].mean()
        optimizer.zero_grad()
        (-loss).backward()
        optimizer.step()


@pytest.mark.parametrize("family", FAMILIES)
def test_they_begin_with_nothing_learn_alone_and_merge(family: str) -> None:
    network = FAMILIES[family](Bytes()).network
    first = logits(network)
    names = list(network.state_dict())
    frozen = {name: weight.clone() for name, weight in network.named_parameters()}
    learned = attach(network, rank=4, seed=0)
    assert learned == sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert learned < sum(weight.numel() for weight in frozen.values()) / 2
    torch.testing.assert_close(logits(network), first, rtol=0, atol=0)
    learn(network)
    adapted = logits(network)
    assert (adapted - first).abs().max() > 1e-3
    for name, weight in network.named_parameters():
        plain = name.replace(".frozen", "")
        if plain in frozen:
            assert torch.equal(weight, frozen[plain]), name
    told = changes(network)
    merge(network)
    assert list(network.state_dict()) == names
    assert all(weight.requires_grad for weight in network.parameters())
    torch.testing.assert_close(logits(network), adapted, rtol=0, atol=1e-4)
    for name, weight in network.named_parameters():
        stem = name.removesuffix(".weight")
        change = told[f"{stem}.B"] @ told[f"{stem}.A"] if f"{stem}.A" in told else 0.0
        torch.testing.assert_close(weight.detach(), frozen[name] + change)


def test_equal_seeds_begin_alike() -> None:
    parts = []
    for seed in (1, 1, 2):
        network = llama(Bytes()).network
        attach(network, rank=2, seed=seed)
        parts.append(changes(network))
    assert all(torch.equal(parts[0][name], parts[1][name]) for name in parts[0])
    assert any(not torch.equal(parts[0][name], parts[2][name]) for name in parts[0])


def test_a_network_without_matrices_of_that_kind_is_refused() -> None:
    network = RecurrentNetwork(RecurrentSizes("lstm", 257, width=16, hidden=16, layers=1))
    with pytest.raises(ForetellError, match="--method all"):
        attach(network, rank=2, seed=0)
