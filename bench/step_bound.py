#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How early any detector can be on the jump of `tidewatch bench detect --steps`.

    bench/step_bound.py [--dispersion 1 1.2 2] [--keys 10000] [--per-day 1] [--check]

A jump from 1 to 3 posts/s, negative binomial counts of the given variance over mean, one false alarm a day over all keys. The CUSUM
that knows both rates and the dispersion is optimal among all detectors of that rate of false alarms (G. Moustakides, Annals of
Statistics 14, 1986), so that its delay is a bound for those that have to learn them. Computed as a Markov chain on a grid (D. Brook and
D. A. Evans, Biometrika 59, 1972): the threshold with the wanted rate in the quasi-stationary state, then the delay from that state.
Delays in whole seconds, from the jump to the end of the second that crosses. --check runs the chain's threshold for one false
alarm in 10,000 s against a simulation. Needs numpy.
"""
import argparse
from math import lgamma, log

import numpy as np

BEFORE, AFTER = 1.0, 3.0  # posts/s
CELLS, COUNTS = 2400, 60
THRESHOLD_LOW, THRESHOLD_HIGH, HALVINGS = 1.0, 30.0, 16


def probabilities(mean, dispersion):
    """Of 0 to COUNTS - 1 posts in a second: Poisson, or negative binomial."""
    posts = np.arange(COUNTS)
    if dispersion == 1:
        return np.exp(posts * log(mean) - mean - np.array([lgamma(k + 1) for k in posts]))
    shape, kept = mean / (dispersion - 1), 1 / dispersion
    return np.exp([lgamma(k + shape) - lgamma(shape) - lgamma(k + 1) + shape * log(kept) + k * log(1 - kept) for k in posts])


def transitions(threshold, chances, steps):
    """From cell to cell of the statistic below the threshold; what is missing in a row has crossed it."""
    width = threshold / CELLS
    centres = (np.arange(CELLS) + 0.5) * width
    centres[0] = 0
    matrix = np.zeros((CELLS, CELLS))
    for chance, step in zip(chances, steps):
        after = np.maximum(centres + step, 0)
        stays = after < threshold
        np.add.at(matrix, (np.flatnonzero(stays), (after[stays] / width).astype(int)), chance)
    return matrix


def settled(matrix):
    """The distribution of the statistic long after the start, and the chance a second to cross."""
    state = np.zeros(CELLS)
    state[0] = 1
    for _ in range(300):
        state = state @ matrix
        state /= state.sum()
    return state, float(state @ (1 - matrix.sum(axis=1)))


def solve(dispersion, seconds_per_alarm):
    """Threshold in nats, the distribution before the jump, and the chances and steps of a second."""
    before, after = probabilities(BEFORE, dispersion), probabilities(AFTER, dispersion)
    steps = np.log(after / before)
    low, high = THRESHOLD_LOW, THRESHOLD_HIGH
    for _ in range(HALVINGS):
        threshold = (low + high) / 2
        state, rate = settled(transitions(threshold, before, steps))
        low, high = (threshold, high) if rate > 1 / seconds_per_alarm else (low, threshold)
    return threshold, state, before, after, steps


def delays(dispersion, seconds_per_alarm):
    threshold, state, _, after, steps = solve(dispersion, seconds_per_alarm)
    matrix = transitions(threshold, after, steps)
    crossed = []
    while state.sum() > 0.005:
        state = state @ matrix
        crossed.append(1 - state.sum())
    return threshold, [int(np.argmax(np.array(crossed) >= q)) + 1 for q in (0.5, 0.9, 0.99)]


def check(dispersion, seconds_per_alarm=10_000, alarms=400, seed=1):
    """Seconds between false alarms of a simulated CUSUM at the chain's threshold."""
    threshold, _, before, _, steps = solve(dispersion, seconds_per_alarm)
    random = np.random.default_rng(seed)
    chains, seen, passed = np.zeros(1_000), 0, 0
    while seen < alarms:
        posts = random.choice(COUNTS, size=chains.size, p=before / before.sum())
        chains = np.maximum(chains + steps[posts], 0)
        seen += int((chains >= threshold).sum())
        chains[chains >= threshold] = 0
        passed += chains.size
    return passed / seen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dispersion", type=float, nargs="+", default=[1, 1.2, 2])
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--per-day", type=float, default=1)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    for dispersion in options.dispersion:
        if options.check:
            print(f"dispersion {dispersion:g}: 10,000 s between alarms wanted, {check(dispersion):,.0f} simulated", flush=True)
            continue
        threshold, (p50, p90, p99) = delays(dispersion, options.keys * 86_400 / options.per_day)
        print(f"dispersion {dispersion:g}: threshold {threshold:.2f} nats, delay p50 {p50} p90 {p90} p99 {p99} s", flush=True)


if __name__ == "__main__":
    main()
