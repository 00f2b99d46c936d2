#!/bin/bash
# SPDX-License-Identifier: MIT
# Run tests, print what failed and why, and end with one line: "N passed, N failed".
#
#   run.sh layers                      includes point down only
#          'units:BUILD[:GLOB GLOB…]'  unit test binaries BUILD/tests/unit/test_*
#          'system:BUILD[:GLOB GLOB…]' tests/system/*.t with BUILD/holdfast
#          'attack:BUILD[:GLOB GLOB…]' tests/attack/*.t with BUILD/holdfast
#          fuzz:BUILD:SECONDS          every BUILD/tests/fuzz/fuzz_* for so long
#          fault:BUILD:OPTIONS         BUILD/tests/fault/faultsim with these
#          replay:BUILD                every BUILD/tests/fuzz/fuzz_*-replay over its part of tests/fuzz/corpus
#
# What a sanitizer says in a process that has gone to the background, and in a test that passes, is a failure of
# the test it was said in.
#
# Each test file has TEST_TIMEOUT seconds (600; 3600 with HOLDFAST_TEST_LONG=1). Exit 1 when anything failed, or when
# nothing is what was asked for.
set -u
cd "$(dirname "$0")/.." || exit 2
export TSAN_OPTIONS="${TSAN_OPTIONS:-}:suppressions=$PWD/tests/tsan.supp"
# What is freed is kept from use for 16 MiB of it, not 256: a third less processor time in all, most of it page faults.
export ASAN_OPTIONS="quarantine_size_mb=16:${ASAN_OPTIONS:-}"

long=${HOLDFAST_TEST_LONG:-0}
limit=${TEST_TIMEOUT:-$([ "$long" = 1 ] && echo 3600 || echo 600)}
jobs=${JOBS:-$(($(nproc) + 1))} # tests wait much
work=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-check.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 tallied=0

# What TAP and prove(1) call what was skipped.
skipped='# *(SKIP|skip)|^[^ ]*\.t \.* *skipped: '

# A long output's beginning and end (where a sanitizer's words are), and what failed between them with why.
ends()
{
	if [ "$(wc -l < "$1")" -le 100 ]; then
		cat "$1"
	else
		head -n 30 "$1"
		echo "[…]"
		head -n -50 "$1" | tail -n +31 | grep -A 10 '^not ok ' | head -n 100
		echo "[…]"
		tail -n 50 "$1"
	fi
}

# tally NAME EXIT SECONDS OUTPUT: count the TAP lines of one test file
tally()
{
	local name=$1 code=$2 seconds=$3 out=$4 ok not skip verdict=ok

	skip=$(grep -cE "$skipped" "$out")
	ok=$(grep -E '^ok ' "$out" | grep -cvE '# *(SKIP|skip)')
	not=$(grep -E '^not ok ' "$out" | grep -cvE "$skipped")
	if [ "$code" -ne 0 ] && [ "$not" -eq 0 ]; then
		not=1 # it died, ran out of time, or broke its plan
	elif [ "$code" -eq 0 ] && [ "$ok" -eq 0 ] && [ "$skip" -eq 0 ]; then
		not=1
		echo "# no test in it reported anything" >> "$out"
	fi
	[ "$ok" -eq 0 ] && [ "$skip" -gt 0 ] && verdict=SKIP
	[ "$not" -gt 0 ] && verdict=FAIL
	passed=$((passed + ok)) failed=$((failed + not)) tallied=$((tallied + 1))
	printf '%-4s %-44s %4d passed %3ds%s\n' "$verdict" "$name" "$ok" "$seconds" \
		"$([ "$not" -gt 0 ] && echo ", $not failed")"
	if [ "$not" -gt 0 ]; then
		[ "$code" -eq 124 ] && echo "     stopped after $limit s"
		ends "$out" | sed 's/^/     | /'
		echo "     exit code $code"
	fi
	grep -E "$skipped" "$out" | sed 's/^/     /' | head -n 20
}

# one unit test binary; its seconds and exit code go beside its output
unit_one()
{
	local bin=$1 out=$2 start=$SECONDS

	CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 10 "$limit" "$bin" > "$out" 2>&1 < /dev/null
	echo "$? $((SECONDS - start))" > "$out.result"
}

# matches NAME GLOBS
matches()
{
	local glob code=1

	set -f
	for glob in $2; do
		# shellcheck disable=SC2053 # a pattern is meant
		[[ $1 == $glob ]] && code=0
	done
	set +f
	return $code
}

# large_first FILE…: the large ones first, which take long mostly: then none of them is left alone at the end
large_first() { ls -S -- "$@"; }

run_units()
{
	local dir=$1 globs=${2:-*} bin name list=() sources=() code seconds running=0

	for bin in "$dir"/tests/unit/test_*; do
		[ -x "$bin" ] && [ -f "tests/unit/${bin##*/}.c" ] && matches "${bin##*/}" "$globs" && list+=("$bin")
	done
	echo "unit tests, $dir"
	mkdir -p "$work/$dir"
	[ "${#list[@]}" -eq 0 ] || mapfile -t sources < <(large_first $(printf 'tests/unit/%s.c ' "${list[@]##*/}"))
	for name in "${sources[@]}"; do
		name=${name##*/} name=${name%.c}
		[ "$running" -ge "$jobs" ] && { wait -n; running=$((running - 1)); }
		unit_one "$dir/tests/unit/$name" "$work/$dir/$name" &
		running=$((running + 1))
	done
	wait
	for bin in "${list[@]}"; do
		name=${bin##*/}
		read -r code seconds < "$work/$dir/$name.result"
		tally "$name" "$code" "$seconds" "$work/$dir/$name"
	done
}

# What sanitizers have said in a test goes to the end of its output, as a failure.
add_reports()
{
	local report

	for report in "$1"/*; do
		[ -e "$report" ] || return
		echo "not ok - a sanitizer had something to say"
		head -n 60 "$report"
	done
}

# one script; its seconds and exit code go beside its output
script_one()
{
	local test=$1 out=$2 reports=$2.reports start=$SECONDS code

	mkdir -p "$reports"
	ASAN_OPTIONS="$ASAN_OPTIONS:log_path=$reports/asan" \
		UBSAN_OPTIONS="${UBSAN_OPTIONS:-}:print_stacktrace=1:log_path=$reports/ubsan" \
		TSAN_OPTIONS="$TSAN_OPTIONS:exitcode=0:log_path=$reports/tsan" \
		timeout -k 30 "$limit" prove -v --merge "$test" > "$out" 2>&1 < /dev/null
	code=$?
	add_reports "$reports" >> "$out"
	echo "$code $((SECONDS - start))" > "$out.result"
}

# run_scripts FOLDER BUILD [GLOBS]
run_scripts()
{
	local folder=$1 dir=$2 globs=${3:-*} test name list=() scripts=() code seconds running=0
	local outputs=$work/$dir/$folder

	echo "$folder tests, $dir"
	export HOLDFAST=$PWD/$dir/holdfast
	mkdir -p "$outputs"
	for test in tests/"$folder"/*.t; do
		name=${test##*/}
		[ -e "$test" ] && matches "${name%.t}" "$globs" && list+=("$name")
	done
	[ "${#list[@]}" -eq 0 ] || mapfile -t scripts < <(large_first $(printf "tests/$folder/%s " "${list[@]}"))
	for test in "${scripts[@]}"; do
		[ "$running" -ge "$jobs" ] && { wait -n; running=$((running - 1)); }
		script_one "$test" "$outputs/${test##*/}" &
		running=$((running + 1))
	done
	wait
	for name in "${list[@]}"; do
		read -r code seconds < "$outputs/$name.result"
		tally "$name" "$code" "$seconds" "$outputs/$name"
	done
}

run_fuzz()
{
	local dir=$1 seconds=$2 bin name corpus start

	echo "fuzzing, $seconds s each"
	for bin in "$dir"/tests/fuzz/fuzz_*; do
		[ -x "$bin" ] && [ ! -d "$bin" ] && [ -f "tests/fuzz/${bin##*/}.c" ] || continue
		name=${bin##*/} corpus=$dir/corpus/${bin##*/} start=$SECONDS
		mkdir -p "$corpus" "$dir/found"
		local seeds=()
		[ -d "tests/fuzz/corpus/${name#fuzz_}" ] && seeds=("tests/fuzz/corpus/${name#fuzz_}")
		"$bin" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -artifact_prefix="$dir/found/$name-" \
			"$corpus" "${seeds[@]}" > "$work/fuzz" 2>&1 < /dev/null && echo "ok 1 - $name" >> "$work/fuzz"
		tally "$name" $? $((SECONDS - start)) "$work/fuzz"
	done
}

run_replay()
{
	local dir=$1 bin name start code

	echo "corpus of the fuzz targets, $dir"
	for bin in "$dir"/tests/fuzz/fuzz_*-replay; do
		name=${bin##*/} start=$SECONDS
		name=${name%-replay}
		[ -x "$bin" ] && [ -f "tests/fuzz/$name.c" ] || continue
		timeout -k 10 "$limit" "$bin" "tests/fuzz/corpus/${name#fuzz_}" > "$work/replay" 2>&1 < /dev/null
		code=$?
		tally "$name" $code $((SECONDS - start)) "$work/replay"
	done
}

run_fault()
{
	local dir=$1 start=$SECONDS options
	read -ra options <<< "$2"

	echo "fault simulator, $dir"
	timeout -k 10 "$limit" "$dir/tests/fault/faultsim" "${options[@]}" > "$work/fault" 2>&1 < /dev/null
	tally faultsim $? $((SECONDS - start)) "$work/fault"
}

run_layers()
{
	if tests/layers.sh > "$work/layers" 2>&1; then
		echo "ok 1 - layers" >> "$work/layers"
		tally layers 0 0 "$work/layers"
	else
		tally layers 1 0 "$work/layers"
	fi
}

for arg in "$@"; do
	rest=${arg#*:} before=$tallied
	case $arg in
	layers) run_layers ;;
	units:*:*) run_units "${rest%%:*}" "${rest#*:}" ;;
	units:*) run_units "$rest" ;;
	system:*:* | attack:*:*) run_scripts "${arg%%:*}" "${rest%%:*}" "${rest#*:}" ;;
	system:* | attack:*) run_scripts "${arg%%:*}" "$rest" ;;
	fault:*:*) run_fault "${rest%%:*}" "${rest#*:}" ;;
	replay:*) run_replay "$rest" ;;
	fuzz:*:*) run_fuzz "${rest%%:*}" "${rest#*:}" ;;
	*) echo "run.sh: what is '$arg'?" >&2; exit 2 ;;
	esac
	[ "$tallied" -gt "$before" ] && continue
	echo "FAIL $arg: there is no such test"
	failed=$((failed + 1))
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
