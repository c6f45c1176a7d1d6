# SPDX-License-Identifier: MIT
"""Makes results.json, table.md and picture.svg in OUT from what bench/gpu/run.sh has measured so far.

    python3 report.py MEASURED OUT
"""

import json
import pathlib
import sys

OURS = "copyspec"
CUB = "CUB, segmented"
DRAWN = "top-k 50, top-p 0.9"
ALL_ROWS = "copyspec, no row skipped"
SKIPPING = "copyspec, rows skipped"


def load(folder):
    results = {"device": None, "copy_bytes_per_second": None, "records": [], "drawn": [], "launches": {}, "steps": []}
    for name, kind in (
        ("bench.jsonl", "records"),
        ("torch.jsonl", "records"),
        ("sample.jsonl", "drawn"),
        ("torch_sampling.jsonl", "drawn"),
    ):
        path = folder / name
        for line in path.read_text().splitlines() if path.exists() else []:
            try:
                said = json.loads(line)
            except json.JSONDecodeError:
                # The last line of a step that was stopped.
                continue
            if "what" in said:
                results[kind].append(said)
            elif "launches_of" in said:
                results["launches"][said["launches_of"]] = said["launches"]
            else:
                results.update(said)
    for line in (folder / "steps.tsv").read_text().splitlines():
        name, outcome, seconds = line.split("\t")
        results["steps"].append({"name": name, "outcome": outcome, "seconds": int(seconds)})
    return results


def shape_of(record):
    return record["vocabulary"], record["scalar"], record["rows"], record["accepted"]


def by_shape(results, cache, kind="records"):
    shapes = {}
    for record in results[kind]:
        if record["cache"] == cache:
            shapes.setdefault(shape_of(record), {})[record["what"]] = record
    return dict(sorted(shapes.items()))


def number(value, digits=1):
    return "-" if value is None else f"{value:,.{digits}f}"


def microseconds(shape, what):
    return shape[what]["microseconds"] if what in shape else None


def ratio(a, b):
    return None if a is None or b is None else a / b


def table(results, cache):
    bandwidth = results["copy_bytes_per_second"]
    lines = [
        f"## {cache.capitalize()}, microseconds",
        "",
        "| vocabulary | scalar | rows | accepted | MB | copy limit | copyspec | of the limit | no row skipped "
        "| rows skipped | CUB, segmented | torch | CUB / copyspec | torch / copyspec |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for key, shape in by_shape(results, cache).items():
        vocabulary, scalar, rows, accepted = key
        size = next(iter(shape.values()))["bytes"]
        limit = 1e6 * size / bandwidth
        ours, cub, torch = (microseconds(shape, what) for what in (OURS, CUB, "torch"))
        share = ratio(limit, ours)
        lines.append(
            f"| {vocabulary:,} | {scalar} | {rows} | {accepted} | {size / 1e6:.1f} | {limit:.2f} | {number(ours, 2)} "
            f"| {'-' if share is None else f'{100 * share:.0f} %'} | {number(microseconds(shape, ALL_ROWS), 2)} "
            f"| {number(microseconds(shape, SKIPPING), 2)} | {number(cub, 2)} | {number(torch, 2)} "
            f"| {number(ratio(cub, ours))} | {number(ratio(torch, ours))} |"
        )
    return lines


def drawn_table(results, cache):
    """What drawing takes, in each way that was measured."""
    shapes = by_shape(results, cache, "drawn")
    ways = list(dict.fromkeys(what for shape in shapes.values() for what in shape))
    lines = [
        f"## Drawn, {cache}, microseconds",
        "",
        "| vocabulary | scalar | rows | accepted | " + " | ".join(ways) + " |",
        "|---|---|---|---|" + "---|" * len(ways),
    ]
    for (vocabulary, scalar, rows, accepted), shape in shapes.items():
        said = " | ".join(number(microseconds(shape, way), 2) for way in ways)
        lines.append(f"| {vocabulary:,} | {scalar} | {rows} | {accepted} | {said} |")
    return lines


def drawn_targets(results):
    found = []
    one = [
        microseconds(shapes[151936, "bf16", 11, 10], DRAWN)
        for shapes in (by_shape(results, "hot", "drawn"), by_shape(results, "streamed", "drawn"))
        if DRAWN in shapes.get((151936, "bf16", 11, 10), {})
    ]
    if one:
        said = ", ".join(f"{value:.2f} us" for value in one)
        found.append((f"11 rows x 151,936 bf16 by {DRAWN} in at most 8 us (hot, streamed)", said, max(one) <= 8))
    for peer in ("flashinfer", "torch"):
        faster = [
            ratio(microseconds(shape, peer), microseconds(shape, DRAWN))
            for cache in ("hot", "streamed")
            for (vocabulary, _, rows, _), shape in by_shape(results, cache, "drawn").items()
            if vocabulary == 128256 and rows == 88 and peer in shape and DRAWN in shape
        ]
        if faster:
            said = f"{min(faster):.2f}x to {max(faster):.2f}x"
            found.append((f"88 rows x 128,256 by {DRAWN} at least 3x faster than {peer}", said, min(faster) >= 3))
    return found


def launches(results):
    counted = {what: {count} for what, count in results["launches"].items()}
    for record in results["records"] + results["drawn"]:
        if "launches" in record:
            counted.setdefault(record["what"], set()).add(record["launches"])
    lines = ["## Launches a verification", "", "| what | kernels and copies |", "|---|---|"]
    for what, counts in counted.items():
        lines.append(f"| {what} | {', '.join(str(count) for count in sorted(counts))} |")
    return lines


def targets(results):
    """What the project has set itself, each with what was measured."""
    bandwidth = results["copy_bytes_per_second"]
    streamed = by_shape(results, "streamed")
    hot = by_shape(results, "hot")
    found = []
    one = [
        microseconds(shapes[151936, "bf16", 11, 10], OURS)
        for shapes in (hot, streamed)
        if OURS in shapes.get((151936, "bf16", 11, 10), {})
    ]
    if one:
        said = ", ".join(f"{value:.2f} us" for value in one)
        found.append(("11 rows x 151,936 bf16 in at most 5 us (hot, streamed)", said, max(one) <= 5))
    shares = [
        1e6 * shape[OURS]["bytes"] / bandwidth / shape[OURS]["microseconds"]
        for (_, _, rows, accepted), shape in streamed.items()
        if rows == 704 and accepted == 10 and OURS in shape
    ]
    if shares:
        said = f"{100 * min(shares):.0f} to {100 * max(shares):.0f} %"
        found.append(("704 rows, all read, at 85 % or more of the copy bandwidth", said, min(shares) >= 0.85))
    faster = [
        ratio(microseconds(shape, "torch"), microseconds(shape, OURS))
        for shapes in (hot, streamed)
        for shape in shapes.values()
        if "torch" in shape and OURS in shape
    ]
    if faster:
        said = f"{min(faster):.2f}x to {max(faster):.2f}x"
        found.append(("at least 2x faster than torch.argmax and a comparison, at every shape", said, min(faster) >= 2))
    saved = [
        ratio(microseconds(shape, ALL_ROWS), microseconds(shape, SKIPPING))
        for (_, _, rows, accepted), shape in streamed.items()
        if rows == 704 and accepted == 0 and ALL_ROWS in shape and SKIPPING in shape
    ]
    if saved:
        said = f"{min(saved):.2f}x to {max(saved):.2f}x"
        found.append(("skipping saves time at 704 rows, nothing accepted", said, min(saved) > 1))
    found += drawn_targets(results)
    return [{"target": name, "measured": said, "met": met} for name, said, met in found]


def bars(results):
    """Streamed times against the copy limit, for the rows that are all read."""
    bandwidth = results["copy_bytes_per_second"]
    for key, shape in by_shape(results, "streamed").items():
        vocabulary, scalar, rows, accepted = key
        if vocabulary != 151936 or accepted != (0 if rows == 1 else 10):
            continue
        limit = 1e6 * next(iter(shape.values()))["bytes"] / bandwidth
        values = [("copy limit", limit)]
        values += [(what, microseconds(shape, what)) for what in (OURS, CUB, "torch") if what in shape]
        yield f"{rows} {'row' if rows == 1 else 'rows'}, {scalar}", values


def picture(results):
    colours = {"copy limit": "#9aa5b1", OURS: "#1f6feb", CUB: "#d29922", "torch": "#cf222e"}
    groups = list(bars(results))
    longest = max((value for _, values in groups for _, value in values), default=1.0)
    left, width, bar, gap, top = 130, 560, 14, 14, 56
    height = top + sum(len(values) * bar + gap for _, values in groups) + 20
    # A square root shows microseconds and hundreds of them in one picture.
    scale = width / longest**0.5
    text = 'font-family="sans-serif" font-size="12"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 110} {height}" {text}>',
        f'<rect width="{left + width + 110}" height="{height}" fill="white"/>',
        f'<text x="10" y="20" font-size="14">Greedy verification, vocabulary 151,936, streamed, on {results["device"]}'
        "</text>",
    ]
    for index, (name, colour) in enumerate(colours.items()):
        parts.append(f'<rect x="{10 + 130 * index}" y="30" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{27 + 130 * index}" y="40">{name}</text>')
    y = top
    for label, values in groups:
        parts.append(f'<text x="10" y="{y + len(values) * bar / 2 + 4}">{label}</text>')
        for what, value in values:
            length = scale * value**0.5
            parts.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{bar - 2}" fill="{colours[what]}"/>')
            parts.append(f'<text x="{left + length + 4:.1f}" y="{y + bar - 4}" font-size="10">{value:.2f} us</text>')
            y += bar
        y += gap
    parts.append(f'<text x="10" y="{height - 8}" font-size="10">Bar lengths are square roots of times.</text></svg>')
    return "\n".join(parts) + "\n"


def main():
    folder = pathlib.Path(sys.argv[2])
    results = load(pathlib.Path(sys.argv[1]))
    lines = [f"# Measured on {results['device'] or 'no device'}", ""]
    if results["copy_bytes_per_second"] and results["records"]:
        results["targets"] = targets(results)
        lines += [f"Copy within the device: {results['copy_bytes_per_second'] / 1e9:,.0f} GB/s, read and written.", ""]
        lines += ["| target | measured | met |", "|---|---|---|"]
        lines += [f"| {t['target']} | {t['measured']} | {'yes' if t['met'] else 'NO'} |" for t in results["targets"]]
        lines += [""] + table(results, "streamed") + [""] + table(results, "hot") + [""] + launches(results) + [""]
        if results["drawn"]:
            lines += drawn_table(results, "streamed") + [""] + drawn_table(results, "hot") + [""]
        (folder / "picture.svg").write_text(picture(results))
    else:
        lines += ["Nothing was measured.", ""]
    lines += ["## Steps", "", "| step | outcome | seconds |", "|---|---|---|"]
    lines += [f"| {step['name']} | {step['outcome']} | {step['seconds']} |" for step in results["steps"]]
    (folder / "table.md").write_text("\n".join(lines) + "\n")
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
