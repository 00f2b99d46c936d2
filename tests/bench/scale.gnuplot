# SPDX-License-Identifier: MIT
# Pictures of what `make bench-scale` measured: gnuplot -e "data='FOLDER'; out='FOLDER'" scale.gnuplot
set terminal svg size 640,360 font "sans-serif,12" background "white"
set style line 1 lc rgb "#1f77b4" lw 2 pt 7 ps 0.6
set style line 2 lc rgb "#d62728" lw 2 pt 5 ps 0.6
set style line 3 lc rgb "#2ca02c" lw 2 pt 9 ps 0.6
set grid ytics lc rgb "#dddddd"
set key top left
has(name) = int(system("test -s '".data."/".name."' && echo 1 || echo 0"))

if (has("live")) {
	set output out."/scale-live.svg"
	set title "Live figures after the long past, as ratios to a fresh volume's"
	set style fill solid 0.6
	set boxwidth 0.6
	set xtics font ",10"
	set yrange [0:*]
	plot data."/live" using 0:2:xtic(1) with boxes ls 1 notitle, 1 lc rgb "#555555" dt 2 notitle
	set autoscale y
	set xtics font ",12"
}
if (has("past")) {
	set output out."/scale-past.svg"
	set title "Reading the past, cold: time as a ratio to reading live"
	set xlabel "tenths of the past ago (0: live)"
	set yrange [0:2.5<*]
	plot data."/past" using 1:2 with linespoints ls 1 title "names and attributes", \
	     data."/past" using 1:3 with linespoints ls 2 title "small files", \
	     data."/past" using 1:4 with linespoints ls 3 title "one large file", \
	     2 lc rgb "#555555" dt 2 notitle
	set autoscale y
}
if (has("overwrite")) {
	set output out."/scale-overwrite.svg"
	set title "Overwrites of one block a second, as they gather"
	set xlabel "overwrites so far"
	set format x "%.0s%c"
	set yrange [0:*]
	plot data."/overwrite" using 1:2 with linespoints ls 1 notitle
	set autoscale y
	unset format
}
if (has("backup")) {
	set output out."/scale-backup.svg"
	set title "Bytes stored: ten editions of a source tree, then its repository repacked"
	set xlabel "edition (the last: repacked)"
	set ylabel "MiB"
	set yrange [0:*]
	plot data."/backup" using 1:2 with linespoints ls 1 title "restic", \
	     data."/backup" using 1:3 with linespoints ls 3 title "borg", \
	     data."/backup" using 1:4 with linespoints ls 2 title "holdfast (all moments)"
}
