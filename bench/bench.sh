#!/bin/sh
# bench/bench.sh - the benchmark tested: that it measures and tells, not how fast anything is

# shellcheck source=tests/support/test.sh
. "${COPAGE_TEST_SUPPORT:?}/test.sh"
suite bench

bench=${COPAGE_BENCH:?}

two_processors()
{
	[ "$(nproc)" -ge 2 ] || skip "needs two processors"
}

# Short, one cell of each kind, and nobody who allocates half a gigabyte.
measure()
{
	"$bench" --seconds 1 --ms 2 --cell stream:64 --cell trip:1024 --cell sleep \
		--party 'copage*' --party '*ring' --party pipe --party 'Unix*' "$@"
}

prints_a_table()
{
	two_processors
	measure >"$dir/out"
	cat "$dir/out"
	grep -q "^copage $COPAGE_VERSION, " "$dir/out"
	grep -q 'thrown away: [0-9]* moved, [0-9]* disturbed' "$dir/out"
	if grep -q failed "$dir/out"; then
		fail "a party failed"
	fi
}

prints_json()
{
	two_processors
	measure --json >"$dir/out"
	cat "$dir/out"
	grep -q '"schema": 1,' "$dir/out"
	grep -q '"failures": \[\]' "$dir/out"
	if command -v python3 >/dev/null; then
		python3 -m json.tool "$dir/out" /dev/null
	fi
}

lists_parties()
{
	"$bench" --list >"$dir/out"
	grep -q '^copage, send .*in place' "$dir/out"
	grep -q '^ideal ring ' "$dir/out"
	grep -q ' trip:1024' "$dir/out"
}

counts_instructions()
{
	command -v valgrind >/dev/null || skip "needs valgrind"
	"$bench" --instructions >"$dir/out"
	cat "$dir/out"
	awk '/^  (send|reserve|next)/ && $NF > 0 && $NF < 1000 { n++ } END { exit n != 4 }' \
		"$dir/out"
}

# refuses ARGUMENT...: exit 2, and the sentence names what was wrong
refuses()
{
	status=0
	"$bench" "$@" >"$dir/out" 2>"$dir/err" || status=$?
	[ "$status" -eq 2 ] || fail "exit $status"
	grep -q copage-bench "$dir/err"
	[ ! -s "$dir/out" ] || fail "it said something on standard output"
}

run prints_a_table
run prints_json
run lists_parties
# valgrind and sanitizers exclude each other
[ "${COPAGE_SANITIZERS:?}" = none ] && run counts_instructions
run refuses --cell nothing
run refuses --cell stream:12
run refuses --seconds 0
run refuses --cpus 0,0
run refuses --no-such-option
run refuses word

totals
