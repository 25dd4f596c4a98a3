#!/bin/sh
# tests/command/streams.sh - what goes into `copage pub` comes out of `copage sub`

# shellcheck source=tests/command/command.sh
. "${0%/*}/command.sh"
begin streams

# Inputs: what the shape of a text may be, and bytes of any kind.
inputs=$suite_dir/inputs
mkdir "$inputs"
: >"$inputs/empty"
printf 'x' >"$inputs/one_byte"
printf '\n' >"$inputs/one_newline"
printf 'a\nb\nlast' >"$inputs/no_last_newline"
printf '\0\0\n\n\0' >"$inputs/zeros"
printf '\n\n\n' >"$inputs/newlines"
seq 20000 >"$inputs/lines"
head -c 300001 /dev/urandom >"$inputs/random"
head -c 2500000 /dev/urandom | tr -d '\n' | head -c 2300000 >"$inputs/large"

# frames SIZE...: a stream of frames with messages of these sizes
frames()
{
	python3 -c '
import struct, sys
for size in map(int, sys.argv[1:]):
    sys.stdout.buffer.write(struct.pack("<I", size) + bytes(i * 7 % 251 for i in range(size)))
' "$@"
}

# --- one to one: byte for byte

# same INPUT FIRST OPTION...: through pub with these options, with sub or pub begun first
same()
{
	input=$inputs/$1 first=$2
	shift 2
	topic=same
	if [ "$first" = sub ]; then
		later "$dir/out" sub $topic --raw --until-closed
		soon there $topic subscribers live 1
		copage pub $topic "$@" <"$input"
		ended "$later" 0
	else
		later "$dir/said" pub $topic "$@" --file "$input"
		soon there $topic publishers live 1
		copage sub $topic --raw --until-closed >"$dir/out"
		ended "$later" 0
	fi
	cmp "$input" "$dir/out"
}

# Both orders, all inputs, in one form.
same_in_form()
{
	for name in empty one_byte one_newline no_last_newline zeros newlines lines random; do
		same "$name" sub "$@"
		same "$name" pub "$@"
	done
}

same_large()
{
	same large sub --chunk 64K
	same large pub --chunk 1M
	same large sub --chunk 2M
	same large pub --lines --message-max 3M
}

frames_come_back_as_they_were()
{
	frames 0 1 5 0 255 256 257 4096 65536 0 1000000 1048576 3 >"$dir/in"
	cat "$dir/in" "$dir/in" >"$dir/twice"
	for first in sub pub; do
		if [ $first = sub ]; then
			later "$dir/out" sub frames --framed --until-closed
			soon there frames subscribers live 1
			copage pub frames --framed <"$dir/twice"
		else
			later "$dir/said" pub frames --framed --file "$dir/twice"
			copage sub frames --framed --until-closed >"$dir/out"
		fi
		ended "$later" 0
		cmp "$dir/twice" "$dir/out"
	done
}

# --- how sub prints messages

# prints EXPECTED PUB-OPTIONS SUB-OPTIONS: of the input on standard input
prints()
{
	cat >"$dir/in"
	# shellcheck disable=SC2086 # options are words
	later "$dir/said" pub prints $2 --file "$dir/in"
	# shellcheck disable=SC2086
	copage sub prints --until-closed $3 >"$dir/out"
	ended "$later" 0
	printf '%b' "$1" | cmp - "$dir/out"
}

lines_end_in_one_newline()
{
	printf 'a\n\nb' | prints 'a\n\nb\n' '' ''
	printf 'a\n\nb' | prints 'a\n\nb\n' --strip ''
	printf 'a\n\nb' | prints 'ab' --strip --raw
	printf 'a\n\nb' | prints 'a\n\nb' '' --raw
	printf 'abcde' | prints 'ab\ncd\ne\n' '--chunk 2' ''
	printf 'abcde' | prints '\002\0\0\0ab\002\0\0\0cd\001\0\0\0e' '--chunk 2' --framed
	printf '\002\0\0\0ab\0\0\0\0' | prints 'ab\n\n' --framed ''
}

# Whatever the bytes: JSON that a strict parser takes, and that gives them back.
json_gives_back_any_bytes()
{
	{
		printf 'plain\n"quotes" \\ / \b\f\r\t \001\037\177\n'
		printf 'r\303\251sum\303\251 \342\202\254 \360\237\220\247\n'
		printf '\303\n\355\240\200\n\300\200\n\364\220\200\200\n\360\200\200\200\n\377\n\0\n'
		cat "$inputs/random"
	} >"$dir/in"
	later "$dir/said" pub json --name feed --file "$dir/in"
	copage sub json --json --until-closed >"$dir/out"
	ended "$later" 0
	python3 - "$dir/out" "$dir/in" <<-'END'
		import base64, json, sys
		got = b""
		for number, line in enumerate(open(sys.argv[1], "rb"), 1):
		    d = json.loads(line.decode("utf-8"))
		    assert list(d)[:3] == ["publisher", "sequence", "size"], d
		    assert d["publisher"] == "feed" and d["sequence"] == number, d
		    assert ("data" in d) != ("base64" in d) and len(d) == 4, d
		    if "data" in d:
		        data = d["data"].encode("utf-8")
		    else:
		        data = base64.b64decode(d["base64"], validate=True)
		        try:
		            data.decode("utf-8")
		            raise AssertionError("UTF-8 in base64", d)
		        except UnicodeDecodeError:
		            pass
		    assert len(data) == d["size"], d
		    got += data
		assert got == open(sys.argv[2], "rb").read()
	END
}

# What is there is printed at once, although more may come.
prints_at_once()
{
	mkfifo "$dir/fifo"
	later "$dir/out" sub at_once
	sub=$later
	timeout 60 "$COPAGE_COMMAND" pub at_once <"$dir/fifo" &
	exec 3>"$dir/fifo"
	echo one >&3
	soon grep -q one "$dir/out"
	printf 'two\nthr' >&3
	soon grep -q two "$dir/out"
	! grep -q thr "$dir/out"
	echo ee >&3
	soon grep -q three "$dir/out"
	exec 3>&-
	wait $!
	kill -TERM "$sub"
	ended "$sub" 143
	[ "$(cat "$dir/out")" = "$(printf 'one\ntwo\nthree')" ]
}

# --- many to many

# many PUBLISHERS SUBSCRIBERS: everybody gets everything, each publisher's in order
many()
{
	subs='' pubs=''
	for s in $(seq "$2"); do
		later "$dir/out.$s" sub many --until-closed --publishers "$1"
		subs="$subs $later"
	done
	for p in $(seq "$1"); do
		seq -f "$p %.0f" 3000 >"$dir/in.$p"
		later "$dir/said.$p" pub many --file "$dir/in.$p" --subscribers "$2"
		pubs="$pubs $later"
	done
	for process in $pubs $subs; do
		ended "$process" 0
	done
	for s in $(seq "$2"); do
		for p in $(seq "$1"); do
			grep "^$p " "$dir/out.$s" | cmp - "$dir/in.$p"
		done
		[ "$(wc -l <"$dir/out.$s")" -eq $((3000 * $1)) ]
	done
}

# --- where it begins and ends

counts()
{
	later "$dir/said" pub counts --file "$inputs/lines" --count 100
	copage sub counts --count 60 >"$dir/out"
	ended "$later" 0
	seq 60 | cmp - "$dir/out"
}

begins_where_it_is_told()
{
	copage create begins
	mkfifo "$dir/fifo"
	timeout 60 "$COPAGE_COMMAND" pub begins --name feed --subscribers 0 <"$dir/fifo" &
	exec 3>"$dir/fifo"
	seq 10 >&3
	soon sh -c '"$0" stat begins --json | grep -q "\"messages\":10,"' "$COPAGE_COMMAND"
	copage sub begins --count 10 >"$dir/out"
	seq 10 | cmp - "$dir/out"
	copage sub begins --from 7 --count 4 >"$dir/out"
	seq 7 10 | cmp - "$dir/out"
	gives 7 copage sub begins --from newest --timeout 50ms >"$dir/out"
	says 'no message came in time'
	[ ! -s "$dir/out" ]
	copage sub begins --latest --count 1 --json | holds \
		'd["data"] == "10\n" and d["skipped"] == 9 and d["sequence"] == 10'
	exec 3>&-
	wait $!
	copage rm begins
}

waits_for_as_many_as_told()
{
	later "$dir/said" pub waits --subscribers 2 --file "$inputs/lines"
	pub=$later
	later "$dir/a" sub waits --until-closed
	a=$later
	soon there waits subscribers live 1
	sleep 0.2
	[ ! -s "$dir/a" ] || fail 'began with one subscriber'
	later "$dir/b" sub waits --until-closed
	ended "$later" 0
	ended $a 0
	ended $pub 0
	cmp "$dir/a" "$inputs/lines"
	cmp "$dir/b" "$inputs/lines"
}

keeps_the_rate()
{
	later "$dir/out" sub rate --until-closed
	soon there rate subscribers live 1
	seq 40 | gives 0 copage pub rate --rate 100/s --stats
	ended "$later" 0
	seconds=$(sed -n 's/.* seconds=\([0-9.]*\).*/\1/p' "$dir/err")
	# The first goes at once, so that 40 take 0.39 seconds, or longer on a busy machine.
	awk "BEGIN { exit !($seconds > 0.38) }" || fail "took $seconds s"
}

tells_totals()
{
	later "$dir/out" sub totals --raw --until-closed --stats
	gives 0 copage pub totals --chunk 1000 --file "$inputs/random" --stats
	ended "$later" 0
	for said in "$dir/err" "$dir/out.err"; do
		says 'stats: messages=301 bytes=300001 seconds=[0-9.]* messages_per_second=[0-9]* bytes_per_second=[0-9]*$' \
			"$said"
	done
}

shows_progress_when_forced()
{
	later "$dir/out" sub progress --until-closed
	seq 40 | gives 0 copage pub progress --rate 100 --progress
	ended "$later" 0
	[ ! -s "$dir/out.err" ]
	grep -q 'copage pub: .* B in [0-9]* messages  .*B/s  .* messages/s' "$dir/err"
	# At the end the line is gone.
	[ "$(tail -c 4 "$dir/err")" = "$(printf '\r\033[K')" ]
}

for form in --lines '--chunk 1' '--chunk 2' '--chunk 255' '--chunk 256' '--chunk 4096' \
	'--chunk 65535' '--chunk 1M'; do
	# shellcheck disable=SC2086 # options are words
	run same_in_form $form
done
run same_large
run frames_come_back_as_they_were
run lines_end_in_one_newline
run json_gives_back_any_bytes
run prints_at_once
for pubs in 1 2 3 4; do
	for subs in 1 2 8; do
		run many $pubs $subs
	done
done
run counts
run begins_where_it_is_told
run waits_for_as_many_as_told
run keeps_the_rate
run tells_totals
run shows_progress_when_forced

finish
