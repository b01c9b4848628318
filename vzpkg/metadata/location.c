#include "vzpkg/metadata/location.h"

#include <string.h>

bool location_is_safe(const char *location)
{
	return location && *location && *location != '/' && !strstr(location, "..") &&
	       !strstr(location, "://") && !strpbrk(location, " \t\n\r?#\\");
}
