"""The rows of a run (one JSON object a line in FOLDER/*.txt) as a Markdown table: parts down, rows across."""
import json
import sys
from pathlib import Path

ORDER = ["load", "text", "noise_net", "denoise", "decode", "one_step", "four_steps", "first_train_step", "train_step"]
rows = []
for file in sorted(Path(sys.argv[1]).glob("*.txt")):
    for line in file.read_text(errors="replace").splitlines():
        if line.startswith('{"row"'):
            rows.append(json.loads(line))
if not rows:
    sys.exit("report: no row was measured")
names = {name for row in rows for name in row if name.endswith(("_ms", "_mib"))}
times = [f"{name}_ms" for name in ORDER if f"{name}_ms" in names]
memory = sorted(name for name in names if name.endswith("_mib"))
print("| | " + " | ".join(row["row"] for row in rows) + " |")
print("|---|" + "---|" * len(rows))
for name in times + memory:
    unit = "ms" if name.endswith("_ms") else "MiB"
    label = name.removesuffix("_ms").removesuffix("_mib").replace("_", " ")
    cells = [f"{row[name]:.1f}" if unit == "ms" and name in row else f"{row[name]:.0f}" if name in row else "" for row in rows]
    print(f"| {label}, {unit} | " + " | ".join(cells) + " |")
