#!/bin/bash
# SPDX-License-Identifier: MIT
# Metrics of a mount and of a node: that they are what happened, that docs/ says what there is, and that the port harms
# nobody.
. "$(dirname "$0")/lib.sh"
need_fuse
for tool in curl perl python3; do
	command -v $tool > /dev/null || skip_all "no $tool"
done
promtool=$("$TOP/tests/promtool.sh" "$TOP/build/tools" 2> "$T/words") || { promtool=; diag "$(cat "$T/words")"; }
check() { python3 "$TOP/tests/system/68-metrics.py" "$@"; }

# scrape mount|node: into $T/NAME.page. Text made less than a tenth of a second ago would be given again.
scrape() { sleep 0.12; curl -sf "http://${at[$1]}/metrics" -o "$T/$1.page"; }
# value mount|node 'NAME{LABELS}': of the last scrape
value() { awk -v n="$2" 'index($0, n " ") == 1 { print $NF; exit }' "$T/$1.page"; }
# holds mount|node 'NAME{LABELS}' OPERATOR NUMBER: was it so at the last scrape? fresh …: is it so now?
holds() { awk -v a="$(value "$1" "$2")" -v b="$4" "BEGIN { exit !(a != \"\" && a + 0 $3 b + 0) }"; }
fresh() { scrape "$1" && holds "$@"; }
# soon …: as fresh, before long
soon() { eventually 30 fresh "$@"; }
# What is to be grown by how much: remember mount|node NAME…; grown mount|node NAME NUMBER TEXT
declare -A at before
remember()
{
	local of=$1 name

	shift
	scrape "$of"
	for name in "$@"; do before[$name]=$(value "$of" "$name"); done
}
grown() { is "$(awk -v a="$(value "$1" "$2")" -v b="${before[$2]}" 'BEGIN { printf "%.0f", a - b }')" "$3" "$4"; }

# --- where
port=$(free_port)
hf node init "$T/node" --listen "127.0.0.1:$port" > /dev/null || bail "no node"
fails "a node is told of a place that is none" 2 "metrics: cannot listen at 'nowhere'" hf serve "$T/node" --metrics nowhere
hf serve "$T/node" --metrics 0 > "$T/words" || bail "no node"
at[node]=$(sed -n 's,.*metrics at http://\([0-9.:]*\)/metrics.*,\1,p' "$T/words")
[[ ${at[node]} == 127.0.0.1:* ]]
ok $? "the node says where" || diag "$(cat "$T/words")"
mkdir "$T/mnt"
hf init "$T/store" --kit-file "$T/kit" > /dev/null || bail "no volume"
hf replica add "$T/store" "$(hf node invite "$T/node")" --name 'far' > /dev/null || bail "no replica"
fails "a mount is told of a place that is none" 2 "option metrics=9480x: cannot listen" hf mount "$T/store" "$T/mnt" -o metrics=9480x
fails "or of a port that is taken" 2 "${at[node]}.*already in use" hf mount "$T/store" "$T/mnt" -o "metrics=${at[node]}"
is "$(mounts_below)" "" "and then nothing is mounted"
hf mount "$T/store" "$T/mnt" || bail "no mount"
is "$(hf status "$T/mnt" --json | json metrics)" null "nobody asked for one: no port"
hf unmount "$T/mnt" > /dev/null
hf mount "$T/store" "$T/mnt" -o metrics=0 || bail "no mount"
at[mount]=$(hf status "$T/mnt" --json | json metrics)
[[ ${at[mount]} == 127.0.0.1:* ]]
ok $? "the mount's status says where"
hf status "$T/mnt" | grep -q "^metrics  *http://${at[mount]}/metrics$"
ok $? "to people too"
scrape mount && scrape node || bail "nothing to scrape"

# --- what is known to have happened
mkdir "$T/mnt/full" && touch "$T/mnt/full/x"
sync "$T/mnt/full/x"
fuse='holdfast_fuse_request_duration_seconds_count'
remember mount holdfast_fuse_written_bytes_total holdfast_fuse_read_bytes_total "$fuse{op=\"fsync\"}" "$fuse{op=\"write\"}" \
	"$fuse{op=\"create\"}" "$fuse{op=\"rename\"}" holdfast_fsync_duration_seconds_count \
	'holdfast_fuse_errors_total{errno="ENOTEMPTY"}' 'holdfast_operations_total{kind="create"}' \
	'holdfast_operations_total{kind="rename"}' 'holdfast_operations_total{kind="write"}' \
	holdfast_commit_group_operations_sum holdfast_commit_duration_seconds_count holdfast_live_bytes
dd if=/dev/urandom of="$T/mnt/data" bs=4096 count=300 conv=notrunc status=none
for _ in 1 2 3; do sync "$T/mnt/data"; done
dd if="$T/mnt/data" of=/dev/null bs=65536 iflag=direct status=none
for n in 1 2 3 4 5; do mkdir "$T/mnt/dir$n"; done
mv "$T/mnt/dir1" "$T/mnt/dir6"
rmdir "$T/mnt/full" 2> /dev/null
scrape mount
grown mount holdfast_fuse_written_bytes_total 1228800 "bytes written are the bytes written"
grown mount holdfast_fuse_read_bytes_total 1228800 "and bytes read"
grown mount holdfast_live_bytes 1228800 "and bytes there are"
grown mount "$fuse{op=\"write\"}" 300 "so many writes"
grown mount "$fuse{op=\"fsync\"}" 3 "so many fsyncs"
grown mount holdfast_fsync_duration_seconds_count 3 "which the store has seen as well"
grown mount "$fuse{op=\"create\"}" 6 "a file and five folders made"
grown mount "$fuse{op=\"rename\"}" 1 "a folder renamed"
grown mount 'holdfast_operations_total{kind="create"}' 6 "as operations too"
grown mount 'holdfast_operations_total{kind="rename"}' 1 "the rename likewise"
grown mount 'holdfast_operations_total{kind="write"}' 300 "and every write, moment or none"
grown mount 'holdfast_fuse_errors_total{errno="ENOTEMPTY"}' 1 "an error answered"
sync "$T/mnt/data"
remember mount holdfast_commit_group_operations_sum holdfast_commit_duration_seconds_count
mkdir "$T"/mnt/many{1..40}
sync "$T/mnt/data"
scrape mount
grown mount holdfast_commit_group_operations_sum 40 "what is committed are the operations there were"
holds mount holdfast_commit_duration_seconds_count '>' "${before[holdfast_commit_duration_seconds_count]}"
ok $? "by commits that are counted"
is "$(awk '/^holdfast_fuse_request_duration_seconds_count/ { n += $NF } END { print (n > 300) }' "$T/mount.page")" 1 "requests in all"
is "$(value mount 'holdfast_fuse_request_duration_seconds_bucket{op="write",le="+Inf"}')" "$(value mount "$fuse{op=\"write\"}")" \
	"a histogram's last bucket is its count"
is "$(value mount 'holdfast_build_info{version="'"$(hf --version | sed 's/^holdfast //')"'"}')" 1 "the version"
holds mount process_start_time_seconds '>' $(($(date +%s) - 3600)) && holds mount process_start_time_seconds '<=' "$(date +%s.%N)"
ok $? "when the process began"
holds mount process_resident_memory_bytes '>' 1e6 && holds mount process_open_fds '>' 5 && holds mount process_cpu_seconds_total '>' 0
ok $? "and what it takes"
cat "$T/mnt/full/x" > /dev/null
fresh mount 'holdfast_fuse_errors_total{errno="EIO"}' == 0
ok $? "no EIO was answered"

# --- a replica
soon mount 'holdfast_replica_unacknowledged_bytes{replica="far"}' == 0
ok $? "everything gets to the replica"
holds mount 'holdfast_replica_lag_seconds{replica="far"}' == 0
ok $? "and then it is not behind"
scrape node
is "$(value mount 'holdfast_replica_state{replica="far",state="current"}')" 1 "its state"
is "$(value node "holdfast_node_volume_bytes{volume=\"$(hf status "$T/mnt" --json | json volume_id)\"}")" \
	"$(value mount holdfast_log_bytes)" "the node has as many bytes of log as the mount"
holds mount 'holdfast_replica_last_receipt_timestamp_seconds{replica="far"}' '>' $(($(date +%s) - 60))
ok $? "when the last receipt came"
remember node holdfast_node_received_bytes_total holdfast_node_receipts_total
remember mount 'holdfast_replica_sent_bytes_total{replica="far"}' holdfast_log_bytes
head -c 2000000 /dev/urandom > "$T/mnt/random"
sync "$T/mnt/random"
soon mount 'holdfast_replica_unacknowledged_bytes{replica="far"}' == 0
scrape node
grew=$(($(value mount holdfast_log_bytes) - before[holdfast_log_bytes]))
[ "$grew" -ge 2000000 ]
ok $? "the log grows by what cannot be compressed"
grown mount 'holdfast_replica_sent_bytes_total{replica="far"}' "$grew" "that much is sent"
grown node holdfast_node_received_bytes_total "$grew" "and taken"

# stopped: it neither answers nor closes
node_pid=$(cat "$T/node/pid")
then=$(date +%s)
kill -STOP "$node_pid"
head -c 1500000 /dev/urandom > "$T/mnt/random2"
sync "$T/mnt/random2"
fresh mount 'holdfast_replica_unacknowledged_bytes{replica="far"}' '>=' 1500000
ok $? "a replica that has stopped: what it lacks"
holds mount 'holdfast_replica_lag_seconds{replica="far"}' '>' 0
ok $? "and that it is behind"
holds mount 'holdfast_replica_oldest_unacknowledged_timestamp_seconds{replica="far"}' '>=' $((then - 1)) &&
	holds mount 'holdfast_replica_oldest_unacknowledged_timestamp_seconds{replica="far"}' '<=' "$(date +%s.%N)"
ok $? "since when"
curl -s --max-time 1 "http://${at[node]}/metrics" > /dev/null
is $? 28 "the node itself answers nobody"
hf alarms set "$T/mnt" lag=1s > /dev/null
soon mount 'holdfast_alarms_open{kind="lag"}' == 1
ok $? "an alarm that is open"
kill -CONT "$node_pid"
soon mount 'holdfast_replica_unacknowledged_bytes{replica="far"}' == 0
ok $? "it goes on, and gets what it lacks"
hf alarms acknowledge "$T/mnt" all > /dev/null
soon mount 'holdfast_alarms_open{kind="lag"}' == 0
ok $? "acknowledged, no alarm is open"

# gone, and back
remember mount 'holdfast_replica_reconnects_total{replica="far"}' 'holdfast_replica_failures_total{replica="far",reason="unreachable"}'
stop_node "$T/node"
soon mount 'holdfast_replica_state{replica="far",state="unreachable"}' == 1
ok $? "a replica that is gone"
is "$(value mount 'holdfast_replica_up{replica="far"}')" 0 "is not up"
holds mount 'holdfast_replica_failures_total{replica="far",reason="unreachable"}' '>' \
	"${before['holdfast_replica_failures_total{replica="far",reason="unreachable"}']}"
ok $? "attempts that failed"
answers "${at[node]#*:}"
is $? 1 "its own port is closed"
hf serve "$T/node" --metrics "${at[node]}" > /dev/null || bail "no node"
soon mount 'holdfast_replica_up{replica="far"}' == 1
ok $? "it is back"
scrape mount
grown mount 'holdfast_replica_reconnects_total{replica="far"}' 1 "once"

# --- a node refuses
remember node 'holdfast_node_rejections_total{reason="unsigned"}' 'holdfast_node_rejections_total{reason="not_found"}' \
	'holdfast_node_rejections_total{reason="method"}'
volume=$(hf status "$T/mnt" --json | json volume_id)
for _ in 1 2 3; do curl -sk "https://127.0.0.1:$port/v1/volumes/$volume" > /dev/null; done
curl -sk "https://127.0.0.1:$port/" > /dev/null
curl -sk -X DELETE "https://127.0.0.1:$port/v1/volumes/$volume/log/1" > /dev/null
scrape node
grown node 'holdfast_node_rejections_total{reason="unsigned"}' 3 "requests that are not signed"
grown node 'holdfast_node_rejections_total{reason="not_found"}' 1 "that ask for nothing there is"
grown node 'holdfast_node_rejections_total{reason="method"}' 1 "that want to delete"
holds node "holdfast_node_volume_heard_timestamp_seconds{volume=\"$volume\"}" '>' $(($(date +%s) - 60))
ok $? "when a volume was heard"
hf node budget "$T/node" "$volume" 500M > /dev/null
fresh node "holdfast_node_volume_budget_bytes{volume=\"$volume\"}" == 524288000
ok $? "what it may take"

# --- the documents
scrape mount && scrape node
try "METRICS.md has all that is exposed, and nothing else" check document "$TOP/docs/METRICS.md" "$T/mount.page" "$T/node.page"
grep -v '^# [HT][EY][LP][PE] holdfast_chunks \|^holdfast_chunks ' "$T/mount.page" > "$T/less.page"
fails "which would be seen" 1 "holdfast_chunks is described, and not exposed" check document "$TOP/docs/METRICS.md" "$T/less.page" "$T/node.page"
try "the dashboard asks for what there is" eval 'check dashboard "$TOP/docs/grafana-dashboard.json" "$T/mount.page" "$T/node.page" > "$T/queries.yml"'
try "so do the rules" check rules "$TOP/docs/alert-rules.yml" "$T/mount.page" "$T/node.page"
if [ -n "$promtool" ]; then
	try "Prometheus takes every query of the dashboard" "$promtool" check rules "$T/queries.yml"
	try "and the rules" "$promtool" check rules "$TOP/docs/alert-rules.yml"
	try "which say what they are to say, when they are to" "$promtool" test rules "$TOP/tests/system/68-alerts.yml"
	try "it finds nothing wrong with a mount's page" eval '"$promtool" check metrics < "$T/mount.page"'
	try "nor with a node's" eval '"$promtool" check metrics < "$T/node.page"'
else
	echo "ok $((++count)) # SKIP promtool cannot be had"
fi

# --- while it is busy: no figure falls, no answer is cut short, and in the end they add up
remember mount holdfast_fuse_written_bytes_total
for w in 1 2 3; do
	perl -e 'for my $n (1 .. 100) {
		open(my $f, ">", "$ARGV[0]." . $n % 7) or die;
		syswrite($f, "x" x 20000) == 20000 or die;
	}' "$T/mnt/busy$w" &
done
last=${before[holdfast_fuse_written_bytes_total]} fell=0 short=0
for _ in {1..10}; do
	scrape mount || short=1
	grep -q '^holdfast_collector_success{collector="alarms"} 1$' "$T/mount.page" || short=1
	now=$(value mount holdfast_fuse_written_bytes_total)
	[ "$now" -ge "$last" ] || fell=1
	last=$now
done
wait
is "$fell$short" 00 "scraped while it is busy"
scrape mount
grown mount holdfast_fuse_written_bytes_total 6000000 "and nothing is lost"

# --- hostile
perl -MIO::Socket::INET -e '
	$SIG{PIPE} = "IGNORE";
	my @held;
	for my $n (1 .. 150) {
		my $c = IO::Socket::INET->new(PeerAddr => $ARGV[0]) or next;
		print $c $n % 3 == 0 ? "" : $n % 3 == 1 ? "GET /metrics HTTP/1.1\r\nX-" : "\xff\0garbage " . ("x" x 100000);
		$c->flush;
		push @held, $c;
	}
	open(my $ready, ">", $ARGV[1]) or die;
	sleep 3600' "${at[mount]}" "$T/ready" 2> /dev/null &
hostile=$!
eventually 20 test -e "$T/ready"
ok $? "a crowd that wants no answer"
try "with a crowd at the port the mount goes on" eval 'echo fine > "$T/mnt/fine" && sync "$T/mnt/fine" && [ "$(cat "$T/mnt/fine")" = fine ]'
scrape mount
ok $? "and a monitor comes in"
kill "$hostile"
wait "$hostile" 2> /dev/null
is "$(curl -s -o /dev/null -w '%{http_code}' -H "Host: evil.example:${at[mount]#*:}" "http://${at[mount]}/metrics")" 421 \
	"who leads a browser here by a name of his own reads nothing"
is "$(curl -s -o /dev/null -w '%{http_code}' -X POST -d x "http://${at[mount]}/metrics")" 405 "nothing can be posted"
is "$(curl -s -o /dev/null -w '%{http_code}' "http://${at[mount]}/../../etc/passwd" --path-as-is)" 404 "there is no other page"

hf unmount "$T/mnt" > /dev/null
is $? 0 "unmounted"
answers "${at[mount]#*:}"
is $? 1 "the port is closed"
hf mount "$T/store" "$T/mnt" -o "metrics=${at[mount]},ro" && scrape mount && [ "$(value mount holdfast_read_only)" = 1 ]
ok $? "and is there again, of a mount to read only"
done_testing
