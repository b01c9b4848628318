#include "vzpkg/fetch/origin.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* The length of "scheme://host:port". */
static size_t origin_length(const char *url)
{
	const char *host = strstr(url, "://");
	return host ? (size_t)(host - url) + 3 + strcspn(host + 3, "/?#") : strlen(url);
}

static size_t find(const struct origins *origins, const char *url)
{
	size_t length = origin_length(url), i = 0;
	while (i < origins->count && (strlen(origins->failing[i]) != length ||
				      strncmp(origins->failing[i], url, length) != 0))
		i++;
	return i;
}

bool origins_failing(const struct origins *origins, const char *url)
{
	return find(origins, url) < origins->count;
}

static void add(struct origins *origins, const char *url)
{
	origins->failing = xgrow(origins->failing, origins->count, &origins->capacity,
				 sizeof(*origins->failing));
	origins->failing[origins->count++] = xstrndup(url, origin_length(url));
}

void origins_note(struct origins *origins, const char *url, bool failing)
{
	size_t i = find(origins, url);
	bool known = i < origins->count;
	if (failing && !known)
		add(origins, url);
	if (failing || !known)
		return;
	free(origins->failing[i]);
	origins->failing[i] = origins->failing[--origins->count];
}

void origins_release(struct origins *origins)
{
	for (size_t i = 0; i < origins->count; i++)
		free(origins->failing[i]);
	free(origins->failing);
	*origins = (struct origins){ 0 };
}
