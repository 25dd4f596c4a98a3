#!/bin/sh
# tests/support/summary.sh - summary.awk tested: nothing passes by not running

# shellcheck source=tests/support/test.sh
. "${COPAGE_TEST_SUPPORT:?}/test.sh"
suite summary

# entry SUITE NAME RESULT LINE...: adds a test to the log
entry()
{
	{
		echo '=================================== 1/9 ==================================='
		echo "test:         copage:$1 / $2"
		echo 'start time:   12:00:00'
		echo 'duration:     1.00s'
		echo "result:       $3"
		echo 'command:      X=1 /a/b'
		echo '----------------------------- stdout -----------------------------'
		shift 3
		printf '%s\n' "$@"
		echo '==========================================================================='
		echo
	} >>"$dir/log"
}

# comes_to "PASSED FAILED SKIPPED" [SUITE...]
comes_to()
{
	counts=$1
	shift
	awk -v build=gcc -v wanted="$*" -v counts="$dir/counts" \
		-f "$COPAGE_TEST_SUPPORT/summary.awk" "$dir/log" >"$dir/shown"
	[ "$(cat "$dir/counts")" = "$counts" ] || fail "$(cat "$dir/counts" "$dir/shown")"
}

adds_up()
{
	entry unit a 'exit status 0' 'ok   a/x (0.00 s)' 'a: 3 passed, 0 failed, 0 skipped'
	entry process b 'exit status 0' 'SKIP b/y: why' 'b: 4 passed, 0 failed, 1 skipped'
	comes_to '7 0 1' unit process
	[ "$(cat "$dir/shown")" = 'SKIP gcc/b/y: why' ]
}

shows_what_failed()
{
	entry unit a 'exit status 1' 'ok   a/x (0.00 s)' 'FAIL a/y: reason' '     more' \
		'a: 1 passed, 1 failed, 0 skipped'
	comes_to '1 1 0' unit
	printf '%s\n' 'FAIL gcc/a/y: reason' '     more' | diff - "$dir/shown"
}

no_totals_is_a_failure()
{
	entry unit a 'killed by signal 11 SIGSEGV' 'ok   a/x (0.00 s)'
	entry unit b 'exit status 0' 'b: 1 passed, 0 failed, 0 skipped'
	comes_to '1 1 0' unit
}

totals_of_zero_are_a_failure()
{
	entry unit a 'exit status 0' 'a: 0 passed, 0 failed, 0 skipped'
	entry unit b 'exit status 0' 'b: 1 passed, 0 failed, 0 skipped'
	comes_to '1 1 0' unit
}

a_bad_end_is_a_failure()
{
	entry unit a 'exit status 23' 'a: 2 passed, 0 failed, 0 skipped' 'LeakSanitizer: leaks'
	comes_to '2 1 0' unit
	grep -q LeakSanitizer "$dir/shown"
}

a_wanted_suite_must_pass_something()
{
	entry unit a 'exit status 0' 'SKIP a/x: why' 'a: 0 passed, 0 failed, 1 skipped'
	comes_to '0 2 1' unit process
	: >"$dir/log"
	comes_to '0 1 0' unit
}

run adds_up
run shows_what_failed
run no_totals_is_a_failure
run totals_of_zero_are_a_failure
run a_bad_end_is_a_failure
run a_wanted_suite_must_pass_something

totals
