"""Runs the built fuzzers, each for its share of the time, and says how many inputs each tried.

    tests/fuzz/run.py BUILD [--seconds 600] [--jobs 1] [TARGET...]      (./hn fuzz builds them and calls this)

New inputs that reach further are kept in BUILD/corpus and begin the next run. A finding is a file in BUILD/found; it is printed with the
command that runs it again, the other fuzzers go on, and the exit status is 1.
"""
import argparse, concurrent.futures, os, re, shutil, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
INPUT_SECONDS, MEMORY_MIB, ALLOCATION_MIB = 10, 2048, 1024
REPORT_LINES = 60


def number(pattern, text):
    found = re.findall(pattern, text, re.M)
    return int(found[-1]) if found else 0


def run(build, target, seconds, scratch):
    corpus, found = os.path.join(build, "corpus", target), os.path.join(build, "found")
    for folder in (corpus, found): os.makedirs(folder, exist_ok=True)
    program = os.path.join(build, "fuzzers", target)
    before = set(os.listdir(found))
    own = tempfile.mkdtemp(prefix=target + "_", dir=scratch)
    limits = [f"-timeout={INPUT_SECONDS}", f"-rss_limit_mb={MEMORY_MIB}", f"-malloc_limit_mb={ALLOCATION_MIB}"]
    command = [program, corpus, os.path.join(HERE, "seeds", target), f"-max_total_time={seconds}", *limits, "-print_final_stats=1",
               f"-artifact_prefix={found}/{target}-"]
    start = time.monotonic()
    # The fuzzer ends by itself; the limit is for one that hangs where its own alarm does not reach.
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                              env={**os.environ, "TMPDIR": own}, timeout=2 * seconds + 300)
        code, text = done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as late:
        code, text = -1, (late.stdout or b"").decode(errors="replace") + "\nthe fuzzer itself did not end\n"
    shutil.rmtree(own, ignore_errors=True)
    return {"target": target, "code": code, "text": text, "seconds": time.monotonic() - start, "again": [program, *limits],
            "runs": number(r"^stat::number_of_executed_units:\s*(\d+)", text) or number(r"^#(\d+)\s", text),
            "edges": number(r"\bcov: (\d+)", text), "corpus": len(os.listdir(corpus)),
            "found": sorted(os.path.join(found, f) for f in set(os.listdir(found)) - before if f.startswith(target + "-"))}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--seconds", type=int, default=600, help="of all targets together, with one job")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("targets", nargs="*")
    options = parser.parse_intermixed_args()
    build = os.path.abspath(options.build)
    built = sorted(os.listdir(os.path.join(build, "fuzzers")))
    for target in options.targets:
        if target not in built: sys.exit(f"fuzz: expected a target of {', '.join(built)}, got {target}")
    targets = options.targets or built
    seconds = max(1, options.seconds * options.jobs // len(targets))
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    scratch = tempfile.mkdtemp(prefix="hn_fuzz_", dir=memory)
    print(f"{len(targets)} targets, {seconds} s each; an input may take {INPUT_SECONDS} s and {MEMORY_MIB} MiB", flush=True)
    print("| target | runs | seconds | runs a second | edges | corpus | findings |\n|---|---:|---:|---:|---:|---:|---:|", flush=True)
    bad, runs = [], 0
    try:
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for result in pool.map(lambda target: run(build, target, seconds, scratch), targets):
                rate = result["runs"] / max(result["seconds"], 1e-9)
                print(f"| {result['target']} | {result['runs']} | {result['seconds']:.0f} | {rate:.0f} | {result['edges']} | {result['corpus']} "
                      f"| {int(result['code'] != 0)} |", flush=True)
                runs += result["runs"]
                if result["code"] != 0: bad.append(result)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"{runs} runs in all, {len(bad)} targets with a finding", flush=True)
    for result in bad:
        lines = result["text"].splitlines()
        first = next((i for i, line in enumerate(lines) if "ERROR:" in line or "runtime error" in line or "terminate called" in line), max(0, len(lines) - REPORT_LINES))
        last = next((i for i in range(first, len(lines)) if lines[i].startswith(("Shadow bytes", "SUMMARY: "))), len(lines))
        print(f"\nfuzz: {result['target']}: " + "\n".join(lines[first:min(last + 1, first + REPORT_LINES)]))
        for file in result["found"]: print(f"fuzz: {result['target']}: {file}\nrun it again: {' '.join(result['again'])} {file}")
        if not result["found"]: print(f"fuzz: {result['target']}: exit status {result['code']}, and no input was kept")
    return 1 if bad else 0


if __name__ == "__main__": sys.exit(main())
