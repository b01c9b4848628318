#include "runtime/config/ve_disk.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

#define FOLDER "disk."

/* The largest file of an ext4 with blocks of 4096 bytes; and what a file system of use has at least. */
#define SPACE_MAX (UINT64_C(16) << 40)
#define SPACE_MIN (UINT64_C(32) << 20)
#define INODES_MAX UINT32_MAX
#define INODES_MIN 1000

static const char *const kind_names[] = {
	[DISK_NONE] = "none",     [DISK_PROJECT] = "project", [DISK_IMAGE] = "image",
	[DISK_QGROUP] = "qgroup", [DISK_AUTO] = "auto",
};

/* ---- what holds it ------------------------------------------------------------------------------------ */

int disk_kind_parse(const char *word, enum disk_kind *ret, struct error *err)
{
	for (size_t i = 0; i < sizeof(kind_names) / sizeof(*kind_names); i++)
		if (!strcmp(word, kind_names[i])) {
			*ret = (enum disk_kind)i;
			return 0;
		}
	error_set(err, ERROR_VALUE, "\"%s\" is not a way to limit a VE's disk space", word);
	return error_hint(err, "there are auto, project, image, qgroup and none");
}

const char *disk_kind_name(enum disk_kind kind)
{
	return kind_names[kind];
}

static int mistake(const struct conf *conf, const char *key, const char *value, const char *what,
		   struct error *err)
{
	const char *path = conf->path ?: "vz.conf";
	error_set(err, ERROR_PARSE, "%s: %s=\"%s\": %s", path, key, value, what);
	error_subject(err, "%s", path);
	return error_hint(err, "correct that line");
}

static int get_kind(const struct conf *conf, enum disk_kind *ret, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	const char *text = conf_get(conf, "VE_DISK_KIND");
	if (!text || !*text || disk_kind_parse(text, ret, &why) == 0)
		return 0;
	return mistake(conf, "VE_DISK_KIND", text, why.hint, err);
}

int ve_disk_wanted(const struct host_config *host, enum disk_kind *ret, struct error *err)
{
	*ret = DISK_AUTO;
	return get_kind(&host->conf, ret, err);
}

/* ---- where it is -------------------------------------------------------------------------------------- */

bool ve_disk_is_folder(const char *name)
{
	const char *number = name + strlen(FOLDER);
	return !strncmp(name, FOLDER, strlen(FOLDER)) && *number && strlen(number) < 10 &&
	       !number[strspn(number, "0123456789")];
}

char *ve_disk_next(const struct ve_disk *disk)
{
	unsigned long last = disk->folder ? strtoul(disk->folder + strlen(FOLDER), NULL, 10) : 0;
	return xasprintf(FOLDER "%lu", last % 999999999 + 1);
}

int ve_disk_load(const struct ve_config *config, struct ve_disk *ret, struct error *err)
{
	const struct conf *conf = &config->conf;
	const char *folder = conf_get(conf, "VE_DISK"),
		   *project = conf_get(conf, "VE_DISK_PROJECT");
	char *end = NULL;
	*ret = VE_DISK_INIT;
	if (get_kind(conf, &ret->kind, err) < 0)
		return -1;
	if (folder && !ve_disk_is_folder(folder))
		return mistake(conf, "VE_DISK", folder, "this is not " FOLDER " and a number", err);
	errno = 0;
	unsigned long number = project ? strtoul(project, &end, 10) : 0;
	if (errno || (project && (!isdigit((unsigned char)*project) || *end)) ||
	    number > UINT32_MAX)
		return mistake(conf, "VE_DISK_PROJECT", project, "this is not a project's number",
			       err);
	ret->project = (unsigned)number;
	if (ret->kind == DISK_AUTO || (ret->kind != DISK_NONE && !folder) ||
	    (ret->kind == DISK_PROJECT && !number))
		return mistake(conf, "VE_DISK_KIND", disk_kind_name(ret->kind),
			       "what else it takes (VE_DISK, VE_DISK_PROJECT) is not there", err);
	ret->folder = xstrdup_or_null(folder);
	return 0;
}

void ve_disk_release(struct ve_disk *disk)
{
	free(disk->folder);
	*disk = VE_DISK_INIT;
}

/* ---- limits ------------------------------------------------------------------------------------------- */

/* How a limit is written, and which there can be. */
struct limit_form {
	const char *letters; /* that may follow; and there may be a fraction then */
	uint64_t unit; /* of a number without a letter */
	uint64_t least, most;
	const char *said;
};

static const struct limit_form space_form = {
	.letters = "BKMGTP",
	.unit = 1024,
	.least = SPACE_MIN,
	.most = SPACE_MAX,
	.said = "it is " DISK_SPACE_FORM,
};

static const struct limit_form inodes_form = {
	.letters = "KMG",
	.unit = 1,
	.least = INODES_MIN,
	.most = INODES_MAX,
	.said = "it is " DISK_INODES_FORM,
};

/* The kernel counts a user's space in kB. */
static const struct limit_form user_space_form = {
	.letters = "BKMGTP",
	.unit = 1024,
	.least = 1024,
	.most = SPACE_MAX,
	.said = "it is a number of kB, or one with B, K, M, G, T or P, from 1K to 16T; SOFT:HARD; "
		"or unlimited",
};

static const struct limit_form user_inodes_form = {
	.letters = "KMG",
	.unit = 1,
	.least = 1,
	.most = INODES_MAX,
	.said = "it is a number, or one with K, M or G, from 1 to 4294967295; SOFT:HARD; or "
		"unlimited",
};

/* As OpenVZ's tools write it: also the largest number of 64 bits, as a word. */
static bool is_unlimited(const char *text)
{
	return !strcmp(text, "unlimited") || !strcmp(text, "9223372036854775807");
}

/* What the letters mean; P is a page. */
static double unit_of(char letter)
{
	static const char letters[] = "BKMGT";
	letter = (char)toupper((unsigned char)letter);
	return letter == 'P' ? 4096
			     : (double)(UINT64_C(1) << 10 * (strchr(letters, letter) - letters));
}

/* Digits, with a fraction if there is a letter. A double holds what is allowed exactly. */
static bool parse_one(const struct limit_form *form, const char *text, uint64_t *ret)
{
	size_t digits = strspn(text, "0123456789");
	const char *end = text + digits, *letter = NULL;
	if (is_unlimited(text)) {
		*ret = 0;
		return true;
	}
	bool fraction = *end == '.';
	if (fraction)
		end += 1 + strspn(end + 1, "0123456789");
	if (*end)
		letter = strchr(form->letters, toupper((unsigned char)*end));
	if (!digits || digits > 15 || (fraction && (!letter || end[-1] == '.')) ||
	    (*end && (!letter || end[1])))
		return false;
	double unit = letter ? unit_of(*letter) : (double)form->unit;
	double value = strtod(text, NULL) * unit;
	if (value < (double)form->least || value > (double)form->most)
		return false;
	*ret = (uint64_t)value;
	return true;
}

static int parse(const struct limit_form *form, const char *what, const char *text,
		 struct disk_limit *ret, struct error *err)
{
	*ret = (struct disk_limit){ 0 };
	if (!text)
		return 0;
	size_t length = strcspn(text, ":");
	autofree char *soft = xstrndup(text, length);
	const char *hard = text[length] ? text + length + 1 : soft;
	if (!parse_one(form, soft, &ret->soft) || !parse_one(form, hard, &ret->hard)) {
		error_set(err, ERROR_VALUE, "%s cannot be \"%s\"", what, text);
		return error_hint(err, "%s", form->said);
	}
	if (ret->hard && (!ret->soft || ret->soft > ret->hard)) {
		error_set(err, ERROR_VALUE, "%s cannot be \"%s\": the soft limit is above the hard",
			  what, text);
		return error_hint(err, "give SOFT:HARD, the smaller number first");
	}
	return 0;
}

int disk_space_parse(const char *what, const char *text, struct disk_limit *ret, struct error *err)
{
	return parse(&space_form, what, text, ret, err);
}

int disk_inodes_parse(const char *what, const char *text, struct disk_limit *ret, struct error *err)
{
	return parse(&inodes_form, what, text, ret, err);
}

int disk_user_space_parse(const char *what, const char *text, struct disk_limit *ret,
			  struct error *err)
{
	return parse(&user_space_form, what, text, ret, err);
}

int disk_user_inodes_parse(const char *what, const char *text, struct disk_limit *ret,
			   struct error *err)
{
	return parse(&user_inodes_form, what, text, ret, err);
}

int quotaugidlimit_parse(const char *what, const char *text, bool *ret, struct error *err)
{
	size_t digits = strspn(text, "0123456789");
	if (!digits || digits > 10 || text[digits] || strtoull(text, NULL, 10) > UINT32_MAX) {
		error_set(err, ERROR_VALUE, "%s cannot be \"%s\"", what, text);
		return error_hint(err, "it is " QUOTAUGIDLIMIT_FORM);
	}
	*ret = strtoull(text, NULL, 10) > 0;
	return 0;
}

/* The VE's, or else vz.conf's; *text is NULL if there is none. */
static const struct conf *find(const struct host_config *host, const struct ve_config *config,
			       const char *key, const char **text)
{
	const struct conf *conf = conf_get(&config->conf, key) ? &config->conf : &host->conf;
	*text = conf_get(conf, key);
	if (*text && !**text)
		*text = NULL;
	return conf;
}

static int load_users(const struct host_config *host, const struct ve_config *config, bool *ret,
		      struct error *err)
{
	static const char key[] = "QUOTAUGIDLIMIT";
	AUTO(error_clear) struct error why = ERROR_INIT;
	const char *text;
	const struct conf *conf = find(host, config, key, &text);
	*ret = false;
	if (!text || quotaugidlimit_parse(key, text, ret, &why) == 0)
		return 0;
	return mistake(conf, key, text, why.hint, err);
}

static int load(const struct host_config *host, const struct ve_config *config, const char *key,
		const struct limit_form *form, struct disk_limit *ret, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	const char *text;
	const struct conf *conf = find(host, config, key, &text);
	if (parse(form, key, text, ret, &why) == 0)
		return 0;
	return mistake(conf, key, text, why.hint, err);
}

int ve_disk_limits(const struct host_config *host, const struct ve_config *config,
		   const struct disk_given *given, struct disk_limits *ret, struct error *err)
{
	int result = given->space ? disk_space_parse("--diskspace", given->space, &ret->space, err)
				  : load(host, config, "DISKSPACE", &space_form, &ret->space, err);
	if (result < 0)
		return -1;
	result = given->inodes ? disk_inodes_parse("--diskinodes", given->inodes, &ret->inodes, err)
			       : load(host, config, "DISKINODES", &inodes_form, &ret->inodes, err);
	if (result < 0)
		return -1;
	return given->users
		       ? quotaugidlimit_parse("--quotaugidlimit", given->users, &ret->users, err)
		       : load_users(host, config, &ret->users, err);
}
