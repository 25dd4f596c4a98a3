#!/bin/sh
# tests/style/check.sh RULE TREE - holds a tree to one rule of the house; prints FILE:LINE: WHY for
# each breach, and fails if there is one. TREE is the repository or something laid out like it.
#
#   lines      no line is longer than 100 columns (a tab is 8), none ends in blanks
#   functions  no function is longer than 80 lines
#   files      no source file is longer than 700 lines
#   layers     src/: an #include names the same layer or a lower one
#   kernel     src/: only the layer os calls the kernel
#   public     tools/, examples/, bench/: only public headers of Copage are included

# Bottom up. Keep it like src/meson.build.
LAYERS='os map object member lane topic'

# What only os may call. Names, separated by spaces; clock, getpid and other calls that cannot fail
# pass through os as well.
KERNEL_CALLS='access chmod chown clock_gettime clock_nanosleep close copy_file_range creat dup dup2
	dup3 epoll_create1 epoll_ctl epoll_wait eventfd fallocate fchmod fchmodat fchown fchownat fcntl
	fdatasync flock fopen fork fstat fstatat fstatfs fstatvfs fsync ftruncate futex getdents64
	getegid geteuid getgid getpid getrandom getrlimit gettid getuid inotify_add_watch
	inotify_init1 inotify_rm_watch ioctl kill link linkat lockf lseek lstat madvise mbind memfd_create
	mincore mkdir mkdirat mlock mlock2 mmap mprotect mremap msync munlock munmap nanosleep open
	open_by_handle_at openat opendir pipe pipe2 poll posix_fallocate ppoll prctl pread preadv
	process_madvise pwrite pwritev read readdir readlink readlinkat readv rename renameat renameat2
	rmdir sched_getaffinity sched_yield select shm_open shm_unlink sigaction signal socket stat
	statfs statvfs statx symlinkat sync_file_range sysconf syscall timerfd_create timerfd_settime
	truncate umask unlink unlinkat usleep utimensat write writev'

rule=${1:?a rule}
tree=${2:?a tree}
cd "$tree" || exit 2

# Prints the files below the folders given that are there, by name.
sources()
{
	for folder; do
		[ -d "$folder" ] && find "$folder" -name '*.[ch]'
	done | LC_ALL=C sort
}

# Runs awk with the program given over all files of the folders given; what it prints is a breach.
breaches()
{
	program=$1
	shift
	# No file name here has a blank: splitting is what is wanted.
	# shellcheck disable=SC2046
	set -- $(sources "$@")
	[ $# -gt 0 ] || return 0
	LC_ALL=C awk -v layers="$LAYERS" -v calls="$KERNEL_CALLS" "$program" "$@"
}

# awk: the text of the line without comments and the insides of strings.
CODE='
	FNR == 1 { in_comment = 0 }
	function code(line,   out, at) {
		gsub(/\\./, "", line)
		gsub(/"[^"]*"/, "\"\"", line)
		gsub(/\047[^\047]*\047/, "0", line)
		out = ""
		for (;;) {
			if (in_comment) {
				at = index(line, "*/")
				if (!at)
					return out
				line = substr(line, at + 2)
				in_comment = 0
			} else {
				at = index(line, "/*")
				if (!at)
					return out line
				out = out substr(line, 1, at - 1) " "
				line = substr(line, at + 2)
				in_comment = 1
			}
		}
	}
'

check_lines()
{
	breaches '
		# Columns: a tab goes to the next multiple of 8; bytes that continue a UTF-8
		# character take none.
		function columns(line,   n, i, c) {
			gsub(/[\200-\277]/, "", line)
			n = 0
			for (i = 1; i <= length(line); i++) {
				c = substr(line, i, 1)
				n = c == "\t" ? n - n % 8 + 8 : n + 1
			}
			return n
		}
		columns($0) > 100 { print FILENAME ":" FNR ": longer than 100 columns" }
		/[ \t\r]$/ { print FILENAME ":" FNR ": ends in blanks" }
	' include src tools examples tests bench
}

check_functions()
{
	breaches '
		/^\{$/ { start = FNR; name = before }
		/^\}$/ && start {
			if (FNR - start - 1 > 80)
				print FILENAME ":" start ": function of " FNR - start - 1 " lines: " name
			start = 0
		}
		/^[A-Za-z_]/ { before = $0 }
		FNR == 1 { start = 0 }
	' src tools examples tests bench
}

check_files()
{
	breaches '
		FNR == 701 { print FILENAME ":701: file longer than 700 lines" }
	' include src tools examples tests bench
}

check_layers()
{
	breaches '
		BEGIN { n = split(layers, name, " "); for (i = 1; i <= n; i++) rank[name[i]] = i }
		FNR == 1 {
			split(FILENAME, part, "/")
			own = part[2]
			if (!(own in rank))
				print FILENAME ":1: not in a layer (" layers ")"
		}
		/^[ \t]*#[ \t]*include[ \t]*"/ {
			split($0, quoted, "\"")
			split(quoted[2], path, "/")
			if (path[1] == "copage")
				next
			if (!(path[1] in rank))
				print FILENAME ":" FNR ": " quoted[2] " is not \"layer/header.h\""
			else if (rank[path[1]] > rank[own])
				print FILENAME ":" FNR ": " own " is below " path[1] \
					" and must not know " quoted[2]
		}
	' src
}

check_kernel()
{
	breaches "$CODE"'
		BEGIN { n = split(calls, call, /[ \t\n]+/); for (i = 1; i <= n; i++) is_call[call[i]] = 1 }
		{ line = code($0) }
		FILENAME ~ /^src\/os\// { next }
		{
			while (match(line, /[A-Za-z_][A-Za-z0-9_]*[ \t]*\(/)) {
				word = substr(line, RSTART, RLENGTH - 1)
				sub(/[ \t]+$/, "", word)
				ahead = RSTART > 1 ? substr(line, 1, RSTART - 1) : ""
				if (word in is_call && ahead !~ /(\.|->|[0-9])$/)
					print FILENAME ":" FNR ": only src/os calls " word "()"
				line = substr(line, RSTART + RLENGTH)
			}
		}
	' src
}

check_public()
{
	breaches '
		/^[ \t]*#[ \t]*include[ \t]*["<](os|map|object|member|lane|topic)\// {
			print FILENAME ":" FNR ": only public headers, <copage/...>"
		}
	' tools examples bench
}

found=$("check_$rule") || exit 2
[ -z "$found" ] && exit 0
echo "$found"
exit 1
