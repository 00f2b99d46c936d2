#!/bin/bash
# SPDX-License-Identifier: MIT
# The manual, --help and what the command takes say the same; shells complete it; the pages are well formed.
. "$(dirname "$0")/lib.sh"

PATH=$(dirname "$HOLDFAST"):$PATH
export LC_ALL=C.UTF-8 MANWIDTH=80
version=$(hf --version | sed 's/^holdfast \([^ ,]*\).*/\1/')
commands=$("$TOP/docs/man.pl" list "$HOLDFAST")
man=$T/man
mkdir "$man"
page() { "$TOP/docs/man.pl" "$@" "$version"; }
options_of() { grep -oE -- '(^|[^[:alnum:]-])--[a-z][a-z-]*' | grep -o -- '--.*' | sort -u; }
# ours: without those of other programs in examples
ours() { grep -vxE -- '--name|--now|--path|--template' || true; }

# --- the pages are made
try "holdfast(1)" eval 'page overview "$HOLDFAST" "$TOP/docs/holdfast.1.in" > "$man/holdfast.1"'
try "holdfast-format(5)" eval 'page document "$TOP/docs/FORMAT.md" holdfast-format 5 > "$man/holdfast-format.5"'
try "holdfast-protocol(7)" eval 'page document "$TOP/docs/PROTOCOL.md" holdfast-protocol 7 > "$man/holdfast-protocol.7"'
for c in $commands; do
	page command "$HOLDFAST" "$c" > "$man/holdfast-$c.1" || ok 1 "holdfast-$c(1)"
done
is "$(ls "$man" | wc -l)" $(($(wc -w <<< "$commands") + 3)) "and a page for each command"
fails "but of what is no command" 2 "no command mend" "$TOP/docs/man.pl" command "$HOLDFAST" mend 1

# --- they are well formed: all by groff, and by man(1) one of each kind
if command -v man > /dev/null && command -v groff > /dev/null; then
	for f in "$man"/*; do
		groff -K utf8 -t -mandoc -T utf8 -w mac -r LL=80n "$f" 2>&1 > /dev/null | sed "s|^|${f##*/}: |"
	done > "$T/said"
	for f in holdfast.1 holdfast-init.1 holdfast-format.5 holdfast-protocol.7; do
		man --warnings -E UTF-8 -l "$man/$f" 2>&1 > "$T/$f.txt" | sed "s|^|$f: |" >> "$T/said"
	done
	# where pages of paper would end is not of interest: a terminal's does not
	grep -v 'table text block will not fit on one page' "$T/said" > "$T/warnings"
	is "$(cat "$T/warnings")" "" "man and groff have nothing to say about them"
	# as a page is checked when it is packaged: wide, and set for paper
	is "$(for f in "$man"/holdfast-[fp]*.[57]; do MANWIDTH=120 man --warnings -E UTF-8 -l -Tutf8 -Z "$f" 2>&1 > /dev/null; done)" "" \
		"nor when they are wide"
	grep -q 'HFVOLUME' "$T/holdfast-format.5.txt" && grep -q 'Content-Digest' "$T/holdfast-protocol.7.txt"
	ok $? "what the documents say is in them"
	# every row and every paragraph of the documents: their words, in order, but for the marks
	for d in FORMAT:holdfast-format.5 PROTOCOL:holdfast-protocol.7; do
		missing=$(perl -CSD -Mutf8 -e '
			local $/; open my $p, "<", $ARGV[1] or die; my %has; my $text = <$p>; $text =~ s/\x{2010}\s*|[-\x{2212}]\s*//g;
			$has{$_}++ for $text =~ /([[:alnum:]_]{3,})/g;
			open my $d, "<", $ARGV[0] or die; my $doc = <$d>; $doc =~ s/\]\([^)]*\)|(FORMAT|PROTOCOL)\.md//g; $doc =~ s/[-]\s*//g;
			my %seen; print join " ", grep { !$has{$_} && !$seen{$_}++ } $doc =~ /([[:alnum:]_]{3,})/g' \
			"$TOP/docs/${d%:*}.md" "$T/${d#*:}.txt")
		is "$missing" "" "${d#*:} leaves no word of the document out"
	done
fi
if command -v mandoc > /dev/null; then
	# without a date a page is the same whenever it is made
	is "$(mandoc -T lint -W warning "$man"/* | grep -v 'missing date')" "" "nor mandoc"
fi

# --- every command and option, there and back
declare -A helps
for c in $commands; do
	help=$(hf "$c" --help) page=$(< "$man/holdfast-$c.1") missing=
	helps[$c]=$help
	for o in $(options_of <<< "$help" | ours); do
		[[ $page == *"${o//-/\\-}"* ]] || missing+=" $o"
	done
	is "$missing" "" "all options of $c --help are in its page"
	is "$(sed 's/\\-/-/g; s/\\f[BIR]//g' <<< "$page" | options_of | ours)" "$(options_of <<< "$help" | ours)" "and no others"
	grep -qE '^  (holdfast|mount) ' <<< "$help" && grep -q '^\.SH EXAMPLES' "$man/holdfast-$c.1"
	ok $? "with an example"
	grep -qF "holdfast\\-${c//-/\\-}" "$man/holdfast.1"
	ok $? "which holdfast(1) leads to"
done
all=$(printf '%s\n' "${helps[@]}" | options_of; echo --help; echo --version)
is "$(sed 's/\\-/-/g; s/\\f[BIR]//g' "$TOP/docs/holdfast.1.in" | options_of | ours | grep -vxF -- "$all")" "" \
	"what holdfast(1) names of options there is"
is "$(sed -n 's/^\.SS //p' "$TOP/docs/holdfast.1.in" | tr -d ',' | tr ' ' '\n' | sed 's/^mount$//' | grep -E '^[a-z]' |
	grep -vxF -e check -e acknowledge -e prune -e "$commands" | grep -vE '^(sync=replica|kit|node)$')" "" "and of commands"
# what the code takes is what it says
word_end='([^a-z-]|$)'
for f in "$TOP"/fs/cli/cmd_*.c; do
	taken=$(grep -oE '\{ "[a-z][a-z-]*", (0|1|no_argument|required_argument), NULL, ' "$f" | sed 's/^{ "\(.*\)", .*/--\1/' | sort -u)
	c=$(basename "$f" .c | sed 's/^cmd_//; s/_/-/g')
	grep -qx -- "$c" <<< "$commands" || continue
	help=${helps[$c]}
	[ "$c" != snapshot ] || help+=${helps[tags]}
	silent=
	for o in $taken; do
		[[ $o == --help || $c$o == mount--options ]] || # -o everywhere, as of mount(8)
			[[ $help =~ $o$word_end ]] || silent+=" $o"
	done
	is "$silent" "" "$c says every option that it takes"
done

# --- bash
# bash LINE: what it would offer
bash_offers()
{
	bash -c '
		. "$1"
		COMP_LINE=$2 COMP_POINT=${#2} COMP_WORDBREAKS=$'"' \\t\\n\"'\"'\"'@><=;|&(:'"'
		read -ra COMP_WORDS <<< "$2"
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) # as the shell does it, but for quotes
		_holdfast
		printf "%s\n" "${COMPREPLY[@]}"' bash "$TOP/fs/completion/holdfast.bash" "$1" 2>&1
}
offers() { bash_offers "$1" | grep -qxF -- "$2"; }
mkdir "$T/folder" && hf init "$T/store" --kit-file "$T/kit" > /dev/null 2>&1 || bail "no volume"
hf snapshot "$T/store" before-upgrade > /dev/null
hf replica add "$T/store" "$T/folder" --name elsewhere > /dev/null
for shell in bash zsh; do
	file=$TOP/fs/completion/$([ "$shell" = bash ] && echo holdfast.bash || echo _holdfast)
	command -v "$shell" > /dev/null && try "$shell reads its file" "$shell" -n "$file"
done
is "$(bash_offers "holdfast " | sort)" "$({ echo "$commands"; printf '%s\n' help --help --version; } | sort)" "bash: all commands"
is "$(bash_offers "holdfast unm")" unmount "bash: the rest of one"
is "$(bash_offers "holdfast check --j")" --json "bash: an option"
is "$(bash_offers "holdfast init $T/x --kit-f")" --kit-file "bash: an option behind a word"
offers "holdfast node " invite
ok $? "bash: what node can do"
offers "holdfast status $T/st" "$T/store"
ok $? "bash: a store"
offers "holdfast snapshot $T/store x --at be" before-upgrade
ok $? "bash: a tag where a moment is wanted"
offers "holdfast snapshot $T/store x --at " 10m
ok $? "bash: forms of one"
is "$(bash_offers "holdfast replica remove $T/store e")" elsewhere "bash: a replica"
is "$(bash_offers "holdfast prune plan $T/store --replica ")" elsewhere "bash: a replica behind its option"
is "$(bash_offers "holdfast serve $T --log w")" warning "bash: a level"
is "$(bash_offers "holdfast nothing --")" --help "bash: a command that is none"
is "$(bash -c '. "$1"; complete -p holdfast' bash "$TOP/fs/completion/holdfast.bash")" "complete -F _holdfast holdfast" "bash: it is put in place"
# behind PATH@, whichever command takes that
cat > "$T/at-command" << 'END'
#!/bin/sh
if [ "$1 $2" = "show --help" ]; then echo 'holdfast show PATH@MOMENT'; else exec "$HOLDFAST" "$@"; fi
END
chmod +x "$T/at-command"
is "$(bash_offers "$T/at-command show $T/store@be")" @before-upgrade "bash: a tag behind PATH@"
is "$(bash_offers "$T/at-command show $T/store/gone/since@be")" @before-upgrade "bash: of a path that is gone"
mkdir "$T/my files"
is "$(bash_offers "holdfast check $T/my\\ f")" "$T/my files" "bash: a path with a blank"

printf 'correct horse battery staple\n' | hf init "$T/wrapped" --kit-file "$T/kit2" --passphrase-fd 0 > /dev/null 2>&1 || bail "no volume"
asked=$(timeout 20 script -qec "bash -c '. \"$TOP/fs/completion/holdfast.bash\"; COMP_WORDS=(holdfast); _holdfast_run tags \"$T/wrapped\"; echo ended'" /dev/null < /dev/null | tr -d '\r')
is "$asked" ended "bash: nobody is asked for a passphrase"

# --- zsh, in a terminal of its own
if command -v zsh > /dev/null; then
	# zpty FOLDER LINE…: what each line becomes by a Tab, in line.1 and so on
	cat > "$T/zpty" <<- 'END'
		zmodload zsh/zpty
		zpty z zsh -f -i
		zpty -w z "PS1='> '; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; compdef _holdfast at-command; zstyle ':completion:*' list-prompt ''"
		zpty -w z "bindkey '^I' complete-word; LISTMAX=999; print rea''dy"
		zpty -r -m z text '*ready*' || exit 2
		for n in {2..$#}; do
			zpty -n -w z "$argv[n]"$'\t'
			zpty -w z $'\C-a: \C-e; print fin''ished'
			text=
			while zpty -r z line; do
				text+=$line
				[[ $line == *finished* && $line != *print* ]] && break
			done
			print -r -- $text > line.$((n - 1))
		done
		zpty -d z
	END
	(cd "$T" && timeout 100 zsh -f zpty "$TOP/fs/completion" "holdfast unm" "holdfast check --j" "holdfast snapshot store x --at before" \
		"./at-command show store/my\\ files/gone@before" "holdfast replica remove store else" > .zsh 2>&1) || diag "$(cat "$T/.zsh")"
	zsh_made() { tr -d '\r' < "$T/line.$1" | grep -qe "$2"; }
	try "zsh: the rest of a command" zsh_made 1 "holdfast unmount"
	try "zsh: an option" zsh_made 2 "check --json"
	try "zsh: a tag" zsh_made 3 "before-upgrade"
	try "zsh: behind PATH@" zsh_made 4 "gone@before-upgrade"
	try "zsh: a replica" zsh_made 5 "elsewhere"
fi
done_testing
