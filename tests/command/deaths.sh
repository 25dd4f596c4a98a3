#!/bin/sh
# tests/command/deaths.sh - who is killed, stopped or interrupted, and what the others see

# LeakSanitizer stops a process by a tracer of its own, for ever if that one is hit by a signal that
# was meant for the process; and here all are hit. Leaks are looked for by the other suites.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"

# shellcheck source=tests/command/command.sh
. "${0%/*}/command.sh"
begin deaths

slow=${COPAGE_TEST_SLOW:-}

# shoot TOPIC KIND NAME: SIGKILL to a member; the process, not the timeout around it
shoot()
{
	kill -KILL "$(pid "$@")"
}

# --- a publisher dies

# The same command again goes on where the dead one stopped; nobody misses or sees twice anything.
resumes()
{
	form=$1 option=$2
	seq 1000 1999 >"$dir/in"
	if [ "$form" = framed ]; then
		python3 -c '
import struct, sys
for line in open(sys.argv[1], "rb"):
    sys.stdout.buffer.write(struct.pack("<I", len(line)) + line)
' "$dir/in" >"$dir/frames"
		source=$dir/frames
	else
		source=$dir/in
	fi
	later "$dir/out" sub resumes --raw --count 1000
	sub=$later
	soon there resumes subscribers live 1
	for kill in 1 2 3; do
		# shellcheck disable=SC2086 # an option and its value
		later "$dir/said.$kill" pub resumes --name feed --resume $option --file "$source" \
			--rate 100
		soon there resumes publishers live 1
		sleep 0.0$((kill * 3))
		shoot resumes publishers feed
		ended "$later" 137
	done
	# shellcheck disable=SC2086
	gives 0 copage pub resumes --name feed --resume $option --file "$source"
	says 'resuming after message [0-9]*, at byte [0-9]* of the input'
	ended $sub 0
	cmp "$dir/in" "$dir/out"
}

resume_notices_another_input()
{
	seq 1000 >"$dir/in"
	later "$dir/said" pub another --name feed --subscribers 0 --rate 100 --file "$dir/in"
	soon sh -c '"$COPAGE_COMMAND" stat another --json | grep -q "\"messages\":[1-9][0-9]"'
	shoot another publishers feed
	ended "$later" 137
	seq 1 >"$dir/in"
	gives 18 copage pub another --name feed --resume --subscribers 0 --file "$dir/in"
	says 'it is not the input that was begun with'
}

# lives_on TOPIC NAME LINES: a publisher that sends as many lines, and then goes on living as long
# as descriptor 3 is open. It is $pub.
lives_on()
{
	mkfifo "$dir/live"
	timeout 60 "$COPAGE_COMMAND" pub "$1" --name "$2" <"$dir/live" 2>"$dir/said.$2" &
	pub=$!
	exec 3>"$dir/live"
	seq "$3" >&3
}

# --until-closed ends, with its own status, and only when nobody else publishes.
death_is_told()
{
	later "$dir/out" sub told --until-closed
	sub=$later
	soon there told subscribers live 1
	lives_on told bad 5
	soon grep -q 5 "$dir/out"
	(exec 3>&-; sleep 1; echo late) | copage pub told --name good &
	good=$!
	soon there told publishers live 2
	shoot told publishers bad
	wait $pub || true
	exec 3>&-
	wait $good
	ended $sub 13
	says 'publisher bad died after message 5;' "$dir/out.err"
	(seq 5; echo late) | cmp - "$dir/out"
	# Its lane is kept for the next one of its name, who does not come.
	copage gc told >"$dir/collected"
	grep -q '^removed ' "$dir/collected"
}

death_of_the_only_one_ends_the_stream()
{
	later "$dir/out" sub only --until-closed
	soon there only subscribers live 1
	lives_on only feed 5
	soon grep -q 5 "$dir/out"
	shoot only publishers ''
	ended "$later" 13
	seq 5 | cmp - "$dir/out"
	wait $pub || true
	copage gc only >/dev/null
}

# With --publishers, a death does not end it before all have been there.
death_before_all_have_come()
{
	later "$dir/out" sub before --until-closed --publishers 2
	sub=$later
	soon there before subscribers live 1
	lives_on before feed 1
	soon grep -q 1 "$dir/out"
	shoot before publishers ''
	wait $pub || true
	exec 3>&-
	sleep 0.5
	kill -0 $sub || fail 'did not wait for the second'
	echo 2 | copage pub before
	ended $sub 13
	seq 2 | cmp - "$dir/out"
	copage gc before >/dev/null
}

# --- a subscriber dies

# One with a name, killed again and again, gets every message at least once, in order.
named_subscriber_misses_nothing()
{
	kills=10
	[ -z "$slow" ] || kills=100
	copage create named --hold-away
	later "$dir/out.0" sub named --name ledger --count 1
	soon there named subscribers live 1
	seq 1000000 | timeout 600 "$COPAGE_COMMAND" pub named --rate 20k --linger 0 2>/dev/null &
	pub=$!
	ended "$later" 0
	for kill in $(seq $kills); do
		later "$dir/out.$kill" sub named --name ledger
		soon there named subscribers live 1
		soon test -s "$dir/out.$kill"
		shoot named subscribers ledger
		ended "$later" 137
	done
	kill -TERM $pub
	wait $pub || true
	: >"$dir/all"
	for kill in $(seq 0 $kills); do
		cat "$dir/out.$kill" >>"$dir/all"
	done
	# A number comes again only as the first of the next one's, where the last one died.
	awk '$1 != last + 1 && $1 != last { print "after " last " comes " $1; bad = 1 }
	     $1 == last { twice++ }
	     { last = $1 }
	     END { exit bad || twice > '"$kills"' || NR < '"$kills"' }' "$dir/all"
	copage rm named
}

# What was not written out is not taken for received, whatever the reason.
named_subscriber_keeps_what_it_could_not_write()
{
	copage create keeps --hold-away
	copage sub keeps --name ledger --timeout 0 2>/dev/null || true
	seq 3 | copage pub keeps --subscribers 0
	gives 9 copage sub keeps --name ledger >/dev/full
	says 'cannot write to standard output: No space'
	gives 15 copage sub keeps --name ledger >&-
	copage sub keeps --name ledger --count 3 >"$dir/out"
	seq 3 | cmp - "$dir/out"
	copage rm keeps
}

# A dead subscriber holds nobody up, although the lane is full.
publisher_goes_on_when_a_subscriber_dies()
{
	mkfifo "$dir/fifo"
	timeout 60 "$COPAGE_COMMAND" sub goes_on --raw >"$dir/fifo" &
	sub=$!
	exec 3<"$dir/fifo"
	head -c 8000000 /dev/zero >"$dir/in"
	later "$dir/said" pub goes_on --chunk 1M --file "$dir/in" --stats
	pub=$later
	soon there goes_on publishers live 1
	sleep 0.5
	kill -0 $pub || fail 'the lane did not get full'
	shoot goes_on subscribers ''
	ended $pub 0
	exec 3<&-
	wait $sub || true
}

# One that is stopped is alive, and waited for; the sentence says who it is.
stopped_is_not_dead()
{
	mkfifo "$dir/fifo"
	later "$dir/out" sub stopped --raw --until-closed
	sub=$later
	timeout 60 "$COPAGE_COMMAND" pub stopped --chunk 64K --timeout 300ms <"$dir/fifo" \
		2>"$dir/err" &
	pub=$!
	exec 3>"$dir/fifo"
	head -c 65536 /dev/zero >&3
	soon test -s "$dir/out"
	stopped=$(pid stopped subscribers '')
	kill -STOP "$stopped"
	head -c 8000000 /dev/zero >&3 2>/dev/null || true
	exec 3>&-
	got=0
	wait $pub || got=$?
	[ "$got" -eq 7 ] || fail "exit $got: $(cat "$dir/err")"
	grep -q 'message [0-9]*, at byte [0-9]* of the input, was not sent: the lane is full and' \
		"$dir/err"
	grep -q "subscriber .* (pid $stopped) is furthest behind, by [0-9]* messages" "$dir/err"
	there stopped subscribers live 1
	kill -CONT "$stopped"
	ended $sub 0
	# What was sent before the time ran out has come.
	[ "$(wc -c <"$dir/out")" -gt 1000000 ]
}

# --- when the lane is full

full_fails_when_asked()
{
	mkfifo "$dir/fifo"
	timeout 60 "$COPAGE_COMMAND" sub full --raw >"$dir/fifo" &
	sub=$!
	exec 3<"$dir/fifo"
	soon there full subscribers live 1
	gives 6 copage pub full --chunk 1M --file /dev/zero --when-full fail
	grep -q 'was not sent: the lane is full$' "$dir/err"
	kill -TERM $sub
	wait $sub || true
	exec 3<&-
}

# Dropping loses the oldest; every number is either received or told as missed.
full_drops_when_asked()
{
	mkfifo "$dir/fifo"
	timeout 60 "$COPAGE_COMMAND" sub drops --json --until-closed >"$dir/fifo" 2>"$dir/said" &
	sub=$!
	exec 3<"$dir/fifo"
	soon there drops subscribers live 1
	seq 2000000 | copage pub drops --name feed --when-full drop --linger 0
	cat <&3 >"$dir/out"
	exec 3<&-
	got=0
	wait $sub || got=$?
	[ "$got" -eq 14 ] || fail "exit $got: $(tail -n 3 "$dir/said")"
	python3 - "$dir/out" "$dir/said" <<-'END'
		import json, re, sys
		seen = [json.loads(line) for line in open(sys.argv[1])]
		assert all(d["data"] == "%d\n" % d["sequence"] for d in seen)
		told = re.findall(r"missed (\d+) messages of publisher feed: (\d+) to (\d+)",
		                  open(sys.argv[2]).read())
		assert told
		numbers = [d["sequence"] for d in seen]
		assert numbers == sorted(set(numbers))
		for count, first, last in told:
		    assert int(last) - int(first) + 1 == int(count)
		    numbers += range(int(first), int(last) + 1)
		assert sorted(numbers) == list(range(1, 2000001)), (len(seen), told)
	END
}

lossy_subscriber_holds_nobody_up()
{
	mkfifo "$dir/fifo"
	timeout 60 "$COPAGE_COMMAND" sub lossy --lossy --json --until-closed >"$dir/fifo" 2>"$dir/said" &
	sub=$!
	exec 3<"$dir/fifo"
	soon there lossy subscribers live 1
	seq 2000000 | copage pub lossy --linger 0
	wc -l <&3 >"$dir/count"
	exec 3<&-
	wait $sub || fail "gaps are no failure of --lossy: $?"
	missed=$(sed -n 's/.*: missed \([0-9]*\) messages of.*/\1/p' "$dir/said" |
		awk '{ n += $1 } END { print n + 0 }')
	[ "$missed" -gt 0 ]
	[ $((missed + $(cat "$dir/count"))) -eq 2000000 ] || fail "$missed and $(cat "$dir/count")"
}

# A named one that was away and not waited for is told what it missed.
away_is_told_its_gap()
{
	mkfifo "$dir/fifo"
	timeout 60 "$COPAGE_COMMAND" pub gap --name feed --subscribers 0 <"$dir/fifo" &
	pub=$!
	exec 3>"$dir/fifo"
	seq 10 >&3
	copage sub gap --name ledger --count 10 >/dev/null
	seq 11 1000000 >&3
	echo last >&3
	soon sh -c '"$COPAGE_COMMAND" stat gap --json | grep -q "\"messages\":1000001,"'
	later "$dir/out" sub gap --name ledger --until-closed
	sub=$later
	soon grep -q last "$dir/out"
	exec 3>&-
	wait $pub
	ended $sub 14
	says 'missed [0-9]* messages of publisher feed: 11 to [0-9]*' "$dir/out.err"
	next=$(sed -n 's/.*: 11 to \([0-9]*\)$/\1/p' "$dir/out.err")
	[ "$(head -n 1 "$dir/out")" -eq $((next + 1)) ]
	[ "$(wc -l <"$dir/out")" -eq $((1000001 - next)) ]
	copage forget gap ledger
}

# --- signals

ends_in_order()
{
	for signal in INT:130 TERM:143 HUP:129; do
		for verb in 'sub' 'pub'; do
			got=0
			sh -c 'sleep 1 | timeout --preserve-status -k 5 -s "$1" 0.3 \
				"$COPAGE_COMMAND" "$2" order' - "${signal%:*}" "$verb" \
				>"$dir/out" 2>"$dir/err" || got=$?
			[ "$got" -eq "${signal#*:}" ] || fail "$verb, $signal: $got"
			[ ! -s "$dir/err" ] || fail "$verb, $signal: $(cat "$dir/err")"
		done
	done
}

ignores_what_its_parent_ignored()
{
	(
		trap '' HUP
		exec "$COPAGE_COMMAND" sub ignores --timeout 3s
	) 2>"$dir/err" &
	soon there ignores subscribers live 1
	kill -HUP "$(pid ignores subscribers '')"
	got=0
	wait $! || got=$?
	[ "$got" -eq 7 ]
}

run resumes lines ''
run resumes chunks '--chunk 5'
run resumes framed --framed
run resume_notices_another_input
run death_is_told
run death_of_the_only_one_ends_the_stream
run death_before_all_have_come
run named_subscriber_misses_nothing
run named_subscriber_keeps_what_it_could_not_write
run publisher_goes_on_when_a_subscriber_dies
run stopped_is_not_dead
run full_fails_when_asked
run full_drops_when_asked
run lossy_subscriber_holds_nobody_up
run away_is_told_its_gap
run ends_in_order
run ignores_what_its_parent_ignored

finish
