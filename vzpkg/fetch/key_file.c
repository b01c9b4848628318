#include "vzpkg/fetch/key_file.h"

#include <fcntl.h>
#include <gpgme.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/fetch/gpg_loop.h"
#include "vzpkg/fetch/keyring.h"

static int failed(const char *name, gpgme_error_t number, struct error *err)
{
	return error_set(err, ERROR_SYSTEM, "reading the keys in %s: %s", name,
			 gpgme_strerror(number));
}

static bool is_rsa(gpgme_pubkey_algo_t algorithm)
{
	return algorithm == GPGME_PK_RSA || algorithm == GPGME_PK_RSA_S;
}

static void add(gpgme_key_t key, void *data)
{
	struct key_list *list = data;
	gpgme_subkey_t primary = key->subkeys;

	if (!key->fpr)
		return;
	list->keys = xgrow(list->keys, list->count, &list->capacity, sizeof(*list->keys));
	list->keys[list->count++] = (struct key_info){
		.fingerprint = xstrdup(key->fpr),
		.user = xstrdup(key->uids && key->uids->uid ? key->uids->uid : ""),
		.bits = primary ? primary->length : 0,
		.rsa = primary && is_rsa(primary->pubkey_algo),
		.dsa = primary && primary->pubkey_algo == GPGME_PK_DSA,
		.revoked = key->revoked,
		.secret = key->secret,
		.created = primary && primary->timestamp > 0 ? primary->timestamp : 0,
		.expires = primary && primary->expires > 0 ? primary->expires : 0,
	};
}

/* -1: cut off. gpg ends before it has read what is no key at all. */
static int list_keys(gpgme_ctx_t context, gpgme_data_t data, struct key_list *list,
		     gpgme_error_t *ret_code, struct error *err)
{
	AUTO(sigpipe_restore) struct sigaction old;
	sigpipe_ignore(&old);
	AUTO(gpg_loop_freep) struct gpg_loop *loop = gpg_loop_new(context);

	gpg_loop_keys(loop, add, list);
	*ret_code = gpgme_op_keylist_from_data_start(context, data, 0);
	return *ret_code ? 0 : gpg_loop_wait(loop, ret_code, err);
}

/* GnuPG wants a home to start at all; the user's own is none of our business, and may not exist. */
static gpgme_error_t use_home(gpgme_ctx_t context, const char *home)
{
	return gpgme_ctx_set_engine_info(context, GPGME_PROTOCOL_OpenPGP, NULL, home);
}

/* Takes `data`, which may be NULL if `number` says why. */
static int read_keys(const char *name, gpgme_data_t data, gpgme_error_t number, const char *home,
		     struct key_list *list, struct error *err)
{
	size_t before = list->count;
	gpgme_ctx_t context = NULL;
	int status = 0;

	if (!number)
		number = gpgme_new(&context);
	if (!number)
		number = use_home(context, home);
	if (!number)
		status = list_keys(context, data, list, &number, err);
	gpgme_data_release(data);
	gpgme_release(context);
	if (status < 0)
		return error_wrap(err, "reading the keys in %s", name);
	if (number)
		return failed(name, number, err);
	if (list->count == before)
		return error_set(err, ERROR_PARSE, "%s holds no OpenPGP key", name);
	return 0;
}

static int read_in_home(const char *name, gpgme_data_t data, gpgme_error_t number,
			struct key_list *list, struct error *err)
{
	const char *tmp = getenv("TMPDIR");
	autofree char *home = xasprintf("%s/vzpkg-keys.XXXXXX", tmp && *tmp ? tmp : "/tmp");

	if (!mkdtemp(home)) {
		gpgme_data_release(data);
		return error_errno(err, errno, "creating %s", home);
	}
	int ret = read_keys(name, data, number, home, list, err);
	tree_remove(AT_FDCWD, home, NULL);
	return ret;
}

int key_text_list(const char *name, const void *text, size_t size, struct key_list *list,
		  struct error *err)
{
	gpgme_data_t data = NULL;

	gpgme_check_version(NULL);
	gpgme_error_t number = gpgme_data_new_from_mem(&data, text, size, 0);
	return read_in_home(name, data, number, list, err);
}

void key_list_release(struct key_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->keys[i].fingerprint);
		free(list->keys[i].user);
	}
	free(list->keys);
	*list = KEY_LIST_INIT;
}

int key_file_fingerprints(const char *path, struct strvec *fingerprints, struct error *err)
{
	AUTO(key_list_release) struct key_list list = KEY_LIST_INIT;
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	gpgme_data_t data = NULL;

	if (fd < 0)
		return error_errno(err, errno, "opening %s", path);
	gpgme_check_version(NULL);
	gpgme_error_t number = gpgme_data_new_from_fd(&data, fd);
	if (read_in_home(path, data, number, &list, err) < 0)
		return -1;
	for (size_t i = 0; i < list.count; i++)
		strvec_push(fingerprints, list.keys[i].fingerprint);
	return 0;
}
