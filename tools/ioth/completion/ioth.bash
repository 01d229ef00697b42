# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion of ioth: commands and options are those that its --help tells.

_ioth() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} i
	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W "$(ioth --help | sed -n '/^  ioth/!s/^  \([a-z]*\) .*/\1/p') --help --version" -- "$cur")
		return
	fi
	# Behind the name of a program everything is the program's.
	if [[ $command == run ]]; then
		for ((i = 2; i < COMP_CWORD; i++)); do
			case ${COMP_WORDS[i]} in
			--)
				i=$((i + 1))
				break
				;;
			--nat) ;;
			-*) i=$((i + 1)) ;;
			*) break ;;
			esac
		done
		if ((i < COMP_CWORD)); then
			_command_offset "$i" 2>/dev/null || mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
		elif ((i == COMP_CWORD)) && [[ $cur != -* ]]; then
			mapfile -t COMPREPLY < <(compgen -c -- "$cur")
			return
		fi
	fi
	case $prev in
	-s | --stack)
		mapfile -t COMPREPLY < <(compgen -W "$(ioth stacks --json 2>/dev/null | sed -n 's/.*"name": "\([^"]*\)", "usable": true.*/\1/p')" -- "$cur")
		;;
	-n | --network)
		mapfile -t COMPREPLY < <(compgen -W 'switch:// vde:// ptp:// vxvde:// slirp:// udp:// tap://' -- "$cur")
		;;
	--pcap | --hosts | --config | -l | --listen)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	*)
		mapfile -t COMPREPLY < <(compgen -W "$(ioth "$command" --help 2>/dev/null | grep -oE '(^|[ ,])--[a-z][a-z-]*' | tr -d ' ,')" -- "$cur")
		;;
	esac
}
complete -F _ioth ioth
