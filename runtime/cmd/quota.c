#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "runtime/cmd/command.h"
#include "runtime/guest/names.h"
#include "runtime/life/quota.h"

static const char *const words[QUOTA_KINDS] = { "user", "group" };

enum { KB = 1024 };

static void add_number(struct strbuf *text, uint64_t number)
{
	if (number)
		strbuf_addf(text, " %11" PRIu64, number);
	else
		strbuf_addf(text, " %11s", "-");
}

/* How long the soft limit may still be exceeded. */
static void add_grace(struct strbuf *text, int64_t until)
{
	enum { DAY = 86400, HOUR = 3600 };
	int64_t left = until - (int64_t)time(NULL);
	char grace[32] = "-";
	if (until && left <= 0)
		snprintf(grace, sizeof(grace), "none");
	else if (until && left >= 2 * DAY)
		snprintf(grace, sizeof(grace), "%" PRId64 "d", left / DAY);
	else if (until)
		snprintf(grace, sizeof(grace), "%" PRId64 "h%02" PRId64 "m", left / HOUR,
			 left % HOUR / 60);
	strbuf_addf(text, " %6s", grace);
}

static void print(const struct quota_use *use, enum quota_kind kind, const char *name,
		  struct strbuf *text)
{
	strbuf_addf(text, "%-5s %10" PRIu32 " %-16s %11" PRIu64, words[kind], use->limits.id, name,
		    (use->space + KB - 1) / KB);
	add_number(text, use->limits.space.soft / KB);
	add_number(text, use->limits.space.hard / KB);
	add_grace(text, use->space_until);
	strbuf_addf(text, " %9" PRIu64, use->inodes);
	add_number(text, use->limits.inodes.soft);
	add_number(text, use->limits.inodes.hard);
	add_grace(text, use->inodes_until);
	strbuf_adds(text, "\n");
}

static json_t *describe_limit(uint64_t used, const struct disk_limit *limit, int64_t until)
{
	return json_pack("{s:I s:I s:I s:I}", "used", (json_int_t)used, "soft",
			 (json_int_t)limit->soft, "hard", (json_int_t)limit->hard, "until",
			 (json_int_t)until);
}

static json_t *describe(const struct quota_use *use, const char *name)
{
	return json_pack("{s:I s:s* s:o s:o}", "id", (json_int_t)use->limits.id, "name",
			 *name ? name : NULL, "space",
			 describe_limit(use->space, &use->limits.space, use->space_until), "inodes",
			 describe_limit(use->inodes, &use->limits.inodes, use->inodes_until));
}

static json_t *show(const struct life_quotas *quotas, enum quota_kind kind, struct strbuf *text)
{
	json_t *array = json_array();
	for (size_t i = 0; i < quotas->uses[kind].count; i++) {
		const struct quota_use *use = &quotas->uses[kind].items[i];
		autofree char *theirs = guest_name_of(&quotas->names[kind], use->limits.id);
		autofree char *name = text_clean(theirs ?: "");
		print(use, kind, name, text);
		json_array_append_new(array, describe(use, name));
	}
	return array;
}

static int run(struct vzctl *vzctl, unsigned ctid, const struct strvec *operands,
	       struct command_result *ret, struct error *err)
{
	AUTO(life_quotas_release) struct life_quotas quotas = LIFE_QUOTAS_INIT;
	const struct life life = command_life(vzctl, ctid);
	(void)operands;
	if (life_quota(&life, &quotas, err) < 0)
		return -1;
	strbuf_addf(&ret->text, "%-5s %10s %-16s %11s %11s %11s %6s %9s %11s %11s %6s\n", "KIND",
		    "ID", "NAME", "KB", "SOFT", "HARD", "GRACE", "INODES", "SOFT", "HARD", "GRACE");
	json_t *users = show(&quotas, QUOTA_USER, &ret->text);
	json_t *groups = show(&quotas, QUOTA_GROUP, &ret->text);
	ret->json = json_pack("{s:i s:o s:o}", "ctid", (int)ctid, "users", users, "groups", groups);
	return 0;
}

const struct command command_quota = {
	.name = "quota",
	.operands = "",
	.summary = "Prints what users and groups in a VE have on disk, and their limits",
	.run = run,
};
