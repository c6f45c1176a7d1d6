# SPDX-License-Identifier: MIT
"""Makes engine.md from the engine.json that copyspec-peers-engine has left in a folder.

    python3 engine_report.py FOLDER
"""

import json
import pathlib
import statistics
import sys

from report import OWN, markdown, unique

PLAIN = "plain"
DEFAULT = "copyspec MixingProposer"
BEST = "best mode of llama.cpp"


def rate(runs, clock):
    """Tokens a second of some runs together."""
    return sum(run["tokens"] for run in runs) / sum(run[clock] for run in runs)


class Samples:
    """Runs of one model, of some conversations together, with times by one of the clocks that they have."""

    def __init__(self, runs, clock="generation_seconds"):
        self.clock = clock
        self.ways = unique(run["way"] for run in runs)
        self.repetitions = unique(run["repetition"] for run in runs)
        self.runs = {}
        for run in runs:
            self.runs.setdefault((run["way"], run["repetition"]), []).append(run)

    def rates(self, way):
        return [rate(self.runs[way, repetition], self.clock) for repetition in self.repetitions]

    def rate(self, way):
        return statistics.median(self.rates(way))

    def ratios(self, way, other):
        """One for each repetition, in which both decoded the same conversations one right after the other."""
        return [own / others for own, others in zip(self.rates(way), self.rates(other))]

    def ratio(self, way, other):
        return statistics.median(self.ratios(way, other))

    def median(self, way, key):
        """Of what all conversations have together in a repetition."""
        return statistics.median(sum(run[key] for run in self.runs[way, repetition]) for repetition in self.repetitions)

    def best_mode(self):
        """The drafter of llama.cpp that is ahead of plain decoding by most."""
        peers = [way for way in self.ways if way != PLAIN and not way.startswith(OWN)]
        return max(peers, key=lambda way: self.ratio(way, PLAIN))


def spread(ratios):
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def way_table(runs):
    samples = Samples(runs)
    processor = Samples(runs, "processor_seconds")
    lines = []
    for way in samples.ways:
        outside = 1 - samples.median(way, "forward_seconds") / samples.median(way, "generation_seconds")
        lines.append([way, f"{samples.rate(way):.1f}", f"{samples.ratio(way, PLAIN):.2f}x",
                      spread(samples.ratios(DEFAULT, way)), spread(processor.ratios(DEFAULT, way)),
                      f"{samples.median(way, 'tokens') / samples.median(way, 'passes'):.2f}",
                      *(f"{samples.median(way, key):.0f}" for key in ("passes", "drafted", "accepted")),
                      f"{100 * outside:.1f} %"])
    return markdown(["way", "tokens/s", "over plain", f"{DEFAULT} over it", "the same by processor time", "tokens a pass", "passes", "drafted",
                     "accepted", "outside passes"], lines)


def conversation_table(runs):
    lines = []
    for conversation in unique(run["conversation"] for run in runs):
        samples = Samples([run for run in runs if run["conversation"] == conversation])
        best = samples.best_mode()
        lines.append([conversation, f"{samples.rate(PLAIN):.1f}",
                      *(f"{samples.ratio(way, PLAIN):.2f}x" for way in samples.ways if way != PLAIN),
                      best.removeprefix("llama.cpp "), f"{samples.ratio(DEFAULT, best):.2f}"])
    ways = [way for way in samples.ways if way != PLAIN]
    return markdown(["conversation", "plain tokens/s", *ways, BEST, f"{DEFAULT} over it"], lines)


def difference_table(runs):
    """Each place where an answer parts from the plain one, once."""
    seen = {}
    for run in runs:
        if run["difference"]:
            place = (run["conversation"], run["difference"]["turn"], run["difference"]["token"], run["way"])
            seen.setdefault(place, []).append(run["difference"])
    lines = [[conversation, str(turn), str(token), way, str(len(found)),
              f"{found[0]['margin_in_plain_pass']:.3f}", f"{found[0]['margin_in_drafted_pass']:.3f}"]
             for (conversation, turn, token, way), found in seen.items()]
    return markdown(["conversation", "turn", "token", "way", "repetitions", "margin in the plain pass",
                     "margin the other way in the drafted pass"], lines) if lines else "None.\n"


def report(result):
    runs = result["runs"]
    parts = [f"## {result['model']}, {result['threads']} threads, n_batch {result['n_batch']}, "
             f"n_ubatch {result['n_ubatch']}\n"]
    for group in unique(run["group"] for run in runs):
        of_group = [run for run in runs if run["group"] == group]
        samples = Samples(of_group)
        best = samples.best_mode()
        ratios = samples.ratios(DEFAULT, best)
        parts.append(f"{group}, {len(samples.runs[PLAIN, 1])} conversations, medians of {len(samples.repetitions)} "
                     f"repetitions. {DEFAULT} over the {BEST}, {best}: {statistics.median(ratios):.3f} "
                     f"({', '.join(f'{ratio:.3f}' for ratio in ratios)}).\n\n" + way_table(of_group))
    parts.append("Each conversation, over plain, medians of ratios:\n\n" + conversation_table(runs))
    parts.append("Answers that part from the plain one:\n\n" + difference_table(runs))
    cut = unique(run["conversation"] for run in runs if not run["complete"])
    if cut:
        parts.append(f"Not ended by the model itself: {', '.join(cut)}.\n")
    curve = ", ".join(f"{point['rows']}: {point['relative']:.2f}" for point in result["pass_cost"]["curve"])
    parts.append(f"A pass of one row takes {1000 * result['pass_cost']['one_row_seconds']:.1f} ms; of more rows, times "
                 f"as long, as learnt: {curve}. A greedy token takes {result['greedy']['used_us']:.1f} µs as it is "
                 f"found for all, and would take {result['greedy']['common_sampler_us']:.1f} µs by common_sampler.\n")
    return "\n".join(parts)


def main(folder):
    results = json.loads((folder / "engine.json").read_text())
    text = "\n".join(report(result) for result in results)
    (folder / "engine.md").write_text(text)
    print(text)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
