/* Processor instructions that Swift has no word for. */
#ifndef CBYTES_H
#define CBYTES_H

#include <stddef.h>
#include <stdint.h>

/* Continues a CRC-32C (Castagnoli, reflected) over `len` bytes; start with 0. */
uint32_t cbytes_crc32c(uint32_t crc, const void *bytes, size_t len);

#endif
