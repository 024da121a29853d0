/* error.h: status codes. Every function that can fail returns an int: 0 is success, a negative
 * value one of these codes. The library never prints, aborts or exits; the text that goes with
 * the last failure is kept in the context (sf_ctx_message). Values are only ever appended.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_ERROR_H
#define SCOREFIELD_ERROR_H

#include <scorefield/base.h>

SF_BEGIN

#define SF_ERROR_LIST(E)                                                                           \
	E(SF_EINVAL, -1, "invalid argument")                                                       \
	E(SF_ERANGE, -2, "value out of range")                                                     \
	E(SF_ENAME, -3, "unknown name")                                                            \
	E(SF_ENOMEM, -4, "out of memory")                                                          \
	E(SF_EIO, -5, "input/output error")                                                        \
	E(SF_EFORMAT, -6, "bad file format")                                                       \
	E(SF_EMISMATCH, -7, "parts do not fit together")                                           \
	E(SF_EUNSUP, -8, "not supported here")                                                     \
	E(SF_EDIVERGED, -9, "value is not finite")                                                 \
	E(SF_EBUDGET, -10, "evaluation budget used up")                                            \
	E(SF_ESTEP, -11, "step size underflow")                                                    \
	E(SF_EEXIST, -12, "already exists")                                                        \
	E(SF_ESTOPPED, -13, "stopped on request")

enum {
	SF_OK = 0,
#define SF_ERROR_ENUM(name, value, text) name = value,
	SF_ERROR_LIST(SF_ERROR_ENUM)
#undef SF_ERROR_ENUM
	SF_ERROR_END = -14
};

/* What a status code means, in a few words; never NULL, never freed. */
SF_API const char *sf_strerror(int code);

SF_END
#endif
