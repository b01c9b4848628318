#include "vzpkg/fleet/undo_packages.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "vzpkg/install/rpm_guest.h"
#include "vzpkg/metadata/installed.h"

enum { LINES_MAX = 100000 };

static bool is_deb(const struct applier *applier)
{
	return applier->job->template->format == PACKAGE_DEB;
}

/* What a program prints goes here while it runs; applier_command.line has no room for more. */
static struct strvec *lines;

static void keep_line(struct applier *applier, const char *line)
{
	(void)applier;
	if (lines->count < LINES_MAX)
		strvec_push(lines, line);
}

static int run(struct applier *applier, const char *what, const char *options,
	       const struct strvec *operands, struct strvec *ret, struct error *err)
{
	AUTO(strvec_release) struct strvec argv = STRVEC_INIT;
	struct applier_command command = {
		.what = what,
		.script = -1,
		.line = ret ? keep_line : NULL,
	};

	strvec_split(&argv, options);
	for (size_t i = 0; i < operands->count; i++)
		strvec_push(&argv, operands->items[i]);
	command.argv = (const char *const *)argv.items;
	lines = ret;
	return applier_run(applier, &command, err);
}

/* As its package manager calls it. To be freed. */
static char *full_name(const struct applier *applier, const char *name, const char *version,
		       const char *arch)
{
	const char *colon = strchr(version, ':');

	if (!is_deb(applier))
		return xasprintf("%s-%s.%s", name, colon ? colon + 1 : version, arch);
	if (strcmp(arch, applier->job->template->arch_word) == 0 || strcmp(arch, "all") == 0)
		return xstrdup(name);
	return xasprintf("%s:%s", name, arch);
}

/* ---- what is there --------------------------------------------------------------------------------------------------------- */

/* "NAME ARCH VERSION WANT FLAG STATE" of each package, whatever they are (dpkg-query(1)). rpm knows one of each. */
static int list_now(struct applier *applier, struct strvec *ret, struct error *err)
{
	static const char deb[] = "${Package} ${Architecture} ${Version} ${Status}\\n";
	AUTO(strvec_release) struct strvec operands = STRVEC_INIT;

	if (is_deb(applier)) {
		strvec_push(&operands, deb);
		return run(applier, "listing packages", "dpkg-query -W -f", &operands, ret, err);
	}
	AUTO(installed_set_release) struct installed_set set = INSTALLED_SET_INIT;
	int tree = visit_tree(applier->visit, err);
	if (tree < 0 || installed_read(tree, PACKAGE_RPM, &set, err) < 0)
		return -1;
	for (size_t i = 0; i < set.installed.count; i++) {
		const struct installed_package *package = &set.installed.packages[i];
		strvec_pushf(ret, "%s %s %s install ok installed", package->name, package->arch,
			     package->version);
	}
	return 0;
}

/* That of a package that is installed, in this version; or NULL. */
static const char *line_of(const struct strvec *list, const struct installed_package *package)
{
	static const char state[] = " ok installed";
	autofree char *begin =
		xasprintf("%s %s %s ", package->name, package->arch, package->version);

	for (size_t i = 0; i < list->count; i++) {
		const char *line = list->items[i];
		size_t length = strlen(line);
		if (strncmp(line, begin, strlen(begin)) == 0 && length >= strlen(state) &&
		    strcmp(line + length - strlen(state), state) == 0)
			return line;
	}
	return NULL;
}

static bool has(const struct strvec *now, const struct installed_package *package)
{
	return line_of(now, package);
}

/* In whatever version and state; or, that of a package that was removed, only its configuration files. */
static bool has_trace(const struct strvec *now, const struct plan_package *package)
{
	autofree char *begin = xasprintf("%s %s ", package->name, package->arch);

	for (size_t i = 0; i < now->count; i++)
		if (strncmp(now->items[i], begin, strlen(begin)) == 0 &&
		    !strstr(now->items[i], " not-installed"))
			return true;
	return false;
}

static bool has_any(const struct strvec *now, const struct plan_package *package)
{
	autofree char *begin = xasprintf("%s %s ", package->name, package->arch);

	for (size_t i = 0; i < now->count; i++)
		if (strncmp(now->items[i], begin, strlen(begin)) == 0 &&
		    !strstr(now->items[i], " not-installed") &&
		    !strstr(now->items[i], " config-files"))
			return true;
	return false;
}

/* ---- before the change -------------------------------------------------------------------------------------------------------- */

static int list_files(struct applier *applier, struct undo_files *files, struct error *err)
{
	const struct difference *difference = applier->job->difference;
	AUTO(strvec_release) struct strvec operands = STRVEC_INIT, printed = STRVEC_INIT;

	if (is_deb(applier)) {
		undo_files_add(files, "/var/lib/apt/extended_states");
		strvec_push(&operands, "${Conffiles}\\n");
	}
	for (size_t i = 0; i < difference->count; i++) {
		const struct installed_package *before = difference->changes[i].before;
		if (before)
			strvec_take(&operands, full_name(applier, before->name, before->version,
							 before->arch));
	}
	if (operands.count == is_deb(applier))
		return 0;
	if (run(applier, "listing configuration files",
		is_deb(applier) ? "dpkg-query -W -f" : "rpm -q --configfiles", &operands, &printed,
		err) < 0)
		return -1;
	/* dpkg: " /etc/hello.conf 0123456789abcdef"; rpm: "/etc/hello.conf". */
	for (size_t i = 0; i < printed.count; i++) {
		const char *line = printed.items[i] + strspn(printed.items[i], " ");
		const char *end = is_deb(applier) && *line == '/' ? strchr(line, ' ') : NULL;
		autofree char *path = end ? xstrndup(line, (size_t)(end - line)) : xstrdup(line);
		undo_files_add(files, path);
	}
	return 0;
}

int undo_look(struct applier *applier, struct undo_files *files, struct strvec *before,
	      struct error *err)
{
	return list_now(applier, before, err) < 0 ? -1 : list_files(applier, files, err);
}

/* ---- the reverse ---------------------------------------------------------------------------------------------------------------- */

static void push_former(const struct applier *applier, const struct installed_package *before,
			struct strvec *files)
{
	const struct apply_job *job = applier->job;

	for (size_t i = 0; i < job->former_count; i++) {
		const struct plan_package *package = job->former[i];
		if (strcmp(package->name, before->name) != 0 ||
		    strcmp(package->version, before->version) != 0 ||
		    strcmp(package->arch, before->arch) != 0)
			continue;
		autofree char *file = share_file(job->share, package);
		strvec_pushf(files, PACKAGES_TARGET "/%s", file);
		return;
	}
}

/* Of what is added, what had been there before and left configuration files is not purged. */
struct reverse {
	const struct strvec *before;
	struct strvec now, files, purged, removed;
};

static void reverse_release(struct reverse *reverse)
{
	strvec_release(&reverse->now);
	strvec_release(&reverse->files);
	strvec_release(&reverse->purged);
	strvec_release(&reverse->removed);
}

static void sort_out(const struct applier *applier, struct reverse *reverse)
{
	const struct apply_job *job = applier->job;

	for (size_t i = 0; i < job->difference->count; i++) {
		const struct package_change *change = &job->difference->changes[i];
		if (change->before && !has(&reverse->now, change->before))
			push_former(applier, change->before, &reverse->files);
		if (change->kind != CHANGE_ADD)
			continue;
		const struct plan_package *package = &job->plan->packages[change->package];
		bool kept = has_trace(reverse->before, package);
		if (kept ? has_any(&reverse->now, package) : has_trace(&reverse->now, package))
			strvec_take(
				kept ? &reverse->removed : &reverse->purged,
				full_name(applier, package->name, package->version, package->arch));
	}
}

/* Nothing to be done is success. Of several failures the first is told, and what comes after it is tried all the same. */
static int step(struct applier *applier, const char *what, const char *options,
		const struct strvec *operands, int status, struct error *err)
{
	AUTO(error_clear) struct error further = ERROR_INIT;

	if (!operands->count)
		return status;
	if (run(applier, what, options, operands, NULL, status < 0 ? &further : err) < 0)
		return -1;
	return status;
}

/* On the way back a set of packages that was right may go through one that is not. */
static int reverse_deb(struct applier *applier, const struct reverse *reverse, struct error *err)
{
	AUTO(strvec_release) struct strvec all = STRVEC_INIT;
	int status = step(applier, "installing the earlier packages",
			  "dpkg --force-confdef --force-confold --force-overwrite --force-breaks "
			  "--force-conflicts --auto-deconfigure --install",
			  &reverse->files, 0, err);

	status = step(applier, "removing what was added", "dpkg --purge", &reverse->purged, status,
		      err);
	status = step(applier, "removing what was added", "dpkg --remove", &reverse->removed,
		      status, err);
	strvec_push(&all, "--pending");
	return step(applier, "configuring packages",
		    "dpkg --force-confdef --force-confold --configure", &all, status, err);
}

/* What has taken the place of something has its files. */
static int reverse_rpm(struct applier *applier, const struct reverse *reverse, struct error *err)
{
	autofree char *install =
		xasprintf("rpm -Uv --nosignature --nodigest --oldpackage "
			  "--replacepkgs --replacefiles --nodeps%s",
			  rpm_guest_without_docs(applier->job->template) ? " --excludedocs" : "");
	int status =
		step(applier, "installing the earlier packages", install, &reverse->files, 0, err);

	return step(applier, "removing what was added", "rpm -e", &reverse->purged, status, err);
}

/* dpkg: what was to be removed and is there again is still wanted to be gone, and would go by the next "dpkg --remove --pending". */
static int reverse_wants(struct applier *applier, const struct strvec *before, struct error *err)
{
	const struct difference *difference = applier->job->difference;
	AUTO(strvec_release) struct strvec now = STRVEC_INIT;
	AUTO(strbuf_release) struct strbuf wants = STRBUF_INIT;
	static const char *const argv[] = { "dpkg", "--set-selections", NULL };
	struct applier_command command = { .what = "marking packages", .argv = argv, .script = -1 };

	if (list_now(applier, &now, err) < 0)
		return -1;
	for (size_t i = 0; i < difference->count; i++) {
		const struct installed_package *package = difference->changes[i].before;
		const char *was = package ? line_of(before, package) : NULL;
		const char *is = was ? line_of(&now, package) : NULL;
		if (!is || strcmp(was, is) == 0)
			continue;
		autofree char *name =
			full_name(applier, package->name, package->version, package->arch);
		const char *want = was + strlen(package->name) + strlen(package->arch) +
				   strlen(package->version) + 3;
		strbuf_addf(&wants, "%s %.*s\n", name, (int)strcspn(want, " "), want);
	}
	command.input = wants.text;
	return wants.length ? applier_run(applier, &command, err) : 0;
}

int undo_packages(struct applier *applier, const struct strvec *before, struct error *err)
{
	AUTO(reverse_release) struct reverse reverse = { .before = before };
	AUTO(error_clear) struct error further = ERROR_INIT;

	if (is_deb(applier) && applier_lock_deb(applier, err) < 0)
		return -1;
	if (list_now(applier, &reverse.now, err) < 0)
		return -1;
	sort_out(applier, &reverse);
	if (!is_deb(applier))
		return reverse_rpm(applier, &reverse, err);
	int status = reverse_deb(applier, &reverse, err);
	return reverse_wants(applier, before, status < 0 ? &further : err) < 0 ? -1 : status;
}

/* ---- what has come of it ---------------------------------------------------------------------------------------------------------- */

static bool is_at_hand(const struct applier *applier, const struct installed_package *package)
{
	AUTO(strvec_release) struct strvec file = STRVEC_INIT;

	push_former(applier, package, &file);
	return file.count;
}

static void compare_changed(const struct applier *applier, const struct strvec *before_all,
			    const struct strvec *now, struct strvec *left)
{
	const struct apply_job *job = applier->job;

	for (size_t i = 0; i < job->difference->count; i++) {
		const struct package_change *change = &job->difference->changes[i];
		const struct installed_package *before = change->before;
		const struct plan_package *after =
			change->kind == CHANGE_ADD ? &job->plan->packages[change->package] : NULL;
		if (before && !has(now, before))
			strvec_pushf(left, "%s is not %s as before%s", before->name,
				     before->version,
				     is_at_hand(applier, before)
					     ? ""
					     : ", of which no package file is to be had");
		if (after && has_any(now, after) && !has_any(before_all, after))
			strvec_pushf(left, "%s is there, and was not before", after->name);
	}
}

/* By compare_changed(). */
static bool is_told(const struct applier *applier, const struct strvec *now, const char *line)
{
	const struct difference *difference = applier->job->difference;

	for (size_t i = 0; i < difference->count; i++) {
		const struct installed_package *before = difference->changes[i].before;
		size_t length = before ? strlen(before->name) : 0;
		if (before && strncmp(line, before->name, length) == 0 && line[length] == ' ' &&
		    !has(now, before))
			return true;
	}
	return false;
}

/* What was broken on the way, or waits for others; or is wanted otherwise. */
static void compare_others(const struct applier *applier, struct strvec *before, struct strvec *now,
			   struct strvec *left)
{
	strvec_sort(before);
	strvec_sort(now);
	for (size_t b = 0, n = 0; b < before->count; b++) {
		const char *line = before->items[b];
		while (n < now->count && strcmp(now->items[n], line) < 0)
			n++;
		if ((n < now->count && strcmp(now->items[n], line) == 0) ||
		    is_told(applier, now, line))
			continue;
		autofree char *clean = text_clean(line);
		strvec_pushf(left, "no more so: %s", clean);
	}
}

int undo_compare(struct applier *applier, struct strvec *before, struct strvec *left,
		 struct error *err)
{
	AUTO(strvec_release) struct strvec now = STRVEC_INIT;

	if (list_now(applier, &now, err) < 0)
		return -1;
	compare_changed(applier, before, &now, left);
	compare_others(applier, before, &now, left);
	return 0;
}
