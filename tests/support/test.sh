# shellcheck shell=sh
# tests/support/test.sh - suites written in POSIX sh, for what is about programs and files
#
#	. "$COPAGE_TEST_SUPPORT/test.sh"
#	suite thing
#
#	says_hello()
#	{
#		copage hello >"$dir/out"
#		grep -q hello "$dir/out"
#	}
#	run says_hello
#
#	totals
#
# Each case is a function, run in a subshell under `set -e`: the first command that fails ends it,
# and what it printed is shown. It has a directory of its own, $dir, which is removed after it.
# `skip why...` in a case ends it and counts it as skipped. `run` passes further arguments on:
# they become part of the case's name.

# suite NAME
suite()
{
	suite_name=$1
	suite_passed=0 suite_failed=0 suite_skipped=0
	suite_dir=$(mktemp -d "${COPAGE_TEST_DIR:-/tmp}/copage-test-XXXXXX")
	trap 'rm -rf "$suite_dir"' EXIT
	trap 'exit 1' HUP INT TERM
}

skip()
{
	echo "$*" >"$suite_dir/skip"
	exit 0
}

fail()
{
	echo "$*"
	exit 1
}

# run FUNCTION [ARGUMENT...]
run()
{
	dir=$suite_dir/case
	mkdir "$dir"
	(
		set -eu
		"$@"
	) >"$suite_dir/said" 2>&1
	run_status=$?
	if [ -e "$suite_dir/skip" ]; then
		suite_skipped=$((suite_skipped + 1))
		echo "SKIP $suite_name/$*: $(cat "$suite_dir/skip")"
	elif [ "$run_status" -eq 0 ]; then
		suite_passed=$((suite_passed + 1))
		echo "ok   $suite_name/$*"
	else
		suite_failed=$((suite_failed + 1))
		echo "FAIL $suite_name/$*: exit $run_status"
		sed 's/^/     /' "$suite_dir/said"
	fi
	rm -rf "$dir" "$suite_dir/skip"
}

# Prints the line of totals and ends the suite.
totals()
{
	echo "$suite_name: $suite_passed passed, $suite_failed failed, $suite_skipped skipped"
	[ "$suite_failed" -eq 0 ] && [ $((suite_passed + suite_skipped)) -gt 0 ]
	exit
}
