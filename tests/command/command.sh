# shellcheck shell=sh
# tests/command/command.sh - what the suites about the command share
#
# All cases of a suite work in one root, and the suite ends with the case that nothing is left in
# it; so each case uses topics of its own. Every run of the command is bounded in time.

COPAGE_TEST_DIR=${COPAGE_TEST_DIR:-/dev/shm} # topics want a tmpfs
export COPAGE_TEST_DIR

# shellcheck source=tests/support/test.sh
. "${COPAGE_TEST_SUPPORT:?}/test.sh"

# begin SUITE
begin()
{
	suite "$1"
	COPAGE_ROOT=$suite_dir/root
	export COPAGE_ROOT
	mkdir "$COPAGE_ROOT"
	unset NO_COLOR
}

copage()
{
	timeout -k 30 60 "${COPAGE_COMMAND:?}" "$@"
}

# later FILE ARGUMENT...: the command in the background, its output in FILE and what it says in
# FILE.err. Its number is in $later; it may be sent SIGTERM and SIGHUP. It does not get descriptor
# 3, which is a case's end of a fifo.
later()
{
	later_out=$1
	shift
	# At once, lest a case look at what an earlier one left there.
	: >"$later_out"
	: >"$later_out.err"
	timeout -k 30 60 "${COPAGE_COMMAND:?}" "$@" >"$later_out" 2>"$later_out.err" 3>&- &
	# shellcheck disable=SC2034 # for the cases
	later=$!
}

# ended NUMBER STATUS: what was begun by later ends so
ended()
{
	got=0
	wait "$1" || got=$?
	[ "$got" -eq "$2" ] || fail "in the background: exit $got, not $2: $(cat "$dir"/*.err)"
}

# gives STATUS COMMAND...: it ends with this status; what it says is in $dir/err
gives()
{
	want=$1 got=0
	shift
	"$@" 2>"$dir/err" || got=$?
	[ "$got" -eq "$want" ] || fail "$*: exit $got, not $want: $(cat "$dir/err")"
}

# says TEXT [FILE]: it said one sentence, which begins as all do and has TEXT in it
says()
{
	file=${2:-$dir/err}
	[ "$(wc -l <"$file")" -eq 1 ] || fail "not one sentence: $(cat "$file")"
	grep -q "^copage[a-z ]*: ." "$file" || fail "begins unlike others: $(cat "$file")"
	grep -q -e "$1" "$file" || fail "does not say '$1': $(cat "$file")"
}

# soon COMMAND...: it is true within five seconds
soon()
{
	tries=0
	until "$@" >"$dir/soon" 2>&1; do
		tries=$((tries + 1))
		[ "$tries" -lt 500 ] || fail "not within 5 s: $*: $(cat "$dir/soon")"
		sleep 0.01
	done
}

# holds EXPRESSION: of d, the JSON on standard input, which a strict parser reads
holds()
{
	python3 -c '
import json, sys
def unique(pairs):
    assert len(dict(pairs)) == len(pairs), "a key comes twice"
    return dict(pairs)
def number(word):
    raise ValueError(word)
text = sys.stdin.buffer.read().decode("utf-8")
d = json.loads(text, object_pairs_hook=unique, parse_constant=number)
assert eval("(" + sys.argv[1] + ")"), text
' "$1"
}

# there TOPIC KIND STATE NUMBER: so many publishers or subscribers are in this state
there()
{
	copage ls --json | sed 's/{"topic"/\n&/g' | grep "^{\"topic\":\"$1\"" |
		grep -q "\"$2\":{[^}]*\"$3\":$4[,}]"
}

# pid TOPIC KIND NAME: prints the process id of a member; NAME '' is the first
pid()
{
	copage stat "$1" --json | python3 -c '
import json, sys
print([m["pid"] for m in json.load(sys.stdin)[sys.argv[1]]
       if m["state"] == "live" and sys.argv[2] in ("", m["name"])][0])
' "$2" "$3"
}

# is_root, or the case ends here
need_root()
{
	[ "$(id -u)" -eq 0 ] || skip 'needs root'
}

leaves_nothing()
{
	[ -z "$(ls -A "$COPAGE_ROOT")" ] || fail "left: $(find "$COPAGE_ROOT")"
}

# The last line of each suite.
finish()
{
	run leaves_nothing
	totals
}
