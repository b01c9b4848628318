/*
 * Sizes as OpenVZ's tools write them: a decimal number, and a letter of either case that says of what: T, G, M, K (powers of
 * 1024), P (pages of this host), B (bytes). With a letter it may have a fraction: "1.5G".
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The first `length` bytes of `text`. *unit is the letter in upper case, and *ret are bytes; or 0, and *ret is the number. -1: it is
 * no such thing, or more than INT64_MAX. */
int quantity_parse(const char *text, size_t length, uint64_t *ret, char *unit);
