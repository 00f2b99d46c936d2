# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Completion of holdfast(1) in bash. Commands and options are what --help says, so this knows those of the version that is
# installed; tags and replicas are asked of the volume that the line so far names.

# In a session of its own: without a terminal nobody is asked for a passphrase.
_holdfast_run() { setsid -w "${COMP_WORDS[0]/#\~/$HOME}" "$@" < /dev/null 2> /dev/null; }

# Like compgen -W, of lines on standard input; what is special to the shell in them is quoted.
_holdfast_lines()
{
	local line

	while IFS= read -r line; do
		[[ $line == "$1"* ]] && COMPREPLY+=("$(printf %q "$line")")
	done
}

_holdfast_paths()
{
	local path

	compopt -o filenames 2> /dev/null
	while IFS= read -r path; do
		COMPREPLY+=("$path")
	done < <(compgen "${2:--f}" -- "$1")
}

# The nearest folder above a path that is there.
_holdfast_nearest()
{
	local path=${1/#\~/$HOME}

	while [[ -n $path && ! -e $path ]]; do
		[[ $path == */* ]] && path=${path%/*} || path=.
		[[ -z $path ]] && path=/
	done
	printf '%s\n' "$path"
}

# The first word that names something that is there, from the third on: STORE or DIR.
_holdfast_volume()
{
	local word

	for word in "${words[@]:2:cword-2}"; do
		[[ $word == -* || ! -d ${word/#\~/$HOME} ]] || { printf '%s\n' "${word/#\~/$HOME}"; return; }
	done
}

_holdfast_tags() { _holdfast_run tags ${1:+"$1"} | awk '{ print $1 }'; }

_holdfast_moments()
{
	printf '%s\n' now 10m 1h 1d 1w "$(date +%Y-%m-%d)"
	_holdfast_tags "$1"
}

_holdfast_replicas()
{
	_holdfast_run replica list ${1:+"$1"} --json | sed -n 's/^ *"name": "\(.*\)",\{0,1\}$/\1/p'
}

# The words that may stand behind a command: "holdfast node init DIR" has init.
_holdfast_verbs() { sed -n "s/^holdfast $1 \([a-z][a-z-]*\)\( .*\)\{0,1\}$/\1/p" | sort -u; }

_holdfast_options() { grep -oE -- '(^|[^[:alnum:]-])--[a-z][a-z-]*' | grep -o -- '--.*' | sort -u; }

# What stands behind an option in the synopsis or the list: FILE, MOMENT, nothing.
_holdfast_value() { grep -oE -- "$1 [A-Z@|]+" | head -n 1 | cut -d' ' -f2; }

_holdfast()
{
	local cur words cword command usage verbs value base

	# between quotes only paths are looked for
	if [[ ${COMP_WORDS[COMP_CWORD]} == [\"\']* ]]; then
		COMPREPLY=()
		_holdfast_paths "${COMP_WORDS[COMP_CWORD]:1}"
		return
	fi
	# words as the shell splits them, not at the : and = and @ that COMP_WORDBREAKS has
	# shellcheck disable=SC2162 # a backslash quotes here as there
	read -a words <<< "${COMP_LINE:0:COMP_POINT}"
	[[ ${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]] && words+=('')
	cword=$((${#words[@]} - 1)) cur=${words[cword]} COMPREPLY=()
	if ((cword <= 1)); then
		_holdfast_lines "$cur" < <(_holdfast_run --help | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p'
			printf '%s\n' help --help --version)
		return
	fi
	command=${words[1]}
	usage=$(_holdfast_run "$command" --help)
	verbs=$(_holdfast_verbs "$command" <<< "$usage")
	if [[ $command == help ]]; then
		_holdfast_lines "$cur" < <(_holdfast_run --help | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p')
		return
	fi
	[[ ${words[cword - 1]} == --[a-z]* ]] && value=$(_holdfast_value "${words[cword - 1]}" <<< "$usage")
	if [[ -n $value ]]; then
		case $value in
		*MOMENT*) _holdfast_lines "$cur" < <(_holdfast_moments "$(_holdfast_volume)") ;;
		NAME) [[ $command == prune ]] && _holdfast_lines "$cur" < <(_holdfast_replicas "$(_holdfast_volume)") ;;
		LEVEL) _holdfast_lines "$cur" < <(printf '%s\n' error warning notice info debug) ;;
		FILE | KIT | PROGRAM | *HEAD* | *PLACE*)
			_holdfast_paths "$cur"
			[[ $command == drill && $value == *PLACE* ]] && _holdfast_lines "$cur" < <(_holdfast_replicas "$(_holdfast_volume)")
			;;
		FOLDER | DEST | *DIR*) _holdfast_paths "$cur" -d ;;
		esac
	elif [[ $cur == -* ]]; then
		_holdfast_lines "$cur" < <({ printf '%s\n' "$usage"; echo ' --help'; } | _holdfast_options)
	elif ((cword == 2)) && [[ -n $verbs ]]; then
		_holdfast_lines "$cur" <<< "$verbs"
		# a command that does something without such a word, too
		grep -qE "^holdfast $command [[A-Z]" <<< "$usage" && _holdfast_paths "$cur"
	elif [[ $command == replica && ${words[2]} =~ ^(remove|limit|acknowledge)$ ]] && ((cword == 4)); then
		_holdfast_lines "$cur" < <(_holdfast_replicas "${words[3]/#\~/$HOME}")
	elif [[ $command == diff && $cword -le 3 ]]; then
		_holdfast_lines "$cur" < <(_holdfast_moments "")
	elif [[ $cur == *@* && $usage == *@MOMENT* ]]; then
		base=${cur%@*}
		_holdfast_lines "$cur" < <(_holdfast_moments "$(_holdfast_nearest "$base")" |
			while IFS= read -r value; do printf '%s@%s\n' "$base" "$value"; done)
	else
		_holdfast_paths "$cur"
	fi
	_holdfast_trim "$cur"
}

# The shell puts what is found in the place of the last piece only, where COMP_WORDBREAKS breaks the word.
_holdfast_trim()
{
	local i prefix

	for i in @ : =; do
		[[ $1 == *$i* && $COMP_WORDBREAKS == *$i* ]] || continue
		prefix=${1%"${1##*$i}"}
		[[ $i == @ ]] && prefix=${prefix%@} # readline begins the next word at the @ itself
		COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
		COMPREPLY=("${COMPREPLY[@]#"$(printf %q "$prefix")"}")
		return
	done
}

complete -F _holdfast holdfast
