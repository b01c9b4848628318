/*
 * Paths as packages write them, and where that really is in a tree: a package may say /bin/sh where /bin is a link to
 * usr/bin. Links among the folders are followed, within the tree; the last part is not.
 */
#pragma once

struct real_folder;

struct real_paths {
	int tree; /* borrowed */
	char *top; /* the tree's own path */
	struct real_folder *folders; /* those that were looked up */
};

void real_paths_open(struct real_paths *paths, int tree);
void real_paths_release(struct real_paths *paths);

/* Without "/" in front; "" for the top folder. To be freed. */
char *real_path(struct real_paths *paths, const char *path);
