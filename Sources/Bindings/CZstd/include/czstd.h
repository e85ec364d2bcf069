/* libzstd's stable interface, as it is: what stands behind ZSTD_STATIC_LINKING_ONLY is not in the
 * shared library's promise and is not used. */
#ifndef CZSTD_H
#define CZSTD_H

#include <zstd.h>
#include <zstd_errors.h>

#endif
