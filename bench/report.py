"""Tables, ratios and files out of what bench/run measured."""

import json
import statistics

# (heading, key in the summary, format); by kind of scenario.
TRANSACTION_COLUMNS = (
    ("tps", "tps", "{:.0f}"), ("p50 µs", "p50_us", "{:.0f}"), ("p99 µs", "p99_us", "{:.0f}"),
    ("p99.9 µs", "p999_us", "{:.0f}"), ("CPU µs/txn", "cpu_us_per_txn", "{:.2f}"),
    ("syscalls/txn", "syscalls", "{:.2f}"), ("(strace)", "syscalls_strace", "{:.2f}"),
    ("RSS MB", "rss_mb", "{:.1f}"))
STREAM_COLUMNS = (
    ("MB/s", "mb_per_s", "{:.0f}"), ("CPU µs/MB", "cpu_us_per_mb", "{:.1f}"),
    ("syscalls/MB", "syscalls", "{:.1f}"), ("RSS MB", "rss_mb", "{:.1f}"))
IDLE_COLUMNS = (
    ("RSS MB, none", "rss_empty_mb", "{:.1f}"), ("RSS MB, all", "rss_mb", "{:.1f}"),
    ("kB/client", "kb_per_client", "{:.2f}"), ("after a burst", "kb_per_used_client", "{:.2f}"),
    ("CPU µs/s, all idle", "idle_cpu_us_per_s", "{:.0f}"))

# By kind of scenario: the ratios worth giving, as (label, key).
TO_FORWARDER = {"stream": (("CPU", "cpu_us_per_mb"),), "idle": ()}
TO_PGBOUNCER = {"stream": (("CPU", "cpu_us_per_mb"), ("MB/s", "mb_per_s")),
                "idle": (("kB/client", "kb_per_client"), ("RSS", "rss_mb"))}
CPU = (("CPU", "cpu_us_per_txn"),)
CPU_AND_TIME = (*CPU, ("p50", "p50_us"), ("p99", "p99_us"), ("tps", "tps"))


def columns_of(scenario):
    return {"stream": STREAM_COLUMNS, "idle": IDLE_COLUMNS}.get(scenario.work, TRANSACTION_COLUMNS)


def derive(scenario, summary):
    """Adds the figures that the tables show to a round or a summary; twice does no harm."""
    if "rss_kb" in summary:
        summary["rss_mb"] = summary["rss_kb"] / 1024
    if "rss_empty_kb" in summary:
        summary["rss_empty_mb"] = summary["rss_empty_kb"] / 1024
    if scenario.work == "stream" and "cpu_us" in summary:
        summary["cpu_us_per_mb"] = summary["cpu_us"] / (max(summary["bytes"], 1) / 1e6)
        summary.pop("cpu_us_per_txn", None)
    if summary.get("syscalls_by_name"):
        summary["syscalls_strace"] = sum(summary["syscalls_by_name"].values())
    full_speed = summary.get("syscalls_full_speed") or summary.get("syscalls_strace")
    if full_speed:
        summary["syscalls"] = full_speed
    return summary


def paired_ratio(ours, theirs, key):
    """The median of the ratios within each round, or None. Two runs of one round are seconds apart
    and share the machine's mood: measured with a program against itself, this errs by half as much
    as a ratio of medians."""
    by_round = {one["round"]: one[key] for one in theirs if one.get(key)}
    found = [one[key] / by_round[one["round"]] for one in ours
             if one.get(key) and one["round"] in by_round]
    return round(statistics.median(found), 3) if found else None


def ratios(scenario, results):
    """{contestant: {"forwarder": {"CPU": …}, "pgbouncer": {"CPU": …, "p99": …}}}; none for runs
    with errors, whose transactions cost something else."""
    answer = {}
    wanted = {"forwarder": TO_FORWARDER.get(scenario.work, CPU),
              "pgbouncer": TO_PGBOUNCER.get(scenario.work, CPU_AND_TIME)}
    sound = {name: result["rounds"] for name, result in results.items()
             if "summary" in result and not result["summary"]["errors"]}
    for name, rounds in sound.items():
        # Several threads share few clients with smaller batches: that is the kernel's price, and
        # what a proxy adds to it shows beside a forwarder of as many threads.
        twin = name.replace("weir", "forwarder")
        more = {twin: wanted["forwarder"]} if twin in sound and twin != name else {}
        for base, pairs in (wanted | more).items():
            if name.startswith("forwarder") or name == base or base not in sound:
                continue
            found = {label: paired_ratio(rounds, sound[base], key) for label, key in pairs}
            found = {label: value for label, value in found.items() if value is not None}
            if found:
                answer.setdefault(name, {})[base] = found
    return answer


def ratio_lines(scenario, results):
    """["weir-1: CPU 1.12 × forwarder; CPU 0.85, p99 0.91 × pgbouncer", …]"""
    lines = []
    for name, by_base in ratios(scenario, results).items():
        parts = [", ".join(f"{label} {value:.2f}" for label, value in found.items())
                 + f" × {base}" for base, found in by_base.items()]
        lines.append(f"{name}: " + "; ".join(parts))
    return lines


def rows_of(scenario, results):
    columns = columns_of(scenario)
    rows = [[""] + [heading for heading, _, _ in columns]]
    notes = []
    for name, result in results.items():
        label = name
        if result.get("note"):
            notes.append(f"{name}: {result['note']}")
            label += " *"
        summary = result.get("summary")
        if summary is None:
            rows.append([label] + ["n/a"] * len(columns))
            continue
        if summary.get("errors"):
            notes.append(f"{name}: {summary['errors']} ERRORS {result.get('message', '')}")
            label += " !"
        rows.append([label] + [layout.format(summary[key]) if key in summary else "-"
                               for _, key, layout in columns])
    return rows, notes


def print_scenario(scenario, results):
    rows, notes = rows_of(scenario, results)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    print(f"\n{scenario.name}")
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]
        print("  " + "  ".join(cells))
    for line in ratio_lines(scenario, results):
        print(f"  {line}")
    for note in notes:
        print(f"  * {note}")


def markdown(measured):
    lines = []
    for scenario, results in measured:
        rows, notes = rows_of(scenario, results)
        lines += [f"**{scenario.name}**", "", "| " + " | ".join(rows[0]) + " |",
                  "|---|" + "---:|" * (len(rows[0]) - 1)]
        lines += ["| " + " | ".join(row) + " |" for row in rows[1:]]
        lines += [""]
        lines += [f"* {line}" for line in ratio_lines(scenario, results)]
        lines += [f"* note: {note}" for note in notes] + [""]
    return "\n".join(lines)


def print_overview(measured):
    """The ratios again, together: the answer to "is it better?" on one screen."""
    print("\nratios (CPU, p50, p99, kB: below 1 is better; tps, MB/s: above 1)")
    for scenario, results in measured:
        for line in ratio_lines(scenario, results):
            print(f"  {scenario.name}  {line}")


def write_json(path, facts, measured):
    scenarios = [{"scenario": scenario.name, "contestants": results,
                  "ratios": ratios(scenario, results)}
                 for scenario, results in measured]
    with open(path, "w", encoding="utf-8") as out:
        json.dump({"facts": facts, "scenarios": scenarios}, out, indent=1, ensure_ascii=False)
        out.write("\n")
