#include "vzpkg/fleet/apply_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

enum { STATES_MAX = 16 << 20 };

#define APT "/var/lib/apt"

/* Names with architectures, "hello amd64"; or "hello" for all of them. */
struct marking {
	struct strvec forget; /* what is not marked any more, or anew */
	struct strvec automatic;
};

static void marking_release(struct marking *marking)
{
	strvec_release(&marking->forget);
	strvec_release(&marking->automatic);
}

/* apt writes "all" packages down under the system's own architecture. */
static void push_name(struct strvec *names, const struct applier *applier, const char *name,
		      const char *arch)
{
	const char *own = applier->job->template->arch_word;
	strvec_pushf(names, "%s %s", name, strcmp(arch, "all") == 0 ? own : arch);
}

static void list_marks(const struct applier *applier, struct marking *marking)
{
	const struct apply_job *job = applier->job;

	for (size_t i = 0; i < job->difference->count; i++) {
		const struct package_change *change = &job->difference->changes[i];
		if (change->kind == CHANGE_REMOVE) {
			push_name(&marking->forget, applier, change->before->name,
				  change->before->arch);
			continue;
		}
		const struct plan_package *package = &job->plan->packages[change->package];
		bool was = change->before && change->before->automatic;
		if (package->automatic != was)
			push_name(package->automatic ? &marking->automatic : &marking->forget,
				  applier, package->name, package->arch);
	}
	for (size_t i = 0; job->asked && i < job->asked->count; i++)
		strvec_push(&marking->forget, job->asked->items[i]);
}

static char *field(const char *paragraph, size_t length, const char *name)
{
	size_t name_length = strlen(name);

	for (const char *line = paragraph; line < paragraph + length;) {
		size_t size = strcspn(line, "\n");
		if (size >= name_length && strncmp(line, name, name_length) == 0) {
			size_t blanks = strspn(line + name_length, " \t");
			return xstrndup(line + name_length + blanks, size - name_length - blanks);
		}
		line += size + 1;
	}
	return xstrdup("");
}

static bool is_forgotten(const struct marking *marking, const char *paragraph, size_t length)
{
	autofree char *name = field(paragraph, length, "Package:");
	autofree char *arch = field(paragraph, length, "Architecture:");
	autofree char *both = xasprintf("%s %s", name, arch);

	return strvec_contains(&marking->forget, name) || strvec_contains(&marking->forget, both) ||
	       strvec_contains(&marking->automatic, both);
}

static void write_states(const struct marking *marking, const char *before, struct strbuf *states)
{
	while (*before) {
		before += strspn(before, "\n");
		const char *end = strstr(before, "\n\n");
		size_t length = end ? (size_t)(end - before) : strcspn(before, "");
		if (length && !is_forgotten(marking, before, length))
			strbuf_addf(states, "%.*s%s\n", (int)length, before,
				    before[length - 1] == '\n' ? "" : "\n");
		before += length;
	}
	for (size_t i = 0; i < marking->automatic.count; i++) {
		const char *item = marking->automatic.items[i], *arch = strchr(item, ' ');
		strbuf_addf(states, "Package: %.*s\nArchitecture: %s\nAuto-Installed: 1\n\n",
			    (int)(arch - item), item, arch + 1);
	}
}

/* A file of the tenant's, read by us as root of the VE. */
static int read_states(int dir, struct strbuf *text, struct error *err)
{
	struct stat st;
	autoclose int fd =
		openat(dir, "extended_states", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "opening " APT "/extended_states");
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERROR_PACKAGES, APT "/extended_states is not a file");
	return file_read_fd(fd, APT "/extended_states", STATES_MAX, text, err);
}

/* In the VE. */
static int mark_deb(void *data, int channel, struct error *err)
{
	const struct marking *marking = data;
	AUTO(strbuf_release) struct strbuf before = STRBUF_INIT, states = STRBUF_INIT;
	autoclose int dir = open(APT, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	(void)channel;
	if (dir < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "opening " APT);
	if (read_states(dir, &before, err) < 0)
		return -1;
	write_states(marking, before.text, &states);
	if (states.length == before.length && strcmp(states.text, before.text) == 0)
		return 0;
	return file_write_atomic(dir, "extended_states", 0644, states.text, states.length, err);
}

int apply_mark_deb(struct applier *applier, struct error *err)
{
	AUTO(marking_release) struct marking marking = { 0 };

	list_marks(applier, &marking);
	if (!marking.forget.count && !marking.automatic.count)
		return 0;
	applier->result->changed = true;
	if (applier_call(applier, mark_deb, &marking, NULL, 0, err) < 0)
		return error_wrap(err, "marking dependencies");
	return 0;
}
