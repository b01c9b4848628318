/*
 * Allocation that does not fail: out of memory ends the program. Sizes that come from outside are
 * limited by their reader before they reach this.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xreallocarray(void *pointer, size_t count, size_t size) __attribute__((returns_nonnull));
void *xmemdup(const void *data, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *text, size_t length) __attribute__((malloc, returns_nonnull));

/* xstrdup() that passes NULL through. */
char *xstrdup_or_null(const char *text);

char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
char *xvasprintf(const char *format, va_list args)
	__attribute__((format(printf, 1, 0), returns_nonnull));

/*
 * Makes room for one more element of a growable array: `items` may move, *capacity grows by
 * doubling. Use: items = xgrow(items, count, &capacity, sizeof(*items));
 */
void *xgrow(void *items, size_t count, size_t *capacity, size_t item_size)
	__attribute__((returns_nonnull));
