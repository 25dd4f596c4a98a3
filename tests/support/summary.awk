# tests/support/summary.awk - what a log of `meson test` comes to
#
#	awk -v build=NAME -v wanted="SUITE SUITE..." -v counts=FILE -f summary.awk testlog.txt
#
# Prints each skip with its reason, and all that a failed executable said. Writes the sums of the
# lines of totals to FILE: passed, failed, skipped. What must not pass by not running counts as
# failed: an executable that ends badly or without totals, totals of zero, and a wanted suite of
# which no case passed.

# After its own lines, each test has: test, result, command, standard output, standard error.
/^=+ [0-9]+\/[0-9]+ =+$/ { finish(); begin(); next }
/^=+$/ { finish(); next }
!inside { next }
/^test: / && name == "" { name = $NF; suite = $2; sub(/.*:/, "", suite); next }
/^result: / && result == "" { result = $0; sub(/^result: +/, "", result); next }
/^(start time|duration|command): / && said == "" { next }
/^-+ std(out|err) -+$/ { next }
/^ok   / { next }
/^SKIP / { print "SKIP " build "/" substr($0, 6); next }
/^[A-Za-z0-9_-]+: [0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ {
	totals = 1
	p = $2; f = $4; s = $6
	next
}
/^FAIL / { said = said "FAIL " build "/" substr($0, 6) "\n"; next }
{ said = said $0 "\n" }

function begin() {
	inside = 1
	name = suite = result = said = ""
	totals = p = f = s = 0
}

function finish() {
	if (!inside)
		return
	inside = 0
	why = ""
	if (!totals)
		why = "ended without its totals: " result
	else if (p + f + s == 0)
		why = "ran no case"
	else if (result != "exit status 0" && f == 0)
		why = "ended badly: " result
	if (why != "") {
		print "FAIL " build "/" name ": " why
		f++
	}
	if (f > 0)
		printf "%s", said
	passed += p; failed += f; skipped += s
	passed_in[suite] += p
}

END {
	finish()
	n = split(wanted, suites, " ")
	for (i = 1; i <= n; i++)
		if (!passed_in[suites[i]]) {
			print "FAIL " build "/" suites[i] ": no case passed"
			failed++
		}
	print passed + 0, failed + 0, skipped + 0 >counts
}
