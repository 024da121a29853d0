# The benchmark beside PyTorch: `make bench` (BENCHFLAGS='-m compile -- models'). Not built by default.
EXTRA_PROGRAMS += %reldir%/bench
%canon_reldir%_bench_SOURCES = %reldir%/bench.h %reldir%/main.c %reldir%/memory.c %reldir%/models.c %reldir%/models.h \
	%reldir%/ops.c %reldir%/peer.c %reldir%/scaling.c %reldir%/timing.c
%canon_reldir%_bench_LDADD = libscorefield_all.la
EXTRA_DIST += %reldir%/RESULTS.md %reldir%/bench.sh %reldir%/peer.py
bench:
	$(SHELL) $(srcdir)/bench/bench.sh $(BENCHFLAGS)
.PHONY: bench
