#!/bin/bash
# SPDX-License-Identifier: MIT
# A real S3 server for tests: one Ceph monitor, one OSD that keeps everything in memory, and a RADOS gateway, on loopback,
# in a folder of its own.
#
#   ceph.sh up DIR     start it in the empty folder DIR; DIR/endpoint says where it listens
#   ceph.sh down DIR   end it. What it held is gone
#
# Debian's ceph-mon, ceph-osd, radosgw, ceph-common. Two users: OWNER / ownersecret and WRITER / writersecret; the second may
# do nothing until a bucket's policy says so (arn:aws:iam:::user/writer).
set -eu

free_port() { "$(dirname "${BASH_SOURCE[0]}")/../free-port"; }

# No peer of this cluster is on another machine: it needs no keys, no copies, no placement groups to spare, and no patience.
write_conf()
{
	cat > "$dir/ceph.conf" <<-CONF
	[global]
	fsid = $(cat /proc/sys/kernel/random/uuid)
	mon host = v2:127.0.0.1:$(free_port)/0
	public addr = 127.0.0.1
	cluster addr = 127.0.0.1
	auth cluster required = none
	auth service required = none
	auth client required = none
	osd pool default size = 1
	osd pool default min size = 1
	osd pool default pg num = 1
	osd pool default pgp num = 1
	osd pool default pg autoscale mode = off
	osd crush chooseleaf type = 0
	mon allow pool size one = true
	objecter tick interval = 0.2
	run dir = $dir/run
	admin socket = $dir/run/\$name.asok
	log file = $dir/log/\$name.log
	mon cluster log file = $dir/log/cluster.log
	[mon]
	mon data = $dir/mon
	mon data avail warn = 1
	mon data avail crit = 0
	mon client hunt interval = 0.5
	paxos propose interval = 0.02
	paxos min wait = 0.01
	[osd]
	osd data = $dir/osd
	osd objectstore = memstore
	memstore device bytes = 1073741824
	osd memory target = 939524096
	osd max object name len = 256
	osd max object namespace len = 64
	[client.rgw]
	rgw data = $dir/rgw
	ms mon client mode = crc
	rgw frontends = beast endpoint=127.0.0.1:$port
	rgw thread pool size = 32
	rgw enable usage log = false
	rgw enable quota threads = false
	rgw run sync thread = false
	CONF
}

daemon() # NAME COMMAND…
{
	local name=$1

	shift
	setsid "$@" > "$dir/log/$name.out" 2>&1 < /dev/null &
	echo $! > "$dir/run/$name.pid"
}

user() # NAME KEY SECRET
{
	radosgw-admin user create --uid="$1" --display-name="$1" --access-key="$2" --secret-key="$3" > "$dir/log/user-$1" 2>&1
}

up()
{
	mkdir -p "$dir"/{run,log,mon,osd,rgw}
	port=$(free_port)
	write_conf
	export CEPH_CONF=$dir/ceph.conf CEPH_ARGS="--conf $dir/ceph.conf"
	ulimit -n 4096
	monmaptool --create --clobber --fsid "$(sed -n 's/.*fsid = //p' "$CEPH_CONF")" \
		--addv a "[$(sed -n 's/.*mon host = //p' "$CEPH_CONF")]" "$dir/monmap" > /dev/null
	ceph-mon --mkfs -i a --monmap "$dir/monmap" --keyring /dev/null > "$dir/log/mkfs-mon.out" 2>&1
	daemon mon ceph-mon -f -i a
	uuid=$(cat /proc/sys/kernel/random/uuid)
	ceph --connect-timeout 30 osd new "$uuid" > /dev/null
	ceph-osd --mkfs -i 0 --osd-uuid "$uuid" > "$dir/log/mkfs-osd.out" 2>&1
	daemon osd ceph-osd -f -i 0
	user owner OWNER ownersecret # makes the zone and its pools as well, which the gateway shall find
	daemon rgw radosgw -f -n client.rgw
	user writer WRITER writersecret
	for _ in $(seq 300); do
		curl -s -o /dev/null --max-time 2 "http://127.0.0.1:$port/" && break
		sleep 0.1
	done
	curl -s -o /dev/null --max-time 2 "http://127.0.0.1:$port/" || { echo "ceph.sh: the gateway does not answer" >&2; exit 1; }
	echo "http://127.0.0.1:$port" > "$dir/endpoint"
}

down()
{
	local file pid

	for file in "$dir"/run/*.pid; do
		[ -e "$file" ] || continue
		pid=$(cat "$file")
		# a number may belong to somebody else by now
		tr '\0' ' ' < "/proc/$pid/cmdline" 2> /dev/null | grep -qE '^[^ ]*(radosgw|ceph-mon|ceph-osd) ' && kill -9 "$pid"
	done
	rm -rf "$dir"
}

dir=$(readlink -m "$2")
case $1 in
up) up ;;
down) down ;;
*) echo "ceph.sh: what is '$1'?" >&2; exit 2 ;;
esac
