# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# What the demo runs in the container.  $1 is the text of sumfiles.pl, because
# the container has no file of the repository.
set -e

show() {
	echo
	echo "\$ $*"
	"$@"
}

show head -n 4 /etc/os-release
show uname -a
show id
echo
echo '$ perl sumfiles.pl'
perl -e "$1"
show df -h / /dev/shm
show grep -E '^(MemTotal|MemAvailable)' /proc/meminfo
echo
echo '$ touch /etc/was-here; rm /usr/bin/perl'
touch /etc/was-here
rm /usr/bin/perl
echo
echo 'ready for the host to look'
read -r _
echo 'the host has looked; good bye'
