#include "runtime/doctor/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"

enum { NUMBER_SIZE_MAX = 4096 };

void doctor_add(struct doctor *doctor, enum doctor_level level, const char *name, char *found,
		char *means, char *advice)
{
	doctor->lines =
		xgrow(doctor->lines, doctor->count, &doctor->capacity, sizeof(*doctor->lines));
	doctor->lines[doctor->count++] = (struct doctor_line){ level, name, found, means, advice };
}

bool doctor_number(const struct doctor *doctor, const char *path, uint64_t *ret)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *whole = xasprintf("%s%s", doctor->root, path);
	char *end;
	if (file_read(AT_FDCWD, whole, NUMBER_SIZE_MAX, &text, NULL) < 0)
		return false;
	errno = 0;
	*ret = strtoull(text.text, &end, 10);
	return end != text.text && !errno;
}

bool doctor_sysctl(const struct doctor *doctor, const char *name, uint64_t *ret)
{
	autofree char *path = xasprintf("/proc/sys/%s", name);
	for (char *c = path + strlen("/proc/sys/"); *c; c++)
		*c = *c == '.' ? '/' : *c == '/' ? '.' : *c;
	return doctor_number(doctor, path, ret);
}

char *doctor_assignment(const char *name, uint64_t value)
{
	return xasprintf("sysctl -w %s=%" PRIu64 ", and a line of that in /etc/sysctl.d/60-vz.conf",
			 name, value);
}

const char *doctor_level_name(enum doctor_level level)
{
	static const char *const names[] = { "ok", "warn", "fail" };
	return names[level];
}

enum doctor_level doctor_worst(const struct doctor *doctor)
{
	enum doctor_level worst = DOCTOR_OK;
	for (size_t i = 0; i < doctor->count; i++)
		if (doctor->lines[i].level > worst)
			worst = doctor->lines[i].level;
	return worst;
}

void doctor_release(struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->count; i++) {
		free(doctor->lines[i].found);
		free(doctor->lines[i].means);
		free(doctor->lines[i].advice);
	}
	free(doctor->lines);
	doctor->lines = NULL;
	doctor->count = doctor->capacity = 0;
}
