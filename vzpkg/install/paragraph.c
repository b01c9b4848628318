#include "vzpkg/install/paragraph.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"

char *paragraph_get(const char *paragraph, const char *field)
{
	size_t length = strlen(field);

	for (const char *line = paragraph; *line;) {
		const char *end = line + strcspn(line, "\n");
		if (strncasecmp(line, field, length) != 0 || line[length] != ':') {
			line = end + (*end == '\n');
			continue;
		}
		while (end[0] == '\n' && (end[1] == ' ' || end[1] == '\t'))
			end += 1 + strcspn(end + 1, "\n");
		const char *value = line + length + 1;
		while (value < end && strchr(" \t", *value))
			value++;
		while (end > value && isspace((unsigned char)end[-1]))
			end--;
		return xstrndup(value, (size_t)(end - value));
	}
	return NULL;
}

bool relation_names(const char *relations, const char *package)
{
	size_t length = strlen(package);

	while (relations && *relations) {
		relations += strspn(relations, " \t\n,|");
		size_t name = strcspn(relations, " \t\n,|(:[<");
		if (name == length && memcmp(relations, package, length) == 0)
			return true;
		relations += strcspn(relations, ",|");
	}
	return false;
}
