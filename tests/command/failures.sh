#!/bin/sh
# tests/command/failures.sh - each thing that can be wrong: one sentence, its own status, no signal

# shellcheck source=tests/command/command.sh
. "${0%/*}/command.sh"
begin failures

# --- names and roots

# refused STATUS TEXT: by every verb that takes a topic, which is in $topic
refused()
{
	for verb in 'pub --timeout 100ms' 'sub --timeout 100ms' stat create rm "forget - s" gc; do
		# shellcheck disable=SC2086 # the words of a verb; - stands for the topic
		case $verb in
		forget*) gives "$1" copage forget "$topic" s </dev/null ;;
		*) gives "$1" copage $verb "$topic" </dev/null ;;
		esac
		says "$2"
	done
}

names_with_bad_characters()
{
	for topic in 'a b' '.hidden' 'a*' 'ü' 'a
b' "$(printf 'a\033[31m')"; do
		refused 2 'allowed are\|begins with'
	done
	for topic in '' "$COPAGE_ROOT/.." "$(printf '%0200d' 1)"; do
		gives 2 copage pub --timeout 100ms "$topic" </dev/null
		says 'name'
	done
	gives 2 copage pub --name 'a/b' names </dev/null
	says 'allowed are'
	gives 2 copage sub --name '' names
	says 'empty'
}

missing_roots()
{
	topic=/no/such/root/prices
	refused 3 '/no/such/root: .*no such directory'
	gives 3 copage ls /no/such/root
	says '/no/such/root'
	gives 3 copage gc /no/such/root/
	says '/no/such/root'
	: >"$dir/file"
	gives 3 copage ls "$dir/file"
	says "$dir/file"
	COPAGE_ROOT=/no/such/root
	gives 3 copage pub prices --timeout 100ms </dev/null
	says '/no/such/root'
}

missing_topics()
{
	for command in 'stat none' 'rm none' 'forget none s' 'gc none'; do
		# shellcheck disable=SC2086 # words
		gives 3 copage $command
		says 'topic none'
	done
	copage create some
	gives 3 copage forget some nobody
	says 'nobody'
	gives 4 copage create some
	says 'some.*already'
	copage rm some
}

missing_input()
{
	gives 3 copage pub input --file "$dir/none"
	says "cannot open $dir/none: No such file"
	gives 1 copage pub input --file "$dir" --subscribers 0
	says "cannot read $dir: Is a directory"
	gives 1 copage pub input --subscribers 0 <&-
	says 'cannot read standard input'
}

# --- names that are taken

live_names()
{
	copage create taken
	later "$dir/out" sub taken --name ledger
	sub=$later
	soon there taken subscribers live 1
	gives 5 copage sub taken --name ledger
	says 'ledger'
	gives 5 copage forget taken ledger
	says 'ledger'
	gives 5 copage rm taken
	says 'taken'
	mkfifo "$dir/fifo"
	timeout 60 "$COPAGE_COMMAND" pub taken --name feed <"$dir/fifo" &
	exec 3>"$dir/fifo"
	soon there taken publishers live 1
	gives 5 copage pub taken --name feed </dev/null
	says 'feed'
	exec 3>&-
	wait $!
	kill -TERM "$sub"
	ended "$sub" 143
	copage forget taken ledger
	copage rm taken
}

# --- messages

too_large_messages()
{
	for form in '--lines' '--strip'; do
		later "$dir/out" sub large --raw --until-closed
		soon there large subscribers live 1
		{
			echo small
			head -c 5000 /dev/zero | tr '\0' x
			echo
			echo never
		} >"$dir/in"
		gives 10 copage pub large $form --message-max 4K --file "$dir/in"
		says 'line 2, at byte 6 of the input, is longer than the 4096 bytes'
		ended "$later" 0
		# What came before it is there.
		grep -qx small "$dir/out"
	done
	# Exactly as large as it may be is not too large.
	{
		head -c 4095 /dev/zero | tr '\0' x
		echo
	} >"$dir/in"
	gives 0 copage pub large --message-max 4K --subscribers 0 --file "$dir/in"
	{
		head -c 4096 /dev/zero | tr '\0' x
		echo
	} >"$dir/in"
	gives 0 copage pub large --strip --message-max 4K --subscribers 0 --file "$dir/in"
	gives 10 copage pub large --message-max 4K --subscribers 0 --file "$dir/in"
}

broken_frames()
{
	later "$dir/out" sub broken --until-closed
	soon there broken subscribers live 1
	printf '\003\0\0\0one\005\0\0\0tw' >"$dir/in"
	gives 18 copage pub broken --framed --file "$dir/in"
	says 'frame at byte 7 of the input is cut short: 2 of its 5 bytes'
	ended "$later" 0
	[ "$(cat "$dir/out")" = one ]
	printf '\003\0\0\0one\005\0' >"$dir/in"
	gives 18 copage pub broken --framed --subscribers 0 --file "$dir/in"
	says 'frame at byte 7 of the input is cut short: 2 of the 4 bytes'
	echo 'this is text' >"$dir/in"
	gives 10 copage pub broken --framed --subscribers 0 --file "$dir/in"
	says 'frame at byte 0 of the input says .* is the input framed'
	printf '\377\377\377\377' >"$dir/in"
	gives 10 copage pub broken --framed --subscribers 0 --file "$dir/in"
}

# --- time

nobody_comes()
{
	gives 7 copage pub nobody --timeout 50ms </dev/null
	says 'no subscriber came to nobody in time'
	gives 7 copage pub nobody --subscribers 3 --timeout 50ms </dev/null
	says 'fewer than 3 subscribers came'
	gives 7 copage sub nobody --timeout 50ms
	says 'no message came in time'
}

nobody_reads()
{
	mkfifo "$dir/fifo"
	timeout 60 "$COPAGE_COMMAND" sub reads --raw >"$dir/fifo" &
	sub=$!
	exec 3<"$dir/fifo"
	head -c 1000000 /dev/zero >"$dir/in"
	gives 7 copage pub reads --chunk 100K --file "$dir/in" --linger 100ms
	says 'all was sent, but not all was read in time'
	gives 0 copage pub reads --chunk 100K --file "$dir/in" --linger 0
	wc -c <&3 >"$dir/count" &
	reader=$!
	exec 3<&-
	soon there reads publishers closed 0
	kill -TERM $sub
	wait $sub || true
	wait $reader
	[ "$(cat "$dir/count")" -eq 2000000 ]
}

# --- standard output

reader_goes_away()
{
	seq 100000 >"$dir/in"
	later "$dir/said" pub goes --file "$dir/in"
	pub=$later
	{
		gives 15 copage sub goes
		says 'standard output was closed'
		: >"$dir/done"
	} | head -n 1 >"$dir/out"
	[ -e "$dir/done" ]
	[ "$(cat "$dir/out")" = 1 ]
	ended $pub 0
}

# It is noticed although there is nothing to write.
idle_reader_goes_away()
{
	{
		gives 15 copage sub idle
		says 'standard output was closed'
		: >"$dir/done"
	} | true
	[ -e "$dir/done" ]
}

no_output_at_all()
{
	for command in 'sub t' 'ls --json' help --version gc 'pub --help'; do
		# shellcheck disable=SC2086 # words
		gives 15 copage $command >&-
		says 'standard output was closed'
	done
}

full_disk()
{
	for command in 'ls --json' help --version gc 'pub --help'; do
		# shellcheck disable=SC2086 # words
		gives 9 copage $command >/dev/full
		says 'cannot write to standard output: No space left'
	done
	echo x >"$dir/in"
	later "$dir/said" pub disk --file "$dir/in"
	gives 9 copage sub disk >/dev/full
	says 'cannot write to standard output: No space left'
	ended "$later" 0
}

# --- files that are not what they should be

# spoil FILE OFFSET BYTES: overwrites
spoil()
{
	chmod u+w "$1"
	printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

spoiled_settings()
{
	path=$COPAGE_ROOT/spoiled
	for damage in 'spoil $path/topic 0 nonsense' 'truncate -s 0 $path/topic' \
		'truncate -s 40 $path/topic' 'rm $path/topic; mkdir $path/topic' \
		'rm -f $path/topic; ln -s /etc/passwd $path/topic' \
		'rm -f $path/topic; mkfifo $path/topic' \
		'spoil $path/topic 24 "\\377\\377\\377\\377\\377\\377\\377\\377"'; do
		copage create spoiled
		[ ! -e "$path/topic" ] || chmod u+w "$path/topic"
		eval "$damage"
		for command in 'pub spoiled --timeout 100ms' 'sub spoiled --timeout 100ms' \
			'stat spoiled'; do
			# shellcheck disable=SC2086 # words
			gives 11 copage $command </dev/null
			says topic
		done
		copage ls --json | holds \
			'[(t["topic"], t["state"]) for t in d["topics"]] == [("spoiled", "corrupt")]'
		copage ls | grep -q '^spoiled  *corrupt '
		rm -rf "$path"
	done
}

foreign_things()
{
	echo text >"$COPAGE_ROOT/text"
	for command in 'pub text --timeout 100ms' 'sub text --timeout 100ms' 'stat text' 'rm text'; do
		# shellcheck disable=SC2086 # words
		gives 11 copage $command </dev/null
		says text
	done
	mkdir "$COPAGE_ROOT/folder"
	echo important >"$COPAGE_ROOT/folder/file"
	for command in 'pub folder --timeout 100ms' 'sub folder --timeout 100ms' 'stat folder' \
		'rm folder' 'rm --force folder'; do
		# shellcheck disable=SC2086 # words
		gives 11 copage $command </dev/null
		says folder
	done
	copage gc >/dev/null
	[ -e "$COPAGE_ROOT/text" ]
	[ "$(cat "$COPAGE_ROOT/folder/file")" = important ]
	rm -r "$COPAGE_ROOT/text" "$COPAGE_ROOT/folder"
}

other_versions()
{
	copage create version
	spoil "$COPAGE_ROOT/version/topic" 8 '\002'
	for command in 'pub version --timeout 100ms' 'sub version --timeout 100ms' 'stat version'; do
		# shellcheck disable=SC2086 # words
		gives 12 copage $command </dev/null
		says 'version.*2.*1\|version.*1.*2'
	done
	copage ls --json | holds '[t["state"] for t in d["topics"]] == ["other version"]'
	rm -rf "$COPAGE_ROOT/version"
}

# A lane is spoiled: its messages are lost, those of others are not.
spoiled_lane()
{
	copage create lane
	mkfifo "$dir/fifo"
	timeout 60 "$COPAGE_COMMAND" pub lane --name bad --subscribers 0 <"$dir/fifo" 2>/dev/null &
	bad=$!
	exec 3>"$dir/fifo"
	echo bad >&3
	soon there lane publishers live 1
	for damage in "8 \\002 12" "0 nonsense 11" "48 \\377\\377 11" "64 \\377 11"; do
		# shellcheck disable=SC2086 # offset, bytes, status
		set -- $damage
		dd if="$COPAGE_ROOT/lane/members/pub.bad" of="$dir/whole" bs=128 count=1 2>/dev/null
		spoil "$COPAGE_ROOT/lane/members/pub.bad" "$1" "$2"
		later "$dir/out" sub lane --count 1
		soon test -s "$dir/out.err"
		echo good | copage pub lane --name good
		ended "$later" "$3"
		says bad "$dir/out.err"
		[ "$(cat "$dir/out")" = good ]
		copage stat lane >"$dir/stat"
		dd if="$dir/whole" of="$COPAGE_ROOT/lane/members/pub.bad" bs=128 conv=notrunc 2>/dev/null
	done
	exec 3>&-
	wait $bad || true
	copage rm --force lane
}

# A file that is mapped is truncated: the kernel's answer is a signal, the command's is a sentence.
truncated_under_the_feet()
{
	yes | timeout 60 "$COPAGE_COMMAND" pub feet --name feed --rate 1000 2>"$dir/pub.err" &
	pub=$!
	later "$dir/out" sub feet
	soon test -s "$dir/out"
	truncate -s 8192 "$COPAGE_ROOT/feet/members/pub.feed"
	ended "$later" 11
	says 'copage sub: .*truncated' "$dir/out.err"
	got=0
	wait $pub || got=$?
	[ "$got" -eq 11 ]
	says 'copage pub: .*truncated' "$dir/pub.err"
	rm -rf "$COPAGE_ROOT/feet"
}

# --- rights

# A root that all may enter, with a copy of the command: $open, removed when the case ends.
open_root()
{
	need_root
	command -v setpriv >/dev/null || skip 'no setpriv'
	open=$(mktemp -d /dev/shm/copage-test-XXXXXX)
	trap 'rm -rf "$open"' EXIT
	chmod 1777 "$open"
	cp "$COPAGE_COMMAND" "$open/.copage"
	chmod 755 "$open/.copage"
}

nobody()
{
	timeout -k 5 60 setpriv --reuid=65534 --regid=65534 --clear-groups "$open/.copage" "$@"
}

denied()
{
	open_root
	echo secret | copage pub "$open/private" --subscribers 0 --linger 0 --name feed &
	wait $!
	copage create "$open/mine"
	for topic in private mine; do
		[ -d "$open/$topic" ] || continue
		for command in "pub $open/$topic --timeout 100ms" "sub $open/$topic --timeout 100ms" \
			"stat $open/$topic" "rm $open/$topic" "rm --force $open/$topic"; do
			# shellcheck disable=SC2086 # words
			gives 8 nobody $command </dev/null
			says "$topic"
			grep -q '0700\|0600\|owner\|mode\|permission' "$dir/err" || fail "$(cat "$dir/err")"
		done
	done
	nobody ls "$open" --json | holds \
		'all(t["state"] == "denied" and t["error"] for t in d["topics"] if t["topic"] == "mine")'
	nobody gc "$open/" >"$dir/out"
	copage stat "$open/mine" >"$dir/out"
}

allowed()
{
	open_root
	copage create "$open/shared" --mode 0666
	later "$dir/out" sub "$open/shared" --until-closed
	soon copage_has_subscriber "$open/shared"
	echo hello >"$dir/in"
	gives 0 nobody pub "$open/shared" <"$dir/in"
	ended "$later" 0
	[ "$(cat "$dir/out")" = hello ]
	# Taking part is not owning.
	gives 8 nobody rm "$open/shared"
	says shared
	copage rm "$open/shared"
}

copage_has_subscriber()
{
	copage stat "$1" --json | grep -q '"subscribers":\[{.*"state":"live"'
}

# --- space

no_space()
{
	need_root
	mkdir "$dir/small"
	mount -t tmpfs -o size=2m small "$dir/small" 2>/dev/null || skip 'may not mount'
	trap 'umount -l "$dir/small"' EXIT
	gives 9 copage pub "$dir/small/space" --subscribers 0 </dev/null
	says 'need.*free\|free.*need\|room'
	gives 9 copage pub "$dir/small/space" --chunk 256M --subscribers 0 </dev/null
	# What fits, works.
	later "$dir/out" sub "$dir/small/space" --until-closed
	soon copage_has_subscriber "$dir/small/space"
	echo fits | copage pub "$dir/small/space" --message-max 64K
	ended "$later" 0
	[ "$(cat "$dir/out")" = fits ]
	[ -z "$(ls -A "$dir/small")" ] || fail "left: $(find "$dir/small")"
	umount "$dir/small"
	trap - EXIT
}

run names_with_bad_characters
run missing_roots
run missing_topics
run missing_input
run live_names
run too_large_messages
run broken_frames
run nobody_comes
run nobody_reads
run reader_goes_away
run idle_reader_goes_away
run no_output_at_all
run full_disk
run spoiled_settings
run foreign_things
run other_versions
run spoiled_lane
run truncated_under_the_feet
run denied
run allowed
run no_space

finish
