#include "base/strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

char strbuf_empty[1];

void strbuf_reserve(struct strbuf *buf, size_t size)
{
	size_t wanted = buf->length + size + 1;
	if (buf->capacity >= wanted)
		return;
	size_t capacity = buf->capacity ? buf->capacity : 64;
	while (capacity < wanted)
		capacity *= 2;
	buf->text = xreallocarray(buf->capacity ? buf->text : NULL, capacity, 1);
	buf->capacity = capacity;
	buf->text[buf->length] = '\0';
}

void strbuf_add(struct strbuf *buf, const void *data, size_t size)
{
	if (!size)
		return;
	strbuf_reserve(buf, size);
	memcpy(buf->text + buf->length, data, size);
	buf->length += size;
	buf->text[buf->length] = '\0';
}

void strbuf_adds(struct strbuf *buf, const char *text)
{
	strbuf_add(buf, text, strlen(text));
}

void strbuf_addc(struct strbuf *buf, char c)
{
	strbuf_add(buf, &c, 1);
}

void strbuf_vaddf(struct strbuf *buf, const char *format, va_list args)
{
	va_list again;
	va_copy(again, args);
	int length = vsnprintf(NULL, 0, format, args);
	if (length > 0) {
		strbuf_reserve(buf, (size_t)length);
		vsnprintf(buf->text + buf->length, (size_t)length + 1, format, again);
		buf->length += (size_t)length;
	}
	va_end(again);
}

void strbuf_addf(struct strbuf *buf, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	strbuf_vaddf(buf, format, args);
	va_end(args);
}

void strbuf_truncate(struct strbuf *buf, size_t length)
{
	if (length >= buf->length)
		return;
	buf->length = length;
	buf->text[length] = '\0';
}

char *strbuf_detach(struct strbuf *buf)
{
	char *text = buf->capacity ? buf->text : xstrdup("");
	*buf = STRBUF_INIT;
	return text;
}

void strbuf_release(struct strbuf *buf)
{
	if (buf->capacity)
		free(buf->text);
	*buf = STRBUF_INIT;
}
