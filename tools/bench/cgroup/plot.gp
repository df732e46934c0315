# SPDX-License-Identifier: GPL-2.0-only
# Called by plot-cgroup, which sets data, out, names and most.  Times measured
# under emulation compare series with each other and say nothing about hardware.

set terminal svg size 900,560 dynamic background rgb 'white'
set key outside right
set grid
file(name, kind) = data . '/' . name . '.' . kind

set logscale x 2
set xlabel 'threads'

set logscale y
set output out . '/cgroup-latency.svg'
set title 'Cgroup work of one sandbox: p50 (thin) and p99 (bold)'
set ylabel 'us'
plot for [i=1:words(names)] file(word(names, i), 'threads') using 1:2 \
		with lines lw 1 dt 2 lc i notitle, \
	for [i=1:words(names)] file(word(names, i), 'threads') using 1:3 \
		with linespoints lw 2 lc i pt i title word(names, i)

set output out . '/cgroup-work.svg'
set title 'Cgroup work of all sandboxes, summed over threads'
set ylabel 's'
plot for [i=1:words(names)] file(word(names, i), 'threads') using 1:4 \
		with linespoints lw 2 lc i pt i title word(names, i)

set output out . '/cgroup-bystander.svg'
set title "A bystander's fork, p99"
set ylabel 'us'
plot for [i=1:words(names)] file(word(names, i), 'threads') using 1:6 \
		with linespoints lw 2 lc i pt i title word(names, i)

unset logscale y
set yrange [0:*]
set output out . '/cgroup-locks.svg'
set title 'Acquisitions of cgroup\_mutex for each sandbox, background included'
set ylabel 'acquisitions'
plot for [i=1:words(names)] file(word(names, i), 'threads') using 1:5 \
		with linespoints lw 2 lc i pt i title word(names, i)

set logscale x 10
set yrange [0:1]
set output out . '/cgroup-cdf.svg'
set title 'Cgroup work of one sandbox, ' . most . ' threads'
set xlabel 'us'
set ylabel 'share of sandboxes'
plot for [i=1:words(names)] file(word(names, i), 'cdf') using 1:2 \
		with lines lw 2 lc i title word(names, i)
