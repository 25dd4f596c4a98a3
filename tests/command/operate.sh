#!/bin/sh
# tests/command/operate.sh - look into topics and keep them in order

# shellcheck source=tests/command/command.sh
. "${0%/*}/command.sh"
begin operate

# lives_on TOPIC LINES: the publisher "feed" sends as many lines, and lives as long as descriptor 3
# is open. It is $feed.
lives_on()
{
	mkfifo "$dir/live"
	timeout 60 "$COPAGE_COMMAND" pub "$1" --name feed --subscribers 0 <"$dir/live" &
	feed=$!
	exec 3>"$dir/live"
	seq "$2" >&3
	soon sh -c '"$COPAGE_COMMAND" stat "$1" --json | grep -q "\"messages\":$2,"' - "$1" "$2"
}

feed_ends()
{
	exec 3>&-
	wait "$feed"
}

# --- ls

nothing_to_list()
{
	[ -z "$(copage ls)" ]
	[ -z "$(copage ls --names)" ]
	copage ls --json | holds 'd == {"root": "'"$COPAGE_ROOT"'", "topics": []}'
}

lists_topics()
{
	copage create b --mode 0660
	lives_on a 3
	later "$dir/out" sub a --name ledger
	soon grep -q 3 "$dir/out"
	[ "$(copage ls --names)" = "$(printf 'a\nb')" ]
	copage ls --json | holds 'set(d) == {"root", "topics"} and [t["topic"] for t in d["topics"]] == ["a", "b"]'
	copage ls --json | holds 'all(set(t) == {"topic", "state", "error", "publishers", "subscribers",
		"messages_kept", "lag_messages", "memory_bytes", "uid", "gid", "mode", "kept", "created"}
		for t in d["topics"])'
	copage ls --json | holds '(lambda a, b: a["state"] == "live" and b["state"] == "idle"
		and a["publishers"]["live"] == 1 and a["subscribers"]["live"] == 1
		and sum(b["publishers"].values()) == 0 and a["messages_kept"] == 3
		and not a["kept"] and b["kept"] and b["mode"] == "0660" and a["mode"] == "0600"
		and a["error"] is None and a["memory_bytes"] > 1 << 20)(*d["topics"])'
	# As a table, too, here and by the name of the root.
	copage ls >"$dir/table"
	head -n 1 "$dir/table" | grep -q '^TOPIC  *STATE  *PUBS  *SUBS  *MESSAGES  *LAG  *MEMORY$'
	grep -q '^a  *live  *1  *1  *3  *0  *[0-9.]* MiB$' "$dir/table"
	grep -q '^b  *idle  *0  *0  *0  *0 ' "$dir/table"
	copage ls "$COPAGE_ROOT" | cmp - "$dir/table"
	copage ls -l | grep -q "^b .* 0660 .*yes"
	! grep -q "$(printf '\033')" "$dir/table" || fail 'colour without a terminal'
	kill -TERM "$later"
	ended "$later" 143
	there a subscribers away 1
	feed_ends
	copage forget a ledger
	copage gc >"$dir/gc"
	copage rm b
}

colours_on_a_terminal_only()
{
	command -v script >/dev/null || skip 'script is not installed'
	copage create colours
	unset NO_COLOR
	TERM=xterm script -qec "$COPAGE_COMMAND ls" /dev/null >"$dir/out" </dev/null
	grep -q "$(printf '\033\\[1m')TOPIC" "$dir/out" || fail 'no colour'
	NO_COLOR=1 TERM=xterm script -qec "$COPAGE_COMMAND ls" /dev/null >"$dir/out" </dev/null
	! grep -q "$(printf '\033')" "$dir/out" || fail 'colour in spite of NO_COLOR'
	TERM=dumb script -qec "$COPAGE_COMMAND ls" /dev/null >"$dir/out" </dev/null
	! grep -q "$(printf '\033')" "$dir/out" || fail 'colour in spite of TERM=dumb'
	copage rm colours
}

# --- stat

shows_a_topic()
{
	lives_on shows 10
	timeout 60 "$COPAGE_COMMAND" sub shows --name slow --raw --count 4 >"$dir/four"
	copage stat shows --json | holds 'set(d) == {"topic", "path", "uid", "gid", "mode", "kept", "hold_away",
		"layout_version", "message_max_bytes", "segments", "memory_bytes", "created", "publishers",
		"subscribers"} and d["topic"] == "shows" and d["path"] == "'"$COPAGE_ROOT"'/shows"
		and not d["kept"] and not d["hold_away"] and d["segments"] == 3
		and d["message_max_bytes"] == 1 << 20'
	copage stat shows --json | holds '(lambda p: len(d["publishers"]) == 1 and set(p) == {"name", "state", "pid",
		"uid", "gid", "mode", "messages", "oldest", "messages_kept", "bytes_kept", "position",
		"message_max_bytes", "segments", "segment_bytes", "memory_bytes", "opened"}
		and p["name"] == "feed" and p["state"] == "live" and p["messages"] == 10
		and p["oldest"] == 1 and p["messages_kept"] == 10 and p["pid"] > 0)(d["publishers"][0])'
	copage stat shows --json | holds '(lambda s: len(d["subscribers"]) == 1 and set(s) == {"name", "state", "pid",
		"uid", "gid", "mode", "named", "lossless", "lag_messages", "lag_bytes", "memory_bytes",
		"opened", "lanes"} and s["state"] == "away" and s["named"] and s["lossless"]
		and s["lag_messages"] == 6 and s["lanes"][0]["publisher"] == "feed"
		and s["lanes"][0]["next_sequence"] == 5 and s["lanes"][0]["lag_messages"] == 6
		)(d["subscribers"][0])'
	copage stat shows >"$dir/table"
	for line in '^Topic    shows$' "^Path     $COPAGE_ROOT/shows$" '^Owner .* 0600$' '^Lanes    ' \
		'^PUBLISHER  *STATE  *PID' '^feed  *live  *[0-9]*  *10  *10' '^SUBSCRIBER' \
		'^slow  *away .*lossless, named  *6 '; do
		grep -q "$line" "$dir/table" || fail "no '$line' in: $(cat "$dir/table")"
	done
	feed_ends
	copage forget shows slow
	copage gc >"$dir/gc"
}

measures_rates()
{
	later "$dir/out" sub rates
	sub=$later
	yes | timeout 60 "$COPAGE_COMMAND" pub rates --rate 1000 --count 3000 &
	pub=$!
	soon test -s "$dir/out"
	copage stat rates --interval 500ms --count 2 --json >"$dir/looks"
	[ "$(wc -l <"$dir/looks")" -eq 2 ]
	tail -n 1 "$dir/looks" | holds '0.4 < d["interval_seconds"] < 2
		and 500 < d["publishers"][0]["messages_per_second"] < 2000
		and 500 < d["subscribers"][0]["messages_per_second"] < 2000
		and d["publishers"][0]["bytes_per_second"] > 5000'
	copage stat rates --interval 100ms --count 1 | grep -q '^PUBLISHER.*MSG/S  *BYTES/S$'
	kill -TERM $sub
	ended $sub 143
	kill -TERM $pub
	wait $pub || true
}

watching_ends_in_order()
{
	copage create watched
	later "$dir/out" stat watched --interval 50ms
	soon test -s "$dir/out"
	kill -TERM "$later"
	ended "$later" 143
	later "$dir/out" stat watched --interval 50ms
	soon test -s "$dir/out"
	copage rm watched
	ended "$later" 3
}

# --- create, rm, forget

creates_as_told()
{
	copage create told --mode 660 --message-max 64K --segments 5 --hold-away
	copage stat told --json | holds 'd["mode"] == "0660" and d["message_max_bytes"] == 65536
		and d["segments"] == 5 and d["hold_away"] and d["kept"]'
	later "$dir/out" sub told --until-closed
	soon there told subscribers live 1
	echo x | copage pub told
	ended "$later" 0
	# It stays.
	[ "$(copage ls --names)" = told ]
	copage rm told
	[ -z "$(copage ls --names)" ]
}

group_is_set()
{
	need_root
	copage create group --group 12345 --mode 0660
	copage stat group --json | holds 'd["gid"] == 12345'
	copage rm group
}

removes_several_and_goes_on_after_a_failure()
{
	copage create one
	copage create two
	gives 3 copage rm one none two
	says 'none'
	[ -z "$(copage ls --names)" ]
}

removes_by_force()
{
	lives_on force 1
	gives 5 copage rm force
	says force
	there force publishers live 1
	copage rm --force force
	[ -z "$(copage ls --names)" ]
	# Who was in it goes on, by itself.
	seq 5 >&3
	feed_ends
}

forgets()
{
	copage create forgets --hold-away
	copage sub forgets --name ledger --timeout 0 2>/dev/null || true
	later "$dir/said" pub forgets --chunk 1M --file /dev/zero --subscribers 0 --count 20
	soon there forgets publishers live 1
	sleep 0.3
	kill -0 "$later" || fail 'the publisher did not wait for the one that is away'
	copage forget forgets ledger
	ended "$later" 0
	copage rm forgets
}

# --- gc

collects_what_the_dead_left()
{
	lives_on dead 3
	kill -KILL "$(pid dead publishers feed)"
	exec 3>&-
	wait "$feed" || true
	soon there dead publishers dead 1
	find "$COPAGE_ROOT" | sort >"$dir/before"
	copage gc --dry-run >"$dir/dry"
	find "$COPAGE_ROOT" | sort | cmp - "$dir/before"
	grep -q '^would remove .*/dead.* (.*): .' "$dir/dry"
	copage gc --dry-run --json | holds 'set(d) == {"dry_run", "items", "removed", "failed", "bytes"}
		and d["dry_run"] and d["removed"] == len(d["items"]) > 0 and d["failed"] == 0
		and all(set(i) == {"path", "reason", "bytes", "error"} and i["reason"] and i["error"] is None
		for i in d["items"])'
	copage gc >"$dir/wet"
	sed 's/^would remove/removed/' "$dir/dry" | cmp - "$dir/wet"
	[ -z "$(ls -A "$COPAGE_ROOT")" ]
	copage gc --json | holds 'not d["dry_run"] and d["items"] == [] and d["removed"] == 0'
}

leaves_the_living_alone()
{
	copage create kept
	lives_on alive 3
	copage sub alive --name away --count 1 >"$dir/out"
	later "$dir/out" sub alive --raw
	sub=$later
	soon grep -q 3 "$dir/out"
	find "$COPAGE_ROOT" | sort >"$dir/before"
	copage gc >"$dir/gc"
	copage gc alive >"$dir/gc"
	copage gc "$COPAGE_ROOT/" >"$dir/gc"
	find "$COPAGE_ROOT" | sort | cmp - "$dir/before"
	grep -q '^removed 0, 0 B$' "$dir/gc"
	kill -TERM $sub
	ended $sub 143
	feed_ends
	copage forget alive away
	copage gc >"$dir/gc"
	copage rm kept
}

run nothing_to_list
run lists_topics
run colours_on_a_terminal_only
run shows_a_topic
run measures_rates
run watching_ends_in_order
run creates_as_told
run group_is_set
run removes_several_and_goes_on_after_a_failure
run removes_by_force
run forgets
run collects_what_the_dead_left
run leaves_the_living_alone

finish
