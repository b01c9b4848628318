#include "base/strvec.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void strvec_take(struct strvec *vec, char *text)
{
	vec->items = xgrow(vec->items, vec->count + 1, &vec->capacity, sizeof(*vec->items));
	vec->items[vec->count++] = text;
	vec->items[vec->count] = NULL;
}

void strvec_push(struct strvec *vec, const char *text)
{
	strvec_take(vec, xstrdup(text));
}

void strvec_pushf(struct strvec *vec, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	strvec_take(vec, xvasprintf(format, args));
	va_end(args);
}

void strvec_split(struct strvec *vec, const char *text)
{
	for (;;) {
		text += strspn(text, " \t");
		size_t length = strcspn(text, " \t");
		if (!length)
			return;
		strvec_take(vec, xstrndup(text, length));
		text += length;
	}
}

bool strvec_contains(const struct strvec *vec, const char *text)
{
	for (size_t i = 0; i < vec->count; i++)
		if (!strcmp(vec->items[i], text))
			return true;
	return false;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strvec_sort(struct strvec *vec)
{
	if (vec->count > 1)
		qsort(vec->items, vec->count, sizeof(*vec->items), compare);
}

void strvec_release(struct strvec *vec)
{
	for (size_t i = 0; i < vec->count; i++)
		free(vec->items[i]);
	free(vec->items);
	*vec = STRVEC_INIT;
}
