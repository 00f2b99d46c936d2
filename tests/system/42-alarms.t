#!/bin/bash
# SPDX-License-Identifier: MIT
# What a person on a node is told when a volume goes silent, how, and until when.
. "$(dirname "$0")/lib.sh"
need_fuse

node=$T/node limit=12
port=$(free_port)
cat > "$T/hook" << END
#!/bin/bash
printf '%s,%s,%s,' "\$#" "\$1" "\$2" >> "$T/told"
cat >> "$T/told"
END
chmod +x "$T/hook"
: > "$T/told"

# A webhook that has trouble with the first it is told.
perl -MIO::Socket::INET -e '
	my $listener = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1") or die;
	open(my $port, ">", "$ARGV[0]/port.new") or die;
	print $port $listener->sockport;
	close $port;
	rename "$ARGV[0]/port.new", "$ARGV[0]/port";
	for my $n (0 .. 20) {
		my $c = $listener->accept or next;
		my ($head, $length, $body) = ("", 0, "");
		while (my $line = <$c>) {
			last if $line eq "\r\n";
			$head .= $line;
			$length = $1 if $line =~ /^content-length: *(\d+)/i;
		}
		read $c, $body, $length;
		print $c $n ? "HTTP/1.1 204 fine\r\n\r\n" : "HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n";
		close $c;
		open(my $out, ">>", "$ARGV[0]/posted") or die;
		print $out $n ? "taken " : "refused ", $head =~ m{^POST /alarm HTTP/1.1\r} ? "" : "badly ", $body;
		close $out;
	}' "$T" &
server=$!
eventually 10 test -e "$T/port" || bail "no server on loopback"
posted() { grep -c "^taken" "$T/posted" 2> /dev/null; }
told() { grep -c "^2,$1,$volume," "$T/told"; }
good_json() { sed 's/^[^{]*//' "$1" | perl -MJSON::PP -ne '
	my $a = decode_json($_);
	$a->{kind} eq "silent" && $a->{volume} eq $ENV{volume} && $a->{count} >= 1 && $a->{node} =~ /^[0-9a-f]{64}$/ or die $_;'; }

# Making one
fails "a hook is an absolute path" 2 "absolute path" hf node init "$node" --alarm-hook hook
fails "a webhook elsewhere is https" 2 "https" hf node init "$node" --alarm-url http://example.org/
fails "a limit is a number" 2 "silent-after" hf node init "$node" --silent-after soon
try "and then nothing is made" test ! -e "$node"
try "a node with a limit, a hook and a webhook" hf node init "$node" --listen "127.0.0.1:$port" --silent-after $limit \
	--alarm-hook "$T/hook" --alarm-url "http://127.0.0.1:$(cat "$T/port")/alarm"
try "its status before it was ever served" hf node status "$node"
fails "status of what is no node" 2 "not a node" hf node status "$T"
try "it serves" hf serve "$node"
mkdir "$T/mnt"
hf init "$T/store" --kit-file "$T/kit" --replica "$(hf node invite "$node")" > /dev/null || bail "no volume"
volume=$(hf status "$T/store" --json | json volume_id)
export volume
hf mount "$T/store" "$T/mnt" || bail "no mount"

# Well
echo something > "$T/mnt/file"
sync "$T/mnt/file"
eventually 20 eval 'hf node status "$node" --json > "$T/json" && perl -MJSON::PP -e "
	local \$/; my \$s = decode_json(<>); my \$v = \$s->{volumes}[0];
	exit !(\$s->{served} && @{\$s->{alarms}} == 0 && @{\$s->{volumes}} == 1 && !\$v->{silent} && \$v->{tid} >= 1 &&
		\$v->{writer_tid} >= 1 && \$v->{heard_time} =~ /^20/ && \$v->{bytes} > 300)" "$T/json"'
ok $? "while all is well, its status says how far the volume is, and what its writer says" || diag "$(cat "$T/json")"
try "no alarm is open: exit code 0, and it says so" eval 'hf node status "$node" | grep -q "none is open"'

# Silent
hf unmount "$T/mnt" > /dev/null
eventually 40 eval '! hf node status "$node"'
hf node status "$node" > "$T/out"
is $? 1 "the volume goes silent: exit code 1"
try "the alarm comes first" eval 'head -n 1 "$T/out" | grep -q "^ALARM 1 *silent, volume $volume"'
try "with words" grep -q "silent for .* seconds" "$T/out"
try "and the volume is shown as silent" grep -q "SILENT" "$T/out"
eventually 20 eval '[ "$(told silent)" -ge 1 ]'
ok $? "the hook was run, with kind and volume" || diag "$(cat "$T/told")"
try "and the JSON on its standard input" good_json "$T/told"
eventually 20 eval '[ "$(posted)" -ge 1 ]'
ok $? "the webhook got it" || diag "$(cat "$T/posted")"
is "$(head -n 1 "$T/posted" | cut -d' ' -f1)" refused "at the second try, since it had trouble with the first"
try "the same JSON" good_json "$T/posted"
eventually 10 eval 'hf node status "$node" --json | tr -d "\n " | grep -q "\"delivered\":true"'
ok $? "it is noted as delivered"

# At rest, and acknowledged
stop_node "$node"
hf node status "$node" > "$T/out"
is $? 1 "the alarm is there when the node is not served"
try "which its status says" grep -q "not served" "$T/out"
fails "an alarm that is not there" 2 "no open alarm 77" hf node acknowledge "$node" 77
fails "acknowledge wants to know which" 2 "something is missing" hf node acknowledge "$node"
try "it is acknowledged" hf node acknowledge "$node" 1
try "then no alarm is open" hf node status "$node"
fails "once" 2 "no open alarm 1" hf node acknowledge "$node" 1
try "served again" hf serve "$node"
eventually 20 eval 'hf node status "$node" | grep -q "^ALARM 2 *silent"'
ok $? "still silent, it opens anew" || diag "$(hf node status "$node")"
eventually 20 eval '[ "$(told silent)" -ge 2 ]'
ok $? "and the hook is run again" || diag "$(cat "$T/told")"

# Back
hf mount "$T/store" "$T/mnt" || bail "no mount"
eventually 20 eval '! hf node status "$node" | grep -q SILENT'
ok $? "the volume is back"
hf node status "$node" > "$T/out"
is $? 1 "and the alarm stays, until somebody has seen to it"
try "all are acknowledged while the node is served" hf node acknowledge "$node" all
try "and none is open" hf node status "$node"
hf unmount "$T/mnt" > /dev/null

# Damage
stop_node "$node"
printf '{' > "$node/alarms/000002.json"
hf node status "$node" > "$T/out"
is $? 1 "a damaged alarm is an alarm"
try "named" grep -q "^ALARM 2 *damaged" "$T/out"
try "and does not stop the node" hf serve "$node"
try "it can be acknowledged as well" hf node acknowledge "$node" 2
kill "$server"
done_testing
