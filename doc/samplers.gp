set terminal pngcairo size 900,600
set output '/work/main/doc/samplers.png'
file = '/work/main/doc/samplers.dat'
set grid
set xlabel 'NFE'
set ylabel 'error'
set key outside below noenhanced
f(v) = v
set logscale xy
set format y '%g'
set xrange [*:*] noextend
set offsets graph 0.05, graph 0.05
set key outside right vertical
set linetype cycle 9
set xtics (5,10,20,50,100,200)
plot for [i=0:14] file using 1:(f(column(2+1*i))) with linespoints lw 1.5 pt 7 ps .5 title columnheader(2+1*i)
