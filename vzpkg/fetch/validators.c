#include "vzpkg/fetch/validators.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"

enum { SIDECAR_LIMIT = 64 * 1024 };

static void set(char **field, const char *value)
{
	free(*field);
	*field = xstrdup(value);
}

static void take_line(struct validators *validators, char *line)
{
	char *value = strchr(line, ' ');
	if (!value)
		return;
	*value++ = '\0';
	if (!strcmp(line, "url"))
		set(&validators->url, value);
	else if (!strcmp(line, "etag"))
		set(&validators->etag, value);
	else if (!strcmp(line, "last-modified"))
		set(&validators->last_modified, value);
	else if (digest_kind_parse(line) != DIGEST_NONE)
		digest_parse(&validators->digest, digest_kind_parse(line), value, strlen(value));
}

static bool read_sidecar(struct validators *validators, int dirfd, const char *name)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *sidecar = xasprintf("%s.fetched", name);
	if (file_read(dirfd, sidecar, SIDECAR_LIMIT, &text, NULL) < 0)
		return false;
	char *rest = text.text, *line;
	while ((line = strsep(&rest, "\n")))
		take_line(validators, line);
	return validators->url && validators->digest.kind != DIGEST_NONE &&
	       (validators->etag || validators->last_modified);
}

static bool is_content(const struct digest *digest, int dirfd, const char *name, uint64_t limit)
{
	autoclose int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size > limit)
		return false;
	struct digest got = DIGEST_INIT;
	return digest_fd(digest->kind, fd, name, &got, NULL) == 0 && digest_equal(&got, digest);
}

bool validators_load(struct validators *validators, int dirfd, const char *name, uint64_t limit)
{
	if (read_sidecar(validators, dirfd, name) &&
	    is_content(&validators->digest, dirfd, name, limit))
		return true;
	validators_release(validators);
	return false;
}

int validators_store(const struct validators *validators, int dirfd, const char *name,
		     struct error *err)
{
	autofree char *sidecar = xasprintf("%s.fetched", name);
	if (!validators->etag && !validators->last_modified) {
		if (unlinkat(dirfd, sidecar, 0) < 0 && errno != ENOENT)
			return error_errno(err, errno, "removing %s", sidecar);
		return 0;
	}
	char hex[DIGEST_MAX * 2 + 1];
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	strbuf_addf(&text, "url %s\n", validators->url);
	strbuf_addf(&text, "%s %s\n", digest_kind_name(validators->digest.kind),
		    digest_hex(&validators->digest, hex));
	if (validators->etag)
		strbuf_addf(&text, "etag %s\n", validators->etag);
	if (validators->last_modified)
		strbuf_addf(&text, "last-modified %s\n", validators->last_modified);
	return file_write_atomic(dirfd, sidecar, 0644, text.text, text.length, err);
}

void validators_release(struct validators *validators)
{
	free(validators->url);
	free(validators->etag);
	free(validators->last_modified);
	*validators = VALIDATORS_INIT;
}
