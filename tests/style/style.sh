#!/bin/sh
# tests/style/style.sh - the rules of check.sh, held against the tree, and against what breaks them

# shellcheck source=tests/support/test.sh
. "${COPAGE_TEST_SUPPORT:?}/test.sh"
suite style

check=$COPAGE_SOURCE/tests/style/check.sh

holds()
{
	sh "$check" "$1" "$COPAGE_SOURCE"
}

# plant FILE LINE...: puts a file into a tree of this case's own
plant()
{
	mkdir -p "$dir/${1%/*}"
	file=$1
	shift
	printf '%s\n' "$@" >"$dir/$file"
}

# finds RULE [FILE:LINE...]: in that tree the rule finds these breaches and no other
finds()
{
	rule=$1
	shift
	printf '%s\n' "$@" | LC_ALL=C sort >"$dir/wanted"
	sh "$check" "$rule" "$dir" >"$dir/said" && fail "$rule found nothing"
	cut -d: -f1,2 "$dir/said" | LC_ALL=C sort | diff "$dir/wanted" - || fail "$(cat "$dir/said")"
}

finds_long_lines_and_blanks()
{
	ten='1234567890'
	sixty=$ten$ten$ten$ten$ten$ten
	tabs='				' # 32 columns
	blank=' '
	plant tools/t.c "$sixty$ten$ten$ten$ten" "$sixty$ten$ten$ten${ten}1" "$tabs$sixty$ten" \
		"${tabs}${sixty}ääääääää" 'x;'"$blank"
	finds lines tools/t.c:2 tools/t.c:3 tools/t.c:5
}

finds_long_functions()
{
	# shellcheck disable=SC2046
	plant src/os/o.c 'int ok(void)' '{' $(yes ';' | head -n 80) '}' \
		'int long(void)' '{' $(yes ';' | head -n 81) '}'
	finds functions src/os/o.c:85
}

finds_long_files()
{
	# shellcheck disable=SC2046
	plant src/os/ok.c $(yes ';' | head -n 700)
	# shellcheck disable=SC2046
	plant src/os/long.c $(yes ';' | head -n 701)
	finds files src/os/long.c:701
}

finds_arrows_that_go_up()
{
	plant src/os/o.c '#include "os/o.h"' '#include "lane/l.h"' '#include <stdio.h>'
	plant src/lane/l.c '#include "os/o.h"' '#include "lane/l.h"' '# include "topic/t.h"' \
		'#include "copage/error.h"' '#include "l.h"'
	plant src/attic/a.c ';'
	finds layers src/os/o.c:2 src/lane/l.c:3 src/lane/l.c:5 src/attic/a.c:1
}

finds_system_calls_outside_os()
{
	plant src/os/o.c '	p = mmap(NULL, 1);'
	plant src/map/m.c '	p = mmap(NULL, 1);' '	cop__os_mmap(1);' '/* mmap(x) */ close (fd);' \
		'/* open(' 'open(' '*/ "unlink(x)"' '	f->read(1); s.write(2);' \
		'	if (fcntl(fd) < 0)'
	finds kernel src/map/m.c:1 src/map/m.c:3 src/map/m.c:8
}

finds_private_headers_in_public_places()
{
	plant examples/e.c '#include <copage/pub.h>' '#include "lane/lane.h"'
	plant tools/copage/c.c '#include "cmd.h"' '#include <os/os.h>'
	finds public examples/e.c:2 tools/copage/c.c:2
}

for rule in lines functions files layers kernel public; do
	run holds "$rule"
done
run finds_long_lines_and_blanks
run finds_long_functions
run finds_long_files
run finds_arrows_that_go_up
run finds_system_calls_outside_os
run finds_private_headers_in_public_places

totals
