/* A growable string. `text` is always NUL-terminated and never NULL; `length` excludes the NUL. */
#pragma once

#include <stdarg.h>
#include <stddef.h>

struct strbuf {
	char *text;
	size_t length;
	size_t capacity; /* 0 while `text` is the shared empty string */
};

extern char strbuf_empty[1];
#define STRBUF_INIT ((struct strbuf){ .text = strbuf_empty })

void strbuf_add(struct strbuf *buf, const void *data, size_t size);
void strbuf_adds(struct strbuf *buf, const char *text);
void strbuf_addc(struct strbuf *buf, char c);
void strbuf_addf(struct strbuf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vaddf(struct strbuf *buf, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

/* Room for `size` more bytes at text + length; the caller fills them and adds to length. */
void strbuf_reserve(struct strbuf *buf, size_t size);

void strbuf_truncate(struct strbuf *buf, size_t length);

/* Hands the string over (to be freed with free()); the buffer is empty afterwards. */
char *strbuf_detach(struct strbuf *buf);

void strbuf_release(struct strbuf *buf);
