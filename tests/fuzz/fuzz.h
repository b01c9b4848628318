/*
 * What the fuzz targets share. A target is a reader of bytes from outside: fuzz_X.c defines LLVMFuzzerTestOneInput()
 * (https://llvm.org/docs/LibFuzzer.html), which reads them as the product does and aborts if what it got cannot be. corpus/X/
 * has inputs to begin with, and those that once found something.
 *
 * Targets whose reader works on several files take "sections": a line "== NAME", then the file.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise of the code that is fuzzed. */
#define fuzz_assert(condition)                                                           \
	do {                                                                             \
		if (!(condition)) {                                                      \
			fprintf(stderr, "%s:%d: it is not so: %s\n", __FILE__, __LINE__, \
				#condition);                                             \
			abort();                                                         \
		}                                                                        \
	} while (0)

/* The path of a folder of this process, on a tmpfs; it is empty when an input begins. Removed at the end. */
const char *fuzz_folder(void);

/* Empties it. */
void fuzz_sweep(void);

/* A file in it, with its parents. */
void fuzz_put(const char *path, const void *data, size_t size);

/* The bytes as a descriptor, at offset 0. */
int fuzz_fd(const void *data, size_t size);

/* The input as a string that ends where the input does, or at its first NUL. To be freed. */
char *fuzz_text(const uint8_t *data, size_t size);

/* Calls `section` for each whose name is one of `names` (NULL at the end), with the index of the name. What is before the
 * first is names[0]. */
typedef void fuzz_section(size_t name, const char *text, size_t size, void *data);
void fuzz_sections(const uint8_t *data, size_t size, const char *const *names,
		   fuzz_section *section, void *user);
