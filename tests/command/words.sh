#!/bin/sh
# tests/command/words.sh - the words of the command: help, usage, and what is written about it

# shellcheck source=tests/command/command.sh
. "${0%/*}/command.sh"
begin words

verbs='pub sub ls stat create rm gc forget help'

# The long options of a verb, as its help lists them.
options()
{
	copage "$1" --help | grep -o '^  \(-.,\|   \) --[a-z-]*' | grep -o -e '--[a-z-]*'
}

# --- help

every_verb_has_help()
{
	copage help >"$dir/overview"
	for verb in $verbs; do
		grep -q "^  $verb " "$dir/overview" || fail "the overview has no $verb"
		copage "$verb" --help >"$dir/long" 2>"$dir/err"
		copage "$verb" -h | cmp - "$dir/long"
		copage help "$verb" | cmp - "$dir/long"
		[ ! -s "$dir/err" ]
		grep -q "^Usage: copage $verb" "$dir/long"
		grep -A 1 '^Examples:' "$dir/long" | grep -q "copage" || fail "$verb: no example"
	done
	copage --help | cmp - "$dir/overview"
}

help_fits_a_terminal()
{
	for verb in '' $verbs formats exit-codes; do
		# shellcheck disable=SC2086 # none is a verb too
		copage help $verb | awk -v verb="$verb" '
			length > 88 || /[ \t]$/ { print verb ": " $0; bad = 1 }
			END { exit bad }'
	done
}

help_wins_over_the_rest()
{
	copage pub --help --chunk nonsense >"$dir/out"
	grep -q '^Usage: copage pub' "$dir/out"
}

version_is_told()
{
	[ "$(copage --version)" = "copage $COPAGE_VERSION (library $COPAGE_VERSION)" ]
	[ "$(copage -V)" = "$(copage --version)" ]
}

# --- wrong usage: one sentence and 2, and nothing on standard output

refuses()
{
	text=$1
	shift
	gives 2 copage "$@" >"$dir/out" </dev/null
	says "$text"
	[ ! -s "$dir/out" ]
}

guesses()
{
	refuses "did you mean 'pub'" pbu
	refuses "did you mean 'stat'" stats
	refuses "unknown verb 'frobnicate'; 'copage help'" frobnicate
	refuses "did you mean '--lines'" pub --lnies t
	refuses "unknown option '-z'; 'copage pub --help'" pub -z t
	refuses "unknown option '--frobnicate'; 'copage ls" ls --frobnicate
}

counts_operands()
{
	refuses 'which verb'
	refuses 'usage: copage pub' pub
	refuses "'b' is one operand too many" sub a b
	refuses 'usage: copage forget' forget a
	refuses 'usage: copage rm' rm
	refuses "no help on 'x'" help x
}

reads_values()
{
	refuses "'--chunk' needs a value" pub t --chunk
	for value in 0 -1 x 1X 1KB 1.5M 257M 99999999999999999999 '' ' 1' 0x10; do
		refuses '--chunk .*bytes' pub t --chunk "$value"
	done
	for value in x -1 5d 1..2 . 0x5 inf nan '' 1e3 99999999999h; do
		refuses '--timeout .*time' pub t --timeout "$value"
	done
	for value in 0 x -5 5/m inf 1/ /s; do
		refuses '--rate .*messages a second' pub t --rate "$value"
	done
	refuses 'wait, fail, drop' pub t --when-full maybe
	refuses 'oldest, newest' sub t --from yesterday
	refuses 'whole number' sub t --count 0
	refuses '0600, 0660, 0666' create t --mode 0640
	refuses 'not a group' create t --group no-such-group
	refuses '1ms or more' stat t --interval 0
}

takes_values()
{
	for value in 4096 4K 4k 4KiB 1M 256M; do
		gives 7 copage pub values --chunk "$value" --timeout 1ms </dev/null
	done
	for value in 1ms 0.001 0.001s 1000us 1000000ns 0.00001m 0 0.000001h; do
		gives 7 copage sub values --timeout "$value"
	done
}

knows_what_excludes_what()
{
	refuses 'exclude each other' pub t --chunk 1 --framed
	refuses 'exclude each other' pub t --lines --chunk 1
	refuses 'exclude each other' sub t --raw --json
	refuses 'exclude each other' sub t --lossy --latest
	refuses 'exclude each other' ls --names --json
	refuses '--resume needs --name' pub t --resume
	refuses '--publishers goes with --until-closed' sub t --publishers 2
	refuses '--count goes with --interval' stat t --count 2
	refuses 'larger than --message-max' pub t --chunk 2K --message-max 1K
}

takes_options_anywhere()
{
	gives 7 copage sub --timeout=1ms anywhere
	gives 7 copage sub anywhere --timeout 1ms
	gives 7 copage sub --timeo 1ms -- anywhere
}

# --- what is written elsewhere agrees

exit_codes_agree()
{
	copage help exit-codes >"$dir/codes"
	[ "$(wc -l <"$dir/codes")" -gt 15 ]
	while IFS= read -r line; do
		grep -qxF "$line" "$COPAGE_SOURCE/man/copage.1" || fail "man/copage.1: no '$line'"
		grep -qxF "$line" "$COPAGE_SOURCE/docs/command.md" ||
			fail "docs/command.md: no '$line'"
	done <"$dir/codes"
}

# The section of the manual page that is a verb's.
manual()
{
	awk -v verb="$1" '
		/^\.S[hs] / { own = $0 ~ "^.Ss " verb ":" }
		own' "$COPAGE_SOURCE/man/copage.1" | sed 's/ Fl -/ --/g; s/\\-/-/g'
}

options_agree()
{
	completions=$COPAGE_SOURCE/completions
	for verb in pub sub ls stat create rm gc forget; do
		manual "$verb" >"$dir/manual"
		[ -s "$dir/manual" ] || [ "$verb" = help ] || fail "the manual page has no $verb"
		for option in $(options "$verb"); do
			[ "$option" != --help ] || continue
			grep -q -e " $option\>" "$dir/manual" || fail "man: $verb has no $option"
			awk "/^\t$verb\)/,/;;/" "$completions/copage.bash" |
				grep -q -e "$option\>" || fail "bash: $verb has no $option"
			awk "/^\t$verb\)/,/;;/" "$completions/_copage" |
				grep -q -e "$option\>" || fail "zsh: $verb has no $option"
			grep "__copage_verb [a-z ]*\<$verb\>" "$completions/copage.fish" |
				grep -q -e "-l ${option#--} " || fail "fish: $verb has no $option"
		done
	done
}

completes_in_bash()
{
	command -v bash >/dev/null || skip 'bash is not installed'
	copage create complete
	mkdir "$dir/bin"
	ln -s "$COPAGE_COMMAND" "$dir/bin/copage"
	PATH=$dir/bin:$PATH bash -c '
		. "$1"
		complete_words()
		{
			COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
			_copage
			printf "%s " "${COMPREPLY[@]}"
		}
		[ "$(complete_words copage p)" = "pub " ] &&
		[ "$(complete_words copage stat comp)" = "complete " ] &&
		[ "$(complete_words copage pub t --when-full "")" = "wait fail drop " ] &&
		[ "$(complete_words copage pub t --sub)" = "--subscribers " ] &&
		[ "$(complete_words copage gc -n comp)" = "complete " ] &&
		[ "$(complete_words copage sub t --count "")" = " " ]
	' - "$COPAGE_SOURCE/completions/copage.bash"
	copage rm complete
}

completions_parse()
{
	for shell in 'bash copage.bash' 'zsh _copage' 'fish copage.fish'; do
		if command -v "${shell% *}" >/dev/null; then
			"${shell% *}" -n "$COPAGE_SOURCE/completions/${shell#* }"
			parsed=yes
		fi
	done
	[ -n "${parsed:-}" ] || skip 'none of the three shells is installed'
}

manual_page_is_sound()
{
	command -v mandoc >/dev/null || skip 'mandoc is not installed'
	mandoc -Tlint "$COPAGE_SOURCE/man/copage.1" | grep -v 'outdated mandoc.db' >"$dir/said" || true
	[ ! -s "$dir/said" ] || fail "$(cat "$dir/said")"
}

run every_verb_has_help
run help_fits_a_terminal
run help_wins_over_the_rest
run version_is_told
run guesses
run counts_operands
run reads_values
run takes_values
run knows_what_excludes_what
run takes_options_anywhere
run exit_codes_agree
run options_agree
run completes_in_bash
run completions_parse
run manual_page_is_sound

finish
