#!/usr/bin/env bash
# How small `.fcap` is, how fast it is made, replayed and hunted in, beside `gzip -dc` over the same events, in turn with it.
#
#   benches/fcap.sh FOLDER [RUNS]
#
# FOLDER holds the large captures of benches/replay.sh --keep FOLDER. Prints a table and writes a page of the logbook.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1 runs=${2:-5}
capture=$folder/big-mix-def-x20.scap
fcap=$folder/big-mix-def-x20.fcap
[[ -s $capture.gz ]] || { echo "no captures in $folder: run benches/replay.sh --keep $folder" >&2; exit 2; }
cargo build --release -q -p falco-replay
bin="${CARGO_TARGET_DIR:-$PWD/target}/release/falco-replay"
rules=../shared/rules
three=(-r "$rules/falco_rules.yaml" -r "$rules/falco-incubating_rules.yaml" -r "$rules/falco-sandbox_rules.yaml")
default=(-r "$rules/falco_rules.yaml")
events=10528560
page=benches/runs/$(date -u +%Y-%m-%d)-fcap
for again in "" b c d e f g h; do [[ -e $page$again ]] || break; done
page+=$again
mkdir -p "$page"
echo "what,run,user_s,system_s,wall_s,peak_kib" >"$page/raw.csv"
measure() {
    local what=$1 run=$2
    shift 2
    /usr/bin/time -o "$page/time" -f "%U,%S,%e,%M" "$@" >/dev/null 2>&1 || true
    # A status that is not 0 has a line of its own.
    echo "$what,$run,$(tail -1 "$page/time")" >>"$page/raw.csv"
}
"$bin" convert -q --force "$capture" -o "$fcap"
expected=$("$bin" run -q --exit-zero "${three[@]}" "$capture" | sha256sum)
[[ $("$bin" run -q --exit-zero "${three[@]}" "$fcap" | sha256sum) == "$expected" ]] || { echo "other alerts" >&2; exit 1; }
for run in $(seq "$runs"); do
    echo "run $run of $runs" >&2
    measure gzip "$run" gzip -dc "$capture.gz"
    measure convert-1 "$run" "$bin" convert -q --force --threads 1 "$capture" -o "$folder/again.fcap"
    measure convert-2 "$run" "$bin" convert -q --force --threads 2 "$capture" -o "$folder/again.fcap"
    cmp "$fcap" "$folder/again.fcap"
    measure three-1 "$run" "$bin" run -q --exit-zero --threads 1 "${three[@]}" "$fcap"
    measure three-2 "$run" "$bin" run -q --exit-zero --threads 2 "${three[@]}" "$fcap"
    measure default-1 "$run" "$bin" run -q --exit-zero --threads 1 "${default[@]}" "$fcap"
    measure hunt-absent "$run" "$bin" hunt -q --exit-zero --threads 1 \
        'proc.name = nosuchname or fd.sip = 198.51.100.77 or fd.name = /no/such/file' "$fcap"
    measure hunt-contains "$run" "$bin" hunt -q --exit-zero --threads 1 'proc.cmdline contains nosuchtext' "$fcap"
    measure hunt-everywhere "$run" "$bin" hunt -q --exit-zero --threads 1 --count 'proc.name = sh' "$fcap"
done
rm -f "$folder/again.fcap" "$page/time"
python3 - "$page" "$events" "$(stat -c %s "$fcap")" "$(stat -c %s "$capture")" <<'END' | tee "$page/README.md"
import csv, statistics, sys
page, events, size, raw = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
rows = list(csv.DictReader(open(f'{page}/raw.csv')))
figures = {}
for row in rows:
    figures.setdefault(row['what'], []).append((float(row['user_s']) + float(row['system_s']), float(row['wall_s']), int(row['peak_kib'])))
gzip = min(cpu for cpu, _, _ in figures['gzip'])
print(f'# .fcap, {events:,} events\n\n`benches/fcap.sh`, after `benches/replay.sh --keep`. Each figure is of a whole process; all in turn with `gzip -dc`.\n')
print(f'Size: {size:,} bytes, {size / events:.2f} an event; the .scap has {raw:,}.\n')
print('| what | CPU s (min / median) | µs an event (min) | ratio to `gzip -dc` (minima) | wall s (min / median) | peak memory |')
print('|---|---|---|---|---|---|')
for what, runs in figures.items():
    cpu, wall, peak = zip(*runs)
    print(f'| {what} | {min(cpu):.2f} / {statistics.median(cpu):.2f} | {min(cpu) / events * 1e6:.4f} | {min(cpu) / gzip:.3f} '
          f'| {min(wall):.2f} / {statistics.median(wall):.2f} | {max(peak) / 1024:.0f} MiB |')
END
