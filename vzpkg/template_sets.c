#include "vzpkg/template_sets.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* A set's list at one level; of two spellings the first that exists. */
static char *find_at(const char *config, const char *set)
{
	char *path = strcmp(set, "default") == 0 ? xasprintf("%s/packages", config)
						 : xasprintf("%s/os/%s/packages", config, set);
	if (access(path, F_OK) == 0)
		return path;
	free(path);
	path = xasprintf("%s/%s.list", config, set);
	if (access(path, F_OK) == 0)
		return path;
	free(path);
	return NULL;
}

char *find_set(const struct loader *loader, const char *set)
{
	for (size_t i = 0; i < loader->levels.count; i++) {
		char *path = find_at(loader->levels.items[i], set);
		if (path)
			return path;
	}
	return NULL;
}

static void add_set(struct strvec *sets, const char *name, size_t length)
{
	autofree char *set = xstrndup(name, length);
	if (!strvec_contains(sets, set))
		strvec_push(sets, set);
}

/* The names that the files of one level say there are sets of. */
static void sets_at(const char *config, struct strvec *sets)
{
	autofree char *os = xasprintf("%s/os", config);
	autoclosedir DIR *folders = opendir(os), *files = opendir(config);
	struct dirent *entry;

	while (folders && (entry = readdir(folders)))
		if (entry->d_name[0] != '.')
			add_set(sets, entry->d_name, strlen(entry->d_name));
	while (files && (entry = readdir(files))) {
		size_t length = strlen(entry->d_name);
		if (strcmp(entry->d_name, "packages") == 0)
			add_set(sets, "default", strlen("default"));
		else if (entry->d_name[0] != '.' && length > 5 &&
			 strcmp(entry->d_name + length - 5, ".list") == 0)
			add_set(sets, entry->d_name, length - 5);
	}
}

void find_lists(const char *config, struct strvec *paths)
{
	AUTO(strvec_release) struct strvec sets = STRVEC_INIT;

	sets_at(config, &sets);
	for (size_t i = 0; i < sets.count; i++) {
		char *path = find_at(config, sets.items[i]);
		if (path)
			strvec_take(paths, path);
	}
	strvec_sort(paths);
}

void find_sets(const struct loader *loader, struct strvec *sets)
{
	AUTO(strvec_release) struct strvec all = STRVEC_INIT;

	for (size_t i = 0; i < loader->levels.count; i++)
		sets_at(loader->levels.items[i], &all);
	strvec_sort(&all);
	if (strvec_contains(&all, "default"))
		strvec_push(sets, "default");
	for (size_t i = 0; i < all.count; i++) {
		autofree char *path = find_set(loader, all.items[i]);
		if (path && strcmp(all.items[i], "default") != 0)
			strvec_push(sets, all.items[i]);
	}
}
