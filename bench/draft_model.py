#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What copying gains beside a draft model: replays recorded answers with one that is simulated, over several seeds.

Prints for one turn number, by category and in total, what plain decoding costs over what each policy costs, as means
over the seeds, and how much cheaper the default is than the others."""

import argparse
import collections
import concurrent.futures
import json
import subprocess
import sys

POLICIES = ("draft", "published-draft", "default")


def replayed(arguments, policy, seed):
    """Tokens and cost by turn number and category, and of each turn number in total."""
    command = [arguments.replay, "--policy", policy, "--trace", arguments.trace, "--format", "json",
               "--marginal-cost", str(arguments.marginal_cost), "--draft-chance", str(arguments.chance),
               "--draft-cost", str(arguments.cost), "--draft-seed", str(seed)]
    if policy != "default":
        command += ["--draft-tokens", str(arguments.tokens)]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    sums = collections.defaultdict(lambda: [0, 0.0])
    for turn in report["turns"]:
        for key in ((turn["turn"], turn["category"]), (turn["turn"], "total")):
            sums[key][0] += turn["tokens"]
            sums[key][1] += turn["cost"]
    return {key: tokens / cost for key, (tokens, cost) in sums.items() if cost > 0}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replay", default="build/release/bin/copyspec-replay", help="the program copyspec-replay")
    parser.add_argument("--trace", required=True)
    parser.add_argument("--turn", type=int, action="append", help="turn numbers to be shown; default: 1 and 2")
    parser.add_argument("--marginal-cost", type=float, default=0.02, help="what a row adds to a pass")
    parser.add_argument("--chance", type=float, default=0.72, help="that the draft model is right")
    parser.add_argument("--cost", type=float, default=0.15, help="of a pass of the draft model")
    parser.add_argument("--tokens", type=int, default=5, help="that the other policies draft")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1, help="replays at a time")
    arguments = parser.parse_args()

    jobs = [(policy, seed) for policy in POLICIES for seed in range(1, arguments.seeds + 1)]
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        speedups = dict(zip(jobs, pool.map(lambda job: replayed(arguments, *job), jobs)))

    def mean(policy, key):
        return sum(speedups[policy, seed][key] for seed in range(1, arguments.seeds + 1)) / arguments.seeds

    def over(policy, key):
        ratios = [speedups["default", seed][key] / speedups[policy, seed][key]
                  for seed in range(1, arguments.seeds + 1)]
        return f"{sum(ratios) / len(ratios):.3f} ({min(ratios):.3f})"

    print("| turn, category | draft model alone | published rule, then draft model | default over it | default by "
          "the draft model (least) | by the published rule (least) |")
    print("|---|---|---|---|---|---|")
    keys = next(iter(speedups.values()))
    for turn in arguments.turn or (1, 2):
        for key in sorted((key for key in keys if key[0] == turn), key=lambda key: (key[1] == "total", key[1])):
            cells = [f"{mean(policy, key):.3f}" for policy in POLICIES]
            print(f"| {turn}, {key[1]} | " + " | ".join(cells + [over("draft", key), over("published-draft", key)]) +
                  " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
