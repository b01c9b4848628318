#include "base/quantity.h"

#include <ctype.h>
#include <string.h>
#include <unistd.h>

enum { FRACTION_DIGITS = 9 };

static uint64_t multiple(char unit)
{
	switch (unit) {
	case 'T':
		return UINT64_C(1) << 40;
	case 'G':
		return UINT64_C(1) << 30;
	case 'M':
		return UINT64_C(1) << 20;
	case 'K':
		return UINT64_C(1) << 10;
	case 'P':
		return (uint64_t)sysconf(_SC_PAGESIZE);
	case 'B':
		return 1;
	default:
		return 0;
	}
}

/* Digits from `text` up to `end`; further ones than `most` only have to be digits. */
static const char *digits(const char *text, const char *end, unsigned most, uint64_t *ret,
			  uint64_t *scale)
{
	for (*ret = 0, *scale = 1; text < end && isdigit((unsigned char)*text); text++) {
		if (most == 0)
			continue;
		if (__builtin_mul_overflow(*ret, 10, ret) ||
		    __builtin_add_overflow(*ret, (uint64_t)(*text - '0'), ret))
			return NULL;
		*scale *= 10;
		most--;
	}
	return text;
}

int quantity_parse(const char *text, size_t length, uint64_t *ret, char *unit)
{
	const char *end = text + length, *at;
	uint64_t whole, part = 0, scale = 1, times = 1, value, unused;
	at = digits(text, end, ~0U, &whole, &unused);
	if (!at || at == text)
		return -1;
	if (at < end && *at == '.') {
		const char *fraction = ++at;
		at = digits(fraction, end, FRACTION_DIGITS, &part, &scale);
		if (at == fraction || at == end)
			return -1;
	}
	*unit = 0;
	if (at < end) {
		*unit = (char)toupper((unsigned char)*at);
		times = multiple(*unit);
		if (!times || at + 1 != end)
			return -1;
	}
	part = (uint64_t)((unsigned __int128)part * times / scale);
	if (__builtin_mul_overflow(whole, times, &value) ||
	    __builtin_add_overflow(value, part, &value) || value > INT64_MAX)
		return -1;
	*ret = value;
	return 0;
}
