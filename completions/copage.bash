# copage.bash - completion of copage for bash
#
# A test holds the options in here to `copage VERB --help`.

_copage_options()
{
	case $1 in
	pub)
		echo --lines --strip --chunk --framed --file --count --rate --name --resume \
			--subscribers --when-full --timeout --linger --message-max --segments \
			--quiet --progress --stats
		;;
	sub)
		echo --raw --framed --json --from --count --lossy --latest --name --until-closed \
			--publishers --timeout --quiet --progress --stats
		;;
	ls) echo --long --names --json ;;
	stat) echo --interval --count --json ;;
	create) echo --mode --group --message-max --segments --hold-away ;;
	rm) echo --force ;;
	gc) echo --dry-run --json ;;
	esac
	echo --help
}

_copage()
{
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local verbs='pub sub ls stat create rm gc forget help' verb=${COMP_WORDS[1]}

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$verbs --help --version" -- "$word")
		return
	fi
	case $verb:$before in
	pub:--file | pub:-f)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	pub:--when-full) verb=values verbs='wait fail drop' ;;
	sub:--from) verb=values verbs='oldest newest' ;;
	create:--mode) verb=values verbs='0600 0660 0666' ;;
	create:--group)
		mapfile -t COMPREPLY < <(compgen -g -- "$word")
		return
		;;
	help:*) verb=values verbs="$verbs exit-codes formats" ;;
	*:--chunk | *:--count | *:-n | *:--rate | *:--name | *:--subscribers | *:--timeout | \
		*:--linger | *:--message-max | *:--segments | *:--publishers | *:--interval | *:-i)
		# A value that only the user knows; but rm, gc and ls have no -n that takes one.
		[ "$verb:$before" = gc:-n ] || return
		;;
	esac
	if [ "$verb" = values ]; then
		mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$word")
	elif [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_copage_options "$verb")" -- "$word")
	elif [[ $verb == ls || $word == */* ]]; then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -d -- "$word")
	else
		mapfile -t COMPREPLY < <(compgen -W "$(copage ls --names 2>/dev/null)" -- "$word")
	fi
}

complete -F _copage copage
