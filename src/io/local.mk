SF_SOURCES += %reldir%/array.c %reldir%/crc32c.c %reldir%/endian.h %reldir%/find.c \
	%reldir%/gunzip.c %reldir%/idx.c %reldir%/io.h %reldir%/npy_read.c %reldir%/npy_write.c %reldir%/npz.c \
	%reldir%/png.c %reldir%/read.c %reldir%/safetensors_read.c %reldir%/safetensors_write.c \
	%reldir%/tensor.c %reldir%/tfevents.c %reldir%/write.c
