#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# test_headers.sh INCLUDEDIR [SOURCEDIR] - each public header compiles in every program that could include it
#
# Every combination of compiler, standard, header and neighbours is one compilation with warnings as errors. A neighbour is
# a system header included before or after ours; combinations that the compiler refuses without our header are left out,
# and counted. Then header_use.c, which uses what the headers define, is compiled with each, and run.

set -u
include=$1
source=${2:-$(dirname "$0")}
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT

headers='ioth.h nlinline.h nlinline+.h libnlq.h iothaddr.h'
warnings='-Wall -Wextra -pedantic -Wshadow -Wconversion -Wsign-conversion -Wundef -Wcast-qual -Wunused -Werror'

# Sets of neighbours, in the order of their inclusion, joined by commas.
neighbours='
net/if.h
linux/if.h
net/if.h,linux/if.h
linux/if.h,net/if.h
net/if.h,linux/rtnetlink.h,linux/if_link.h
linux/rtnetlink.h,net/if.h
linux/netlink.h,linux/if_addr.h,linux/if_link.h
netinet/in.h,linux/in6.h
linux/in6.h,netinet/in.h
linux/in6.h
linux/in.h,linux/in6.h
netinet/in.h,arpa/inet.h,net/if.h,netinet/ip6.h
net/if.h,net/if_arp.h,net/ethernet.h,net/route.h
linux/if_arp.h
linux/if_ether.h,linux/if_packet.h
netpacket/packet.h,net/ethernet.h,ifaddrs.h
linux/veth.h,linux/if_tun.h,linux/socket.h
sys/socket.h,sys/un.h,time.h,stdlib.h,signal.h
'

# compiler, standards
c_compilers=
cxx_compilers=
for compiler in gcc clang; do
	command -v "$compiler" >/dev/null && c_compilers="$c_compilers $compiler"
done
for compiler in g++ clang++; do
	command -v "$compiler" >/dev/null && cxx_compilers="$cxx_compilers $compiler"
done
if [ -z "$c_compilers" ]; then
	echo 'skipped: there is neither gcc nor clang'
	exit 77
fi
[ -n "$cxx_compilers" ] || echo 'left out: C++, as there is neither g++ nor clang++'

# One job: compile FILE from stdin's headers. Result is a line in $dir/results: ok, FAIL or refused, and what it was.
cat >"$dir/job" <<'JOB'
#!/bin/sh
# job DIR N COMPILER STANDARD DEFINE HEADER BEFORE AFTER; '-' is none; flags are in the environment
dir=$1 n=$2 compiler=$3 standard=$4 define=$5 header=$6 before=$7 after=$8
case $compiler in
*++) suffix=cc ;;
*) suffix=c ;;
esac
[ "$define" = - ] && flag= || flag=-D$define
lines() {
	[ "$1" = - ] || echo "$1" | tr ',' '\n' | sed 's/.*/#include <&>/'
}
{
	lines "$before"
	[ "$header" = - ] || echo "#include \"$header\""
	lines "$after"
	echo 'int main(void) { return 0; }'
} >"$dir/$n.$suffix"
what="$compiler -std=$standard $define $header before=$before after=$after"
if $compiler -std="$standard" $flag $WARNINGS -I"$INCLUDE" -fsyntax-only "$dir/$n.$suffix" 2>"$dir/$n.log"; then
	echo "ok $what" >"$dir/$n.result"
else
	echo "FAIL $what" >"$dir/$n.result"
	sed 's/^/    /' "$dir/$n.log" >>"$dir/$n.result"
fi
JOB
chmod +x "$dir/job"
export WARNINGS="$warnings" INCLUDE="$include"

n=0
job() {
	n=$((n + 1))
	echo "$dir $n $*" >>"$dir/jobs"
}

run_jobs() {
	xargs -P "$(nproc)" -L 1 "$dir/job" <"$dir/jobs"
	rm "$dir/jobs"
}

# What is refused without us: one compilation for each compiler and set of neighbours.
for neighbour in $neighbours; do
	for compiler in $c_compilers; do
		job "$compiler" c11 - - "$neighbour" -
		job "$compiler" c11 _GNU_SOURCE - "$neighbour" -
	done
	for compiler in $cxx_compilers; do
		job "$compiler" c++17 - - "$neighbour" -
	done
done
run_jobs
cat "$dir"/*.result | grep '^FAIL' | sed 's/^FAIL //; s/ - before=/ /; s/ after=-$//' >"$dir/refused"
rm "$dir"/*.result
refused() { # compiler standard define neighbour
	grep -q -x -F -e "$1 -std=$2 $3 $4" "$dir/refused"
}

skipped=0
# Alone, in every standard.
for header in $headers; do
	for define in - _GNU_SOURCE; do
		for compiler in $c_compilers; do
			for standard in c99 c11 c17 gnu17; do
				job "$compiler" $standard $define "$header" - -
			done
		done
		for compiler in $cxx_compilers; do
			for standard in c++17 gnu++17; do
				job "$compiler" $standard $define "$header" - -
			done
		done
	done
done
# With neighbours on either side. nlinline+.h is part of both of these, and iothaddr.h includes nothing of the network.
try_neighbour() { # compiler standard define header neighbour
	if refused "$1" "$2" "$3" "$5"; then
		skipped=$((skipped + 2))
	else
		job "$1" "$2" "$3" "$4" "$5" -
		job "$1" "$2" "$3" "$4" - "$5"
	fi
}
for neighbour in $neighbours; do
	for header in ioth.h nlinline.h libnlq.h; do
		for compiler in $c_compilers; do
			try_neighbour "$compiler" c11 - $header "$neighbour"
		done
		for compiler in $cxx_compilers; do
			try_neighbour "$compiler" c++17 - $header "$neighbour"
		done
	done
	for compiler in $c_compilers; do
		try_neighbour "$compiler" c11 _GNU_SOURCE ioth.h "$neighbour"
	done
done
# All of ours together, each of them first, and each twice.
for compiler in $c_compilers $cxx_compilers; do
	case $compiler in
	*++) standard='c++17' ;;
	*) standard='c99' ;;
	esac
	for header in $headers; do
		job "$compiler" $standard - "$header" - ioth.h,nlinline.h,nlinline+.h,libnlq.h,iothaddr.h
		job "$compiler" $standard - "$header" iothaddr.h,libnlq.h,nlinline+.h,nlinline.h,ioth.h -
	done
done
compiled=$n
run_jobs
grep -h -A 12 '^FAIL' "$dir"/*.result
failed=$(cat "$dir"/*.result | grep -c '^FAIL')
passed=$(cat "$dir"/*.result | grep -c '^ok')

# What the headers define can be used, in both languages and without optimisation.
for compiler in $c_compilers $cxx_compilers; do
	case $compiler in
	*++) language=c++ standards='c++17 gnu++17' ;;
	*) language=c standards='c99 c11 c17 gnu17' ;;
	esac
	for standard in $standards; do
		compiled=$((compiled + 1))
		# shellcheck disable=SC2086 # warnings are several words
		if $compiler -x $language -std="$standard" $warnings -I"$include" "$source/header_use.c" -o "$dir/use" &&
			"$dir/use"; then
			passed=$((passed + 1))
		else
			echo "FAIL $compiler -std=$standard header_use.c"
			failed=$((failed + 1))
		fi
	done
done

echo "headers: $passed passed, $failed failed, $skipped left out because the system's headers refuse each other"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
