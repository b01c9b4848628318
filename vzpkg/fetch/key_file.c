#include "vzpkg/fetch/key_file.h"

#include <fcntl.h>
#include <gpgme.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

static int failed(const char *path, gpgme_error_t number, struct error *err)
{
	return error_set(err, ERROR_SYSTEM, "reading the keys in %s: %s", path,
			 gpgme_strerror(number));
}

static gpgme_error_t list_keys(gpgme_ctx_t context, gpgme_data_t data, struct strvec *fingerprints)
{
	gpgme_key_t key;
	gpgme_error_t number = gpgme_op_keylist_from_data_start(context, data, 0);

	while (!number && !(number = gpgme_op_keylist_next(context, &key))) {
		if (key->fpr)
			strvec_push(fingerprints, key->fpr);
		gpgme_key_unref(key);
	}
	return gpgme_err_code(number) == GPG_ERR_EOF ? 0 : number;
}

/* GnuPG wants a home to start at all; the user's own is none of our business, and may not exist. */
static gpgme_error_t use_home(gpgme_ctx_t context, const char *home)
{
	return gpgme_ctx_set_engine_info(context, GPGME_PROTOCOL_OpenPGP, NULL, home);
}

static int read_keys(const char *path, const char *home, struct strvec *fingerprints,
		     struct error *err)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t before = fingerprints->count;
	gpgme_ctx_t context = NULL;
	gpgme_data_t data = NULL;

	if (fd < 0)
		return error_errno(err, errno, "opening %s", path);
	gpgme_check_version(NULL);
	gpgme_error_t number = gpgme_new(&context);
	if (!number)
		number = use_home(context, home);
	if (!number)
		number = gpgme_data_new_from_fd(&data, fd);
	if (!number)
		number = list_keys(context, data, fingerprints);
	gpgme_data_release(data);
	gpgme_release(context);
	if (number)
		return failed(path, number, err);
	if (fingerprints->count == before)
		return error_set(err, ERROR_PARSE, "%s holds no OpenPGP key", path);
	return 0;
}

int key_file_fingerprints(const char *path, struct strvec *fingerprints, struct error *err)
{
	const char *tmp = getenv("TMPDIR");
	autofree char *home = xasprintf("%s/vzpkg-keys.XXXXXX", tmp && *tmp ? tmp : "/tmp");

	if (!mkdtemp(home))
		return error_errno(err, errno, "creating %s", home);
	int ret = read_keys(path, home, fingerprints, err);
	tree_remove(AT_FDCWD, home, NULL);
	return ret;
}
