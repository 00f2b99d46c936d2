#!/bin/bash
# SPDX-License-Identifier: MIT
# check.sh DIR SUITE…: the Debian package, below DIR: built twice with the same hash, and on a fresh system of each SUITE
# (debootstrap) installed, used and removed. For a suite that is not this machine's it is built there, against that
# suite's libraries; one that is, is also booted by systemd, for the units. As root. The mirror is this machine's own, as
# its apt has it. Ends with "N passed, N failed".
set -u
[ "$(id -u)" -eq 0 ] || { echo "check-deb needs root, for debootstrap and chroot" >&2; exit 2; }
TOP=$(readlink -f "$(dirname "$0")/../..")
mkdir -p "$1" || exit 2
work=$(readlink -f "$1")
shift
passed=0 failed=0
jobs=${JOBS:-$(nproc)}

# try NAME COMMAND…
try()
{
	local name=$1

	shift
	if "$@" > "$work/out" 2>&1; then
		echo "ok - $name"
		passed=$((passed + 1))
	else
		echo "not ok - $name"
		tail -n 60 "$work/out" | sed 's/^/# /'
		failed=$((failed + 1))
		return 1
	fi
}
done_checking()
{
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ]
	exit
}

# --- built twice
build() { make -C "$TOP" deb DEB="$1"; }
hashes() { (cd "$1" && sha256sum -- *.deb *.tar.xz); }
try "built, and lintian has nothing to say" build "$work/one" || done_checking
# elsewhere, later, by somebody with other habits
twice() { (umask 077 && TZ=Pacific/Auckland LC_ALL=C.UTF-8 USER=other build "$work/another/folder/two" && umask 022); }
try "built again, in another folder, time zone and umask" twice
try "it is the same to the bit" diff <(hashes "$work/one") <(hashes "$work/another/folder/two")
hashes "$work/one"

# --- systems of their own
mirror=$(apt-get indextargets --format '$(REPO_URI) $(COMPONENT) $(ORIGIN) $(LABEL)' 'Created-By: Packages' |
	awk '$2 == "main" && $3 == "Debian" && $4 == "Debian" { print $1; exit }')
[ -n "$mirror" ] || mirror=$(apt-get indextargets --format '$(REPO_URI) $(COMPONENT)' 'Created-By: Packages' |
	awk '$2 == "main" { print $1; exit }')
[ -n "$mirror" ] || { echo "not ok - apt has no mirror"; failed=$((failed + 1)); done_checking; }
here=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")

# within ROOT COMMAND…: in that system, with mounts and processes of its own, which end with it
within()
{
	local root=$1

	shift
	# shellcheck disable=SC2016 # the inner shell's
	unshare --mount --pid --fork --kill-child --propagation private bash -c '
		root=$1
		shift
		mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && mount -t tmpfs tmpfs "$root/run" || exit 2
		exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
			DEBIAN_FRONTEND=noninteractive "$@"' bash "$root" "$@"
}

# Its own packages from the same mirror, nothing started by them, and this machine's way to the network.
fresh()
{
	local suite=$1 root=$2

	rm -rf --one-file-system "$root"
	mkdir -p "$work/cache/$suite"
	debootstrap --variant=minbase --cache-dir="$work/cache/$suite" "$suite" "$root" "$mirror" || return
	printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d" && chmod 755 "$root/usr/sbin/policy-rc.d"
	[ ! -e /etc/resolv.conf ] || cp -L /etc/resolv.conf "$root/etc/resolv.conf"
	apt-config dump Acquire::http::Proxy > "$root/etc/apt/apt.conf.d/proxy"
	echo 'Acquire::Check-Valid-Until "false";' > "$root/etc/apt/apt.conf.d/snapshot" # a mirror may be of a day gone by
}

# The package for that suite's libraries: from its sources, as anybody would.
build_within()
{
	local suite=$1 root=$work/$1-build

	rm -rf --one-file-system "$root"
	cp -a "$work/$suite" "$root" && mkdir "$root/build" && cp "$work"/one/holdfast_*.dsc "$work"/one/holdfast_*.tar.xz "$root/build/" &&
		within "$root" apt-get -q -y --no-install-recommends install dpkg-dev &&
		within "$root" sh -c 'cd /build && dpkg-source -x holdfast_*.dsc tree && cd tree && apt-get -q -y --no-install-recommends build-dep .' &&
		within "$root" sh -c "cd /build/tree && dpkg-buildpackage -us -uc -b -j$jobs" &&
		mkdir -p "$work/$suite-deb" && cp "$root"/build/*.deb "$work/$suite-deb/"
}

# systemd boots a copy of it and turns it off again; what booted.sh says is in $1-boot/check/said
boot()
{
	local root=$1-boot code

	rm -rf --one-file-system "$root"
	cp -a "$1" "$root" && cp "$TOP/tests/deb/booted.sh" "$root/check/" || return
	within "$root" apt-get -q -y --no-install-recommends install systemd-sysv dbus-user-session libpam-systemd fuse3 procps || return
	within "$root" useradd -m me || return
	cat > "$root/etc/systemd/system/fuse-device.service" <<-'END'
		[Unit]
		DefaultDependencies=no
		Before=sysinit.target local-fs-pre.target
		[Service]
		Type=oneshot
		ExecStart=/bin/mknod -m 666 /dev/fuse c 10 229
	END
	cat > "$root/etc/systemd/system/check.service" <<-'END'
		[Unit]
		After=multi-user.target
		[Service]
		Type=oneshot
		ExecStart=/bin/bash /check/booted.sh
		StandardOutput=append:/check/said
		TimeoutStartSec=infinity
	END
	mkdir -p "$root"/etc/systemd/system/{graphical,sysinit}.target.wants || return
	ln -s ../check.service "$root/etc/systemd/system/graphical.target.wants/" || return
	ln -s ../fuse-device.service "$root/etc/systemd/system/sysinit.target.wants/" || return
	for _ in 1 2; do
		timeout -k 10 300 systemd-nspawn -q -D "$root" -b --register=no --keep-unit --console=pipe \
			--capability=CAP_IPC_LOCK < /dev/null
		code=$?
		[ "$code" -eq 133 ] || break # it boots again
	done
	[ "$code" -eq 0 ] && grep -qx '# turned off' "$root/check/said"
}

# tell SUITE FILE: what was said within a system
tell()
{
	sed "s/^ok /ok - $1: /; s/^not ok /not ok - $1: /" "$2"
	passed=$((passed + $(grep -c '^ok ' "$2"))) failed=$((failed + $(grep -c '^not ok ' "$2")))
}

for suite in "$@"; do
	root=$work/$suite
	rm -rf "$work/$suite-deb"
	try "$suite: a fresh system" fresh "$suite" "$root" || continue
	codename=$(sed -n 's/^VERSION_CODENAME=//p' "$root/etc/os-release")
	if [ "$codename" = "$here" ]; then
		mkdir "$work/$suite-deb" && cp "$work"/one/*.deb "$work/$suite-deb/"
	else
		try "$suite: built there" build_within "$suite" || continue
	fi
	mkdir "$root/check" && cp "$work/$suite-deb"/holdfast_*.deb "$TOP/tests/deb/inside.sh" "$TOP/tests/deb/try.sh" "$root/check/"
	for archive in "$TOP"/tests/golden/*.tar.xz; do
		mkdir -p "$root/check/golden/$(basename "$archive" .tar.xz)" && tar -xJf "$archive" -C "$_"
	done
	try "$suite: lists of packages" within "$root" apt-get -q update
	try "$suite: it is installed" within "$root" sh -c 'apt-get -q -y --no-install-recommends install /check/holdfast_*.deb' || continue
	if [ "$codename" = "$here" ]; then # a newer systemd asks for a newer machine
		try "$suite: systemd boots it, twice" boot "$root"
		tell "$suite, booted" "$root-boot/check/said"
	fi
	within "$root" bash /check/inside.sh > "$work/inside" 2>&1
	code=$?
	tell "$suite" "$work/inside"
	[ "$code" -eq 0 ] || { echo "not ok - $suite: it ended with $code"; failed=$((failed + 1)); }
	rm -rf --one-file-system "$root" "$root-build" "$root-boot"
done
done_checking
