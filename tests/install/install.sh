#!/bin/sh
# tests/install/install.sh - the installed tree, and every route by which a program gets there

# shellcheck source=tests/support/test.sh
. "${COPAGE_TEST_SUPPORT:?}/test.sh"
suite install

here=$COPAGE_SOURCE/tests/install
stage=$suite_dir/stage
prefix=$stage/usr/local
cc=${CC:-cc}
unset LD_LIBRARY_PATH

have()
{
	command -v "$1" >/dev/null || skip "$1 is not installed"
}

cxx()
{
	for cxx in "${CXX:-c++}" g++ clang++; do
		command -v "$cxx" >/dev/null && return
	done
	skip 'no C++ compiler is installed'
}

# says_hello PROGRAM: it runs, and leaves nothing
says_hello()
{
	mkdir "$dir/root"
	[ "$(COPAGE_ROOT=$dir/root LD_LIBRARY_PATH=$libdir "$@")" = hello ]
	[ -z "$(ls "$dir/root")" ]
}

package()
{
	have pkg-config
	PKG_CONFIG_SYSROOT_DIR=$stage PKG_CONFIG_LIBDIR=$libdir/pkgconfig pkg-config "$@" copage
}

# --- what is installed

stages()
{
	meson install -C "$COPAGE_BUILD" --no-rebuild --quiet --destdir "$stage"
}

headers_are_all_there()
{
	(cd "$COPAGE_SOURCE/include/copage" && ls ./*.h) >"$dir/wanted"
	(cd "$prefix/include/copage" && ls ./*.h) | diff "$dir/wanted" -
}

versions_agree()
{
	header=$prefix/include/copage/version.h
	number() { sed -n "s/^#define COP_VERSION_$1 //p" "$header"; }
	[ "$(number MAJOR).$(number MINOR).$(number PATCH)" = "$COPAGE_VERSION" ]
	grep -q "^#define COP_VERSION \"$COPAGE_VERSION\"\$" "$header"
	[ "$(package --modversion)" = "$COPAGE_VERSION" ]
	"$prefix/bin/copage" --version | head -n 1 | grep -qF "$COPAGE_VERSION"
}

manuals_and_completions_are_there()
{
	for name in copage.1 bash-completion/completions/copage zsh/site-functions/_copage \
		fish/vendor_completions.d/copage.fish; do
		[ -s "$prefix/share/$name" ] || [ -s "$prefix/share/man/man1/$name" ] ||
			fail "no $name"
	done
}

# --- the library

# The functions that the public headers declare.
declared()
{
	for header in "$prefix"/include/copage/*.h; do
		grep -v '^#include' "$header" | $cc -E -P -x c -
	done | grep -v '^typedef' | grep -o '\bcop_[a-z0-9_]*(' | tr -d '(' | LC_ALL=C sort -u
}

exports_what_headers_declare()
{
	declared >"$dir/wanted"
	[ -s "$dir/wanted" ]
	nm -D --defined-only "$libdir/libcopage.so" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
		LC_ALL=C sort | diff "$dir/wanted" -
}

# The static library cannot hide what its files share, so that is named apart.
static_names_begin_with_cop()
{
	nm --defined-only --extern-only "$libdir/libcopage.a" | awk 'NF == 3 { print $3 }' \
		>"$dir/names"
	[ -s "$dir/names" ]
	! grep -v '^cop_' "$dir/names"
}

needs_only_libc()
{
	readelf -d "$libdir/libcopage.so" >"$dir/dynamic"
	grep -q 'SONAME.*\[libcopage\.so\.0\]' "$dir/dynamic"
	grep NEEDED "$dir/dynamic" | grep -v -e '\[libc\.so' -e '\[ld-linux' >"$dir/more" || true
	[ ! -s "$dir/more" ] || fail "$(cat "$dir/more")"
}

# --- headers, each alone and twice

header_is_c11()
{
	printf '#include <copage/%s>\n' "$1" "$1" >"$dir/h.c"
	echo 'typedef int not_empty;' >>"$dir/h.c"
	$cc -std=c11 -pedantic-errors -Wall -Wextra -Werror -I "$prefix/include" -fsyntax-only \
		"$dir/h.c"
}

header_is_cxx17()
{
	cxx
	printf '#include <copage/%s>\n' "$1" "$1" >"$dir/h.cc"
	"$cxx" -std=c++17 -pedantic-errors -Wall -Wextra -Werror -I "$prefix/include" \
		-fsyntax-only "$dir/h.cc"
}

# --- routes

by_pkg_config()
{
	# shellcheck disable=SC2046
	$cc "$here/program.c" -o "$dir/program" $(package --cflags --libs)
	readelf -d "$dir/program" | grep -q 'NEEDED.*libcopage\.so\.0'
	says_hello "$dir/program"
}

by_pkg_config_static()
{
	# shellcheck disable=SC2046
	$cc "$here/program.c" -static -o "$dir/program" $(package --cflags --libs --static)
	libdir=/nowhere says_hello "$dir/program"
}

by_hand_from_cxx()
{
	cxx
	"$cxx" -x c++ -std=c++17 "$here/program.c" -I "$prefix/include" -L "$libdir" -lcopage \
		-o "$dir/program"
	says_hello "$dir/program"
}

# by_cmake TARGET
by_cmake()
{
	have cmake
	cat >"$dir/CMakeLists.txt" <<-END
		cmake_minimum_required(VERSION 3.13)
		project(user C)
		find_package(copage $COPAGE_VERSION REQUIRED)
		add_executable(program $here/program.c)
		target_link_libraries(program PRIVATE copage::$1)
	END
	cmake -S "$dir" -B "$dir/build" -G Ninja \
		-DCMAKE_C_COMPILER="${cc##* }" -DCMAKE_PREFIX_PATH="$prefix"
	cmake --build "$dir/build"
	says_hello "$dir/build/program"
}

# cmake_refuses VERSION: one that this does not serve
cmake_refuses()
{
	have cmake
	cat >"$dir/CMakeLists.txt" <<-END
		cmake_minimum_required(VERSION 3.13)
		project(user C)
		find_package(copage $1)
		if(copage_FOUND)
			message(FATAL_ERROR "found")
		endif()
	END
	cmake -S "$dir" -B "$dir/build" -G Ninja \
		-DCMAKE_C_COMPILER="${cc##* }" -DCMAKE_PREFIX_PATH="$prefix"
}

by_meson_subproject()
{
	mkdir "$dir/subprojects"
	ln -s "$COPAGE_SOURCE" "$dir/subprojects/copage"
	cp "$here/program.c" "$dir"
	cat >"$dir/meson.build" <<-END
		project('user', 'c')
		copage = dependency('copage', fallback: 'copage',
			default_options: ['tests=disabled', 'bench=false', 'examples=false'])
		executable('program', 'program.c', dependencies: copage)
	END
	PKG_CONFIG_LIBDIR=/nowhere meson setup "$dir/build" "$dir"
	ninja -C "$dir/build" program
	says_hello "$dir/build/program"
}

after_the_tree_was_moved()
{
	have cmake
	cp -R "$prefix" "$dir/moved"
	libdir=$dir/moved/${libdir#"$prefix"/}
	prefix=$dir/moved
	by_cmake copage
}

run stages
libdir=$(dirname "$(find "$prefix" -name libcopage.a)")

run headers_are_all_there
run versions_agree
run manuals_and_completions_are_there
run exports_what_headers_declare
run static_names_begin_with_cop
run needs_only_libc
for header in "$COPAGE_SOURCE"/include/copage/*.h; do
	run header_is_c11 "${header##*/}"
	run header_is_cxx17 "${header##*/}"
done
run by_pkg_config
run by_pkg_config_static
run by_hand_from_cxx
run by_cmake copage
run by_cmake copage_static
run cmake_refuses 0.2
run cmake_refuses 1.0
run by_meson_subproject
run after_the_tree_was_moved

totals
