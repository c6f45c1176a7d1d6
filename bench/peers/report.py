# SPDX-License-Identifier: MIT
"""Makes table.md, table.json, speedup.svg and steps.svg from the result.json that copyspec-peers has left in a folder.

    python3 report.py FOLDER
"""

import json
import pathlib
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "copyspec", "font.size": 9})

import matplotlib.pyplot as plt  # noqa: E402

OWN = "copyspec"
OTHERS = "best of the others"
MODES = {"nothing": "nothing shared", "history": "history shared"}
SETTINGS = {"default": "default settings", "best": "best setting for each trace and cost"}


def speedup(cell, cost):
    return cell["tokens"] / (cell["passes"] + cost * cell["drafted"])


def summary(result):
    """For each mode, setting, trace and cost: what each peer reaches, and the best of the others."""
    rows = []
    traces = unique(cell["trace"] for cell in result["cells"])
    for mode in MODES:
        for settings in SETTINGS:
            for trace in traces:
                for cost in result["costs"]:
                    best = {}
                    for cell in result["cells"]:
                        if cell["trace"] != trace or (settings == "default" and not cell["default"]):
                            continue
                        if cell["shares_history"] and cell["history"] != (mode == "history"):
                            continue
                        if cell["told"] not in (None, cost):
                            continue
                        row = {
                            "mode": mode,
                            "settings": settings,
                            "trace": trace,
                            "cost": cost,
                            "peer": cell["peer"],
                            "setting": cell["setting"],
                            "speedup": speedup(cell, cost),
                            "drafted": cell["drafted"],
                            "accepted": cell["accepted"],
                        }
                        if cell["peer"] not in best or row["speedup"] > best[cell["peer"]]["speedup"]:
                            best[cell["peer"]] = row
                    others = [row for peer, row in best.items() if not peer.startswith(OWN)]
                    first = max(others, key=lambda row: row["speedup"])
                    rows += best.values()
                    rows.append({**first, "peer": OTHERS, "setting": f"{first['peer']}, {first['setting']}"})
    return rows


def unique(values):
    return list(dict.fromkeys(values))


def means(rows, mode, settings, peer, costs):
    chosen = [row for row in rows if (row["mode"], row["settings"], row["peer"]) == (mode, settings, peer)]
    by_cost = ([row["speedup"] for row in chosen if row["cost"] == cost] for cost in costs)
    return [sum(values) / len(values) for values in by_cost]


def acceptance(rows, mode, settings, peer, cost):
    """Accepted of drafted tokens, all traces together; None if there were none."""
    chosen = [row for row in rows if (row["mode"], row["settings"], row["peer"]) == (mode, settings, peer)]
    drafted = sum(row["drafted"] for row in chosen if row["cost"] == cost)
    accepted = sum(row["accepted"] for row in chosen if row["cost"] == cost)
    return accepted / drafted if drafted else None


def markdown(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def mean_table(result, rows, mode, settings):
    peers = unique(row["peer"] for row in rows if row["peer"] != OTHERS)
    lines = []
    for peer in [*peers, OTHERS]:
        share = acceptance(rows, mode, settings, peer, result["timed_cost"])
        speedups = means(rows, mode, settings, peer, result["costs"])
        lines.append([peer, *(f"{value:.3f}" for value in speedups), "-" if share is None else f"{100 * share:.0f} %"])
    costs = [f"A = {cost}" for cost in result["costs"]]
    return markdown(["proposer", *costs, f"accepted, A = {result['timed_cost']}"], lines)


def trace_table(result, rows, mode):
    lines = []
    for trace in unique(row["trace"] for row in rows):
        for peer in unique(row["peer"] for row in rows):
            if peer != OTHERS and not peer.startswith(OWN):
                continue
            values = [f"{row['speedup']:.3f}" for row in rows
                      if (row["mode"], row["settings"], row["trace"], row["peer"]) == (mode, "best", trace, peer)]
            lines.append([trace, peer, *values])
    return markdown(["trace", "proposer", *(f"A = {cost}" for cost in result["costs"])], lines)


def setting_table(rows, mode):
    """Which of the others is best with which setting, and where."""
    where = {}
    for row in rows:
        if (row["mode"], row["settings"], row["peer"]) == (mode, "best", OTHERS):
            where.setdefault(row["setting"], {}).setdefault(row["cost"], []).append(row["trace"])
    lines = [[setting, "; ".join(f"{cost}: {', '.join(traces)}" for cost, traces in costs.items())]
             for setting, costs in where.items()]
    return markdown(["proposer and setting", "best at A, on trace"], lines)


def duration(nanoseconds):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds} ns"


def time_table(result):
    lengths = [f"{context['tokens']:,}" for context in result["times"][0]["contexts"]]
    lines = []
    for row in result["times"]:
        steps = [duration(context["step_ns"]) for context in row["contexts"]]
        ingests = [duration(context["ingest_ns"]) for context in row["contexts"]]
        kind = "" if row["peer"].startswith(OWN) else " (default)" if row["default"] else " (best)"
        lines.append([row["peer"] + kind, row["setting"], duration(row["natural_step_ns"]), *steps, *ingests])
    header = ["proposer", "setting", "step, traces", *(f"step, {length}" for length in lengths),
              *(f"ingest, {length}" for length in lengths)]
    return markdown(header, lines)


def table(result, rows):
    count = len(unique(row["trace"] for row in rows))
    traces = f"{count} traces" if count > 1 else "one trace"
    parts = []
    for mode, mode_text in MODES.items():
        for settings, settings_text in SETTINGS.items():
            parts.append(f"Mean speed-up of {traces}, {mode_text}, {settings_text}:\n\n"
                         + mean_table(result, rows, mode, settings))
    for mode, mode_text in MODES.items():
        parts.append(f"Each trace, {mode_text}, {SETTINGS['best']}:\n\n" + trace_table(result, rows, mode))
        parts.append(f"The best of the others, {mode_text}:\n\n" + setting_table(rows, mode))
    parts.append(f"Time a step and time to take in a prompt (best: on average at A = {result['timed_cost']}):\n\n"
                 + time_table(result))
    return "\n".join(parts)


def look(peer, peers):
    """The same colour for a peer in all pictures; ours stand out."""
    if peer.startswith(OWN):
        style = ":" if "Mixing" not in peer else "--" if peer.endswith("trees") else "-"
        return {"color": "black", "linewidth": 2, "linestyle": style}
    return {"color": f"C{[other for other in peers if not other.startswith(OWN)].index(peer)}", "linewidth": 1.2}


def save(figure, path):
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, handlelength=3.5)
    figure.savefig(path, metadata={"Date": None})


def draw_speedups(result, rows, path):
    peers = unique(row["peer"] for row in rows if row["peer"] != OTHERS)
    figure, axes = plt.subplots(2, 2, figsize=(9, 7.5), sharex=True, sharey=True, layout="constrained")
    for line, (mode, mode_text) in zip(axes, MODES.items()):
        for axis, (settings, settings_text) in zip(line, SETTINGS.items()):
            for peer in peers:
                axis.plot(result["costs"], means(rows, mode, settings, peer, result["costs"]), label=peer,
                          marker=".", **look(peer, peers))
            axis.axhline(1, color="grey", linewidth=0.6)
            axis.set_xscale("log")
            axis.set_xticks(result["costs"], [str(cost) for cost in result["costs"]])
            axis.minorticks_off()
            axis.set_title(f"{mode_text}, {settings_text}", fontsize=9)
    for axis in axes[1]:
        axis.set_xlabel("cost of a drafted token, in passes (A)")
    for axis in axes[:, 0]:
        axis.set_ylabel("modelled speed-up, mean of the traces")
    save(figure, path)


def draw_times(result, path):
    peers = unique(cell["peer"] for cell in result["cells"])
    figure, axes = plt.subplots(1, 2, figsize=(9, 5), layout="constrained")
    for row in result["times"]:
        if not row["default"]:
            continue
        lengths = [context["tokens"] for context in row["contexts"]]
        for axis, key in zip(axes, ("step_ns", "ingest_ns")):
            axis.loglog(lengths, [context[key] / 1e3 for context in row["contexts"]], label=row["peer"], marker=".",
                        **look(row["peer"], peers))
    axes[0].set_title("a step, median, default settings", fontsize=9)
    axes[1].set_title("taking in a prompt, default settings", fontsize=9)
    for axis in axes:
        axis.set_xlabel("tokens of context")
        axis.set_ylabel("µs")
    save(figure, path)


def main(folder):
    result = json.loads((folder / "result.json").read_text())
    order = unique(cell["peer"] for cell in result["cells"])
    result["times"].sort(key=lambda row: order.index(row["peer"]))
    rows = summary(result)
    text = table(result, rows)
    (folder / "table.md").write_text(text)
    (folder / "table.json").write_text(json.dumps({"speedups": rows, "times": result["times"]}, indent=1) + "\n")
    draw_speedups(result, rows, folder / "speedup.svg")
    draw_times(result, folder / "steps.svg")
    print(text)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
