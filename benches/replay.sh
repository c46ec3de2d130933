#!/usr/bin/env bash
# How fast a replay is, beside `gzip -dc` over the same capture, in turn with it. Writes a page of the logbook.
#
#   benches/replay.sh [--runs N] [--note TEXT] [--keep FOLDER] [CASE…]
#
# Cases: three (the three upstream rules files), default (falco_rules.yaml), dummy (one rule that never matches);
# all of them unless named. --keep holds the large captures (2 GB) for the next time; without it they are removed.
set -euo pipefail
cd "$(dirname "$0")/.."

runs=5 note="" keep="" cases=()
while (($#)); do
    case $1 in
        --runs) runs=$2; shift 2 ;;
        --note) note=$2; shift 2 ;;
        --keep) keep=$2; shift 2 ;;
        three | default | dummy) cases+=("$1"); shift ;;
        *) sed -n 's/^# \{0,1\}//p' "$0" | sed 1d >&2; exit 2 ;;
    esac
done
((${#cases[@]})) || cases=(three default dummy)

oracle=../shared/oracle rules=../shared/rules
[[ -x $oracle/enlarge ]] || { echo "the captures to measure with are not here: $oracle" >&2; exit 2; }
[[ -x /usr/bin/time ]] || { echo "GNU time is missing: apt-get install -y time" >&2; exit 2; }

cargo build --release -q -p falco-replay
bin="${CARGO_TARGET_DIR:-$PWD/target}/release/falco-replay"

scratch=${keep:-$(mktemp -d "${TMPDIR:-/tmp}/falco-replay-bench.XXXXXX")}
mkdir -p "$scratch"
work=$(mktemp -d "${TMPDIR:-/tmp}/falco-replay-bench.XXXXXX")
trap 'rm -rf "$work"; [[ -n $keep ]] || rm -rf "$scratch"' EXIT
capture=$scratch/big-mix-def-x20.scap
if [[ ! -s $capture.gz ]]; then
    "$oracle/enlarge" "$oracle/guest/big-mix-def/capture.scap" "$capture.part" 20 >&2
    mv "$capture.part" "$capture"
    gzip -6 -c "$capture" >"$capture.gz.part"
    mv "$capture.gz.part" "$capture.gz"
fi
events=10527100

cat >"$work/dummy.yaml" <<'END'
- rule: Never
  desc: One rule that costs next to nothing and never matches.
  condition: evt.type = open and proc.name = no-such-program
  output: never
  priority: DEBUG
END

page=benches/runs/$(date -u +%Y-%m-%d)
for again in "" b c d e f g h; do [[ -e $page$again ]] || break; done
page+=$again
mkdir -p "$page"
echo "case,run,what,user_s,system_s,wall_s,peak_kib,alerts" >"$page/raw.csv"

# One timed command: its alerts go to a file that is counted, gzip's bytes nowhere.
measure() {
    local case=$1 run=$2 what=$3 expected=$4 out=$work/out
    shift 4
    [[ $what == gzip ]] && out=/dev/null
    /usr/bin/time -q -o "$work/time" -f '%U,%S,%e,%M' "$@" >"$out" || { echo "$what failed: $*" >&2; exit 1; }
    local alerts=""
    if [[ $what == replay ]]; then
        alerts=$(wc -l <"$out")
        if [[ $alerts -ne $expected ]]; then
            echo "$case: $alerts alerts, expected $expected: the figures would mean nothing" >&2
            exit 1
        fi
    fi
    echo "$case,$run,$what,$(cat "$work/time"),$alerts" >>"$page/raw.csv"
}

for case in "${cases[@]}"; do
    case $case in
        three) files=(falco_rules.yaml falco-incubating_rules.yaml falco-sandbox_rules.yaml) expected=2880 ;;
        default) files=(falco_rules.yaml) expected=1780 ;;
        dummy) files=() expected=0 ;;
    esac
    arguments=()
    for file in "${files[@]}"; do arguments+=(-r "$rules/$file"); done
    ((${#files[@]})) || arguments=(-r "$work/dummy.yaml")
    cat "$capture" >/dev/null # both find their input in memory
    for ((run = 1; run <= runs; run++)); do
        echo "$case, run $run of $runs" >&2
        cat "$capture.gz" >/dev/null
        measure "$case" "$run" gzip 0 gzip -dc "$capture.gz"
        cat "$capture" >/dev/null
        measure "$case" "$run" replay "$expected" "$bin" run -q --exit-zero --threads 1 "${arguments[@]}" "$capture"
    done
done

summary=$(python3 - "$page/raw.csv" "$events" <<'END'
import csv, statistics, sys
events = int(sys.argv[2])
cpu, peak = {}, {}
for row in csv.DictReader(open(sys.argv[1])):
    key = row['case'], row['what']
    cpu.setdefault(key, []).append(float(row['user_s']) + float(row['system_s']))
    peak[key] = max(peak.get(key, 0), int(row['peak_kib']))
print('| rules | replay, CPU s (min / median) | µs an event (min) | `gzip -dc`, CPU s (min / median) | ratio of minima | peak memory |')
print('|---|---|---|---|---|---|')
for case in dict.fromkeys(case for case, _ in cpu):
    ours, gzip = cpu[case, 'replay'], cpu[case, 'gzip']
    print(f'| {case} | {min(ours):.2f} / {statistics.median(ours):.2f} | {min(ours) / events * 1e6:.3f} '
          f'| {min(gzip):.2f} / {statistics.median(gzip):.2f} | {min(ours) / min(gzip):.2f} | {peak[case, "replay"] / 1024:.0f} MiB |')
END
)
{
    echo "# $(date -u +%Y-%m-%d): replay beside \`gzip -dc\`"
    echo
    [[ -z $note ]] || printf '%s\n\n' "$note"
    echo "$summary"
    echo
    echo "\`benches/replay.sh --runs $runs ${cases[*]}\`, the two commands in turn, each with its input in the page cache."
    echo "CPU is user plus system time of the whole process. The raw figures are in [raw.csv](raw.csv)."
    echo
    echo "| | |"
    echo "|---|---|"
    echo "| capture | \`guest/big-mix-def\` × 20: $events events, $(stat -c %s "$capture") bytes |"
    echo "| program | $("$bin" --version), commit $(git rev-parse --short HEAD)$([[ -z $(git status --porcelain -- '*.rs' '*.toml') ]] || echo ", with changes") |"
    echo "| compiler | $(rustc --version) |"
    echo "| gzip | $(gzip --version | head -1) |"
    echo "| processor | $(lscpu | sed -n 's/^Model name: *//p' | head -1), $(nproc) in use |"
    echo "| kernel | $(uname -sr) |"
    echo "| load | $(cut -d' ' -f1-3 /proc/loadavg) at the end of the runs |"
} >"$page/README.md"
echo "$summary"
echo "$page/README.md" >&2
