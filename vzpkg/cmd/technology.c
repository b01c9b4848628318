#include "vzpkg/cmd/technology.h"

#include <stdbool.h>
#include <string.h>

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

int technology_check(const char *fs_type, const char *image_format, struct error *err)
{
	static const char *const types[] = { "simfs", "overlay", NULL };
	static const char *const formats[] = { "tar", "", NULL };
	if (fs_type && !is_one_of(fs_type, types)) {
		error_set(err, ERROR_TECHNOLOGY, "VEs on the file system \"%s\" are not offered",
			  fs_type);
		return error_hint(err, "--vefstype is simfs or overlay");
	}
	if (image_format && !is_one_of(image_format, formats)) {
		error_set(err, ERROR_TECHNOLOGY, "images of the format \"%s\" are not offered",
			  image_format);
		return error_hint(err, "--veimgfmt is tar");
	}
	return 0;
}
