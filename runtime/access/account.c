#include "runtime/access/account.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

enum { PASSWD_MAX = 1 << 20 };

/* The field up to ":" or the end of the line; *at goes behind it. */
static char *field(const char **at)
{
	size_t length = strcspn(*at, ":\n");
	char *text = xstrndup(*at, length);
	*at += length + ((*at)[length] == ':');
	return text;
}

/* Accounts are closed with these; whoever has root on the host may come in all the same. */
static bool is_shell(const char *path)
{
	const char *slash = strrchr(path, '/');
	return path[0] == '/' && slash[1] && strcmp(slash + 1, "nologin") != 0 &&
	       strcmp(slash + 1, "false") != 0;
}

static void take_line(const char *line, struct account *ret)
{
	for (int skipped = 0; skipped < 5; skipped++)
		free(field(&line));
	autofree char *home = field(&line);
	autofree char *shell = field(&line);
	if (home[0] == '/') {
		free(ret->home);
		ret->home = steal_ptr(home);
	}
	if (is_shell(shell))
		ret->shell = steal_ptr(shell);
}

void account_parse(const char *text, struct account *ret)
{
	*ret = (struct account){ .home = xstrdup("/root") };
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, "root:", 5) == 0) {
			take_line(line, ret);
			return;
		}
	}
}

void account_of_root(struct account *ret)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct stat st;
	autoclose int fd = open("/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    file_read_fd(fd, "/etc/passwd", PASSWD_MAX, &text, NULL) < 0)
		strbuf_truncate(&text, 0);
	account_parse(text.text, ret);
}

void account_release(struct account *account)
{
	free(account->home);
	free(account->shell);
	*account = (struct account){ 0 };
}
