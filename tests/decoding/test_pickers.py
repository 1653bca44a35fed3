import numpy as np
import pytest
from scipy.stats import chisquare

from foretell.contracts.errors import ForetellError
from foretell.decoding.pickers import Greedy, Sample, gumbel_noise

PROBABILITIES = np.array([0.05, 0.4, 0.15, 0.0, 0.3, 0.1])
with np.errstate(divide="ignore"):
    LOGPROBS = np.log(PROBABILITIES).astype(np.float32)[None]


def test_greedy_takes_the_lowest_of_the_likeliest():
    logprobs = np.log(np.array([[0.2, 0.4, 0.4], [0.5, 0.25, 0.25]], np.float32))
    assert Greedy()(logprobs, [0, 1], [0, 0]).tolist() == [1, 0]


@pytest.mark.parametrize("vary", ["keys", "positions", "seeds"])
def test_draws_follow_the_distribution(vary):
    draws = 6000
    many = np.repeat(LOGPROBS, draws, axis=0)
    if vary == "keys":
        picked = Sample(1)(many, range(draws), [7] * draws)
    elif vary == "positions":
        picked = Sample(2)(many, [7] * draws, range(draws))
    else:
        picked = np.concatenate([Sample(s)(LOGPROBS, [7], [7]) for s in range(draws)])
    counts = np.bincount(picked, minlength=6)
    assert counts[3] == 0
    possible = PROBABILITIES > 0
    assert chisquare(counts[possible], PROBABILITIES[possible] * draws).pvalue > 0.001


def test_neighbouring_draws_are_independent():
    draws = 6000
    half = np.log(np.full((draws, 2), 0.5, np.float32))
    picked = Sample(3)(half, [1] * draws, range(draws))
    pairs = np.bincount(picked[:-1] * 2 + picked[1:], minlength=4)
    assert chisquare(pairs).pvalue > 0.001


def test_a_draw_depends_on_nothing_beside_it():
    logprobs = np.repeat(LOGPROBS, 5, axis=0)
    keys, positions = [4, 2, 9, 2, 0], [0, 8, 3, 9, 100]
    together = Sample(11)(logprobs, keys, positions)
    for row in range(5):
        alone = Sample(11)(logprobs[row : row + 1], keys[row : row + 1], positions[row : row + 1])
        assert alone[0] == together[row]


def test_noise_is_finite_prefix_stable_and_keyed_by_all_three():
    noise = gumbel_noise(1, 2, 3, 1000)
    assert np.isfinite(noise).all()
    assert abs(noise.mean() - np.euler_gamma) < 0.15
    np.testing.assert_array_equal(gumbel_noise(1, 2, 3, 10), noise[:10])
    for other in ((0, 2, 3), (1, 0, 3), (1, 2, 4), (2, 1, 3)):
        assert not np.array_equal(gumbel_noise(*other, 1000), noise)


def philox(key, counter):
    """Philox4x64-10 as printed (Salmon et al. 2011): the slow twin."""
    mask = 2**64 - 1
    a, b, c, d = counter
    first, second = key
    for _ in range(10):
        left, right = a * 0xD2E7470EE14C6C93, c * 0xCA5A826395121157
        a, b, c, d = (
            (right >> 64) ^ b ^ first,
            right & mask,
            (left >> 64) ^ d ^ second,
            left & mask,
        )
        first = (first + 0x9E3779B97F4A7C15) & mask
        second = (second + 0xBB67AE8584CAA73B) & mask
    return [a, b, c, d]


def test_noise_is_philox_and_so_the_same_in_every_numpy():
    seed, key, position = 12345678901234567890, 17, 3
    words = philox((seed, key), (1, 0, position, 0)) + philox((seed, key), (2, 0, position, 0))
    uniform = (np.array([word >> 12 for word in words]) + 0.5) * 2.0**-52
    want = -np.log(-np.log(uniform))
    np.testing.assert_allclose(gumbel_noise(seed, key, position, 8), want, rtol=1e-12)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seeds_outside_64_bits_are_refused(seed):
    with pytest.raises(ForetellError, match="seed must be from 0"):
        Sample(seed)
    with pytest.raises(ForetellError, match="seed must be from 0"):
        gumbel_noise(seed, 0, 0, 1)


def test_row_keys_are_checked():
    with pytest.raises(ForetellError, match="row key must be from 0"):
        gumbel_noise(0, key=-3, position=17, size=256)
