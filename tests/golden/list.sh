#!/bin/bash
# SPDX-License-Identifier: MIT
# list.sh DIR: all there is to know of a tree, in words that do not depend on where and when it is looked at: type, mode,
# owner, links, size, time, contents, targets, attributes and ACLs, by name.
set -eu -o pipefail
export LC_ALL=C TZ=UTC
cd "$1"
find . -mindepth 1 ! -type d -printf '%P: %M %U:%G %n %s %T@ %l\n' | sort
find . -mindepth 1 -type d -printf '%P: %M %U:%G %T@\n' | sort
find . -type f -print0 | sort -z | xargs -0r sha256sum
find . -mindepth 1 ! -type l -print0 | sort -z | xargs -0r getfattr -h -d -m '^user\.' -e hex --
find . -mindepth 1 ! -type l -print0 | sort -z | xargs -0r getfacl -np -- | grep -v '^# owner\|^# group'
