#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""figures.py - print the figures of a run as tables in Markdown: figures.py FIGURES.JSON

First the figures that have a target, then every row.
"""
import json
import sys

UNCOMPARED = {"", "%"}  # units whose ratios say nothing


def number(value):
    """About three digits, whatever the size."""
    if value is None:
        return "–"
    if abs(value) < 0.05:
        return f"{value:.2f}"
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{decimals}f}"


def spread(series):
    if series["min"] == series["max"]:
        return number(series["median"])
    return f"{number(series['median'])} ({number(series['min'])}–{number(series['max'])})"


def header(*columns):
    return ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]


def machine(run):
    load = number(run["load_average"])
    quick = "short samples, " if run["quick"] else ""
    user = "root" if run["user"] == 0 else "an ordinary user"
    return (f"Run of {run['date'][:10]}: Linux {run['kernel']}, {run['processors']} processors, {quick}{run['runs']} rounds, "
            f"as {user}; load average at the end {load}. Medians, with the smallest and the largest sample in parentheses.")


def targets(run):
    lines = header("row", "subject", "figure", "target", "measured", "met")
    for series in run["series"]:
        for target in series["targets"]:
            wanted, measured = target["target"], f"{spread(series)} {series['unit']}"
            if "reference" in target:
                ratio = series["ratios"].get(target["reference"])
                wanted = f"{wanted[:-2]} × {target['reference']}"
                measured = f"{ratio:.2f} ×" if ratio is not None else "–"
            met = {True: "yes", False: "**no**", None: "not measured"}[target["met"]]
            lines.append(f"| {series['row']} | {series['subject']} | {series['metric']} | {wanted} | {measured} | {met} |")
    return lines


def row_table(name, of_row):
    metrics = list(dict.fromkeys((s["metric"], s["unit"]) for s in of_row))
    subjects = list(dict.fromkeys(s["subject"] for s in of_row))
    cells = {(s["subject"], s["metric"]): s for s in of_row}
    lines = ["", f"**{name}**", ""]
    lines += header("", *(f"{m}, {u}" if u else m for m, u in metrics))
    for subject in subjects:
        line = []
        for metric, unit in metrics:
            series = cells[subject, metric]
            text = series.get("why", "") if series["median"] is None else spread(series)
            if unit not in UNCOMPARED and series["median"] is not None:
                text += "".join(f"<br>{ratio:.2f} × {name}" for name, ratio in series["ratios"].items())
            line.append(text)
        lines.append(f"| {subject} | " + " | ".join(line) + " |")
    return lines


def page(run):
    lines = [machine(run), ""] + targets(run)
    for name in dict.fromkeys(s["row"] for s in run["series"]):
        lines += row_table(name, [s for s in run["series"] if s["row"] == name])
    return "\n".join(lines)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        print(page(json.load(file)))


if __name__ == "__main__":
    main()
