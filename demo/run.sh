#!/usr/bin/env bash
# demo/run.sh - the main job on real input: one file streams through a topic to two subscribers
#
#	demo/run.sh BUILD_DIR [FILE]
#
# Without FILE, what this machine has in /usr is packed with tar, as often as it takes to reach
# 1 GiB. Nothing stays behind but that file, in build/demo, for the next time.

set -euo pipefail
cd "$(dirname "$0")/.."

copage=$PWD/$1/tools/copage
work=$PWD/build/demo
topic=demo-$$
chunk=64K

say() {
	printf '\n== %s\n' "$*"
}

# Makes $work/data if it is not there yet.
make_data() {
	local part
	[ -e "$work/data" ] && return
	say "packing /usr into a file of at least 1 GiB"
	rm -f "$work/data.part"
	while part=$(stat -c %s "$work/data.part" 2>/dev/null || echo 0) && [ "$part" -lt $((1 << 30)) ]; do
		tar -cf - --ignore-failed-read -C / usr 2>/dev/null |
			head -c $(((1 << 30) + 12345)) >>"$work/data.part" || true
	done
	mv "$work/data.part" "$work/data"
}

# subscriber N: prints the sum of what it received to a file
subscriber() {
	"$copage" sub "$topic" --raw --until-closed --stats 2>"$work/sub$1.err" |
		sha256sum >"$work/sub$1.sum"
}

# The same once more without check sums, which take most of the time above.
race() {
	local pids=()
	for _ in 1 2; do
		"$copage" sub "$topic" --raw --until-closed >/dev/null &
		pids+=($!)
	done
	"$copage" pub "$topic" --file "$file" --chunk "$chunk" --subscribers 2 --stats
	wait "${pids[@]}"
}

# Not before everybody is there, and no longer than the stream lasts.
look_inside() {
	local root
	while kill -0 "$pub" 2>/dev/null && [ "$("$copage" stat "$topic" 2>/dev/null | grep -c ' live ')" -lt 3 ]; do
		:
	done
	root=$("$copage" help | sed -n 's/^Here and now it is \(.*\)\.$/\1/p')
	say "while it runs: ls -l $root/$topic/members"
	ls -l "$root/$topic/members" || true
	say "while it runs: copage stat $topic"
	"$copage" stat "$topic" || true
}

mkdir -p "$work"
file=${2:-$work/data}
[ $# -ge 2 ] || make_data
say "one publisher, two subscribers, $(stat -c %s "$file") bytes of $file in messages of $chunk"

subscriber 1 &
one=$!
subscriber 2 &
two=$!
"$copage" pub "$topic" --file "$file" --chunk "$chunk" --subscribers 2 --stats 2>"$work/pub.err" &
pub=$!
trap 'kill $one $two $pub 2>/dev/null || true' EXIT
look_inside
wait "$pub" "$one" "$two"
trap - EXIT

say "what the publisher and the subscribers say"
cat "$work/pub.err" "$work/sub1.err" "$work/sub2.err"
say "SHA-256 of the file, and of what each subscriber received"
sent=$(sha256sum <"$file")
printf '%s\n' "$sent" "$(cat "$work/sub1.sum")" "$(cat "$work/sub2.sum")"
if [ "$sent" != "$(cat "$work/sub1.sum")" ] || [ "$sent" != "$(cat "$work/sub2.sum")" ]; then
	say "the sums differ: that is a bug"
	exit 1
fi
say "all three agree; the same once more, to subscribers that add up nothing"
race
say "what is left of the topic (nothing), by copage ls:"
"$copage" ls
