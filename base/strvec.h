/* A growable list of owned strings; `items` is NULL-terminated when it has any (an argv). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct strvec {
	char **items;
	size_t count;
	size_t capacity;
};

#define STRVEC_INIT ((struct strvec){ 0 })

void strvec_push(struct strvec *vec, const char *text);
void strvec_pushf(struct strvec *vec, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Takes ownership of `text`. */
void strvec_take(struct strvec *vec, char *text);

/* Splits at runs of blanks and tabs. */
void strvec_split(struct strvec *vec, const char *text);

bool strvec_contains(const struct strvec *vec, const char *text);
void strvec_sort(struct strvec *vec);
void strvec_release(struct strvec *vec);
