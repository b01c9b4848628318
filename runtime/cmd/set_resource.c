#include "runtime/cmd/set_resource.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

static const char *values[RESOURCE_COUNT];

/* Each stands for the limit of one that is in pages. */
enum { RAM, SWAP, SIZES };
static const struct {
	const char *name, *help;
	enum resource_id id;
} sizes[SIZES] = {
	[RAM] = { "ram", "how much memory it may use", RESOURCE_PHYSPAGES },
	[SWAP] = { "swap", "how much swap space it may use besides", RESOURCE_SWAPPAGES },
};
static const char *size_values[SIZES];

_Static_assert((int)SET_RESOURCE_OPTIONS == (int)RESOURCE_COUNT + (int)SIZES, "room for all");

void set_resource_options(struct option_row rows[SET_RESOURCE_OPTIONS])
{
	for (int i = 0; i < SIZES; i++)
		*rows++ = (struct option_row){
			.name = sizes[i].name,
			.type = OPTION_STRING,
			.target = &size_values[i],
			.argument = "SIZE",
			.help = sizes[i].help,
		};
	for (int i = 0; i < RESOURCE_COUNT; i++)
		*rows++ = (struct option_row){
			.name = resource_table[i].name,
			.type = OPTION_STRING,
			.target = &values[i],
			.argument = resource_argument(&resource_table[i]),
			.help = resource_table[i].help,
		};
}

/* Without a letter it is in bytes. */
static int take_size(int size, struct conf *ret, struct error *err)
{
	const char *text = size_values[size];
	const struct resource *resource = &resource_table[sizes[size].id];
	if (!text)
		return 0;
	bool plain = *text && !text[strspn(text, "0123456789")];
	autofree char *pair = xasprintf("0:%s%s", text, plain ? "B" : "");
	if (strchr(text, ':') || resource_check(resource, "", pair, NULL) < 0)
		return error_set(
			err, ERROR_VALUE,
			"--%s cannot be \"%s\": it is a number of bytes, a size with T, G, "
			"M, K, P (pages) or B (bytes) behind it, or \"unlimited\"",
			sizes[size].name, text);
	conf_set(ret, resource->key, pair);
	return 0;
}

int set_resource_take(struct conf *ret, struct error *err)
{
	for (int i = 0; i < RESOURCE_COUNT; i++) {
		autofree char *text = NULL;
		if (!values[i])
			continue;
		if (resource_of_option(&resource_table[i], values[i], &text, err) < 0)
			return -1;
		conf_set(ret, resource_table[i].key, text);
	}
	for (int i = 0; i < SIZES; i++)
		if (take_size(i, ret, err) < 0)
			return -1;
	return 0;
}
