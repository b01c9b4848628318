#include "runtime/guest/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/guest/edit.h"

void guest_names_read(int root, bool groups, struct strbuf *text)
{
	if (!guest_read(root, groups ? "/etc/group" : "/etc/passwd", text))
		text->length = 0;
}

/* NAME:PASSWORD:ID:… of both files. */
struct line {
	const char *name;
	size_t length;
	uint32_t id;
};

static bool parse_line(const char *line, struct line *ret)
{
	size_t length = strcspn(line, ":\n");
	const char *at = line + length;
	if (!length || *at != ':')
		return false;
	at += 1 + strcspn(at + 1, ":\n");
	size_t digits = *at == ':' ? strspn(at + 1, "0123456789") : 0;
	if (!digits || digits > 10 || (at[1 + digits] && !strchr(":\n", at[1 + digits])))
		return false;
	uint64_t id = strtoull(at + 1, NULL, 10);
	*ret = (struct line){ line, length, (uint32_t)id };
	return id < UINT32_MAX;
}

/* The first that matches, as programs take it; NULL as the name: any. */
static bool find(const struct strbuf *names, const char *name, const uint32_t *id, struct line *ret)
{
	const char *at = names->length ? names->text : NULL;
	for (; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (parse_line(at, ret) &&
		    (!name ||
		     (strlen(name) == ret->length && !memcmp(name, ret->name, ret->length))) &&
		    (!id || *id == ret->id))
			return true;
	}
	return false;
}

bool guest_id_of(const struct strbuf *names, const char *name, uint32_t *ret)
{
	struct line line;
	bool found = find(names, name, NULL, &line);
	if (found)
		*ret = line.id;
	return found;
}

char *guest_name_of(const struct strbuf *names, uint32_t id)
{
	struct line line;
	return find(names, NULL, &id, &line) ? xstrndup(line.name, line.length) : NULL;
}
