/* An image as a file: frozen, copied. Apart from image.c, since the kernel's header for these calls and that for mounting exclude each
 * other. */
#include "runtime/area/image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/area/duplicate.h"
#include "runtime/area/image_file.h"

int image_freeze(const struct image *image, struct error *err)
{
	return ioctl(image->top, FIFREEZE, 0) < 0 && errno != EBUSY
		       ? error_errno(err, errno, "freezing the VE's image")
		       : 0;
}

/* Who has not frozen it thaws nothing. */
void image_thaw(const struct image *image)
{
	ioctl(image->top, FITHAW, 0);
}

int image_copy(int from, int to, bool frozen, struct error *err)
{
	struct stat st;
	autoclose int file = openat(from, IMAGE_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (file < 0 || fstat(file, &st) < 0)
		return error_errno(err, errno, "opening the VE's image");
	autofree char *path = fd_path(file);
	if (!frozen && loop_wait_detached(file, path, err) < 0)
		return -1;
	autoclose int copy =
		openat(to, IMAGE_FILE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (copy < 0)
		return error_errno(err, errno, "creating a copy of the VE's image");
	return file_duplicate(file, copy, st.st_size, err) < 0
		       ? error_wrap(err, "copying the VE's image")
		       : 0;
}
