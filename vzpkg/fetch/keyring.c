#include "vzpkg/fetch/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/lock.h"
#include "vzpkg/fetch/gpg_loop.h"

enum { KEY_FILE_LIMIT = 16 * 1024 * 1024, LOCK_TIMEOUT_S = 600 };

/* gpg alone, without its agent and without a network. Whom to trust is decided here, by
 * fingerprint, so that gpg's own idea of trust has no part in it. A home has its name only when it is
 * complete and is not written to afterwards: no locks. A key of the future is no key for gpg, which would
 * not say that the clock may be wrong; whoever reads the date of what is signed does. */
#define CONF                      \
	"trust-model always\n"    \
	"no-auto-check-trustdb\n" \
	"no-autostart\n"          \
	"disable-dirmngr\n"       \
	"no-auto-key-retrieve\n"  \
	"no-auto-key-locate\n"    \
	"no-permission-warning\n" \
	"lock-never\n"            \
	"ignore-time-conflict\n"  \
	"no-greeting\n"
/* Old keys bind their user ids over MD5; the digest of each signature is looked at afterwards. */
#define CONF_WEAK "allow-weak-digest-algos\n"

struct key_file {
	const char *path;
	struct strbuf text;
};

void sigpipe_ignore(struct sigaction *old)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigaction(SIGPIPE, &ignore, old);
}

void sigpipe_restore(struct sigaction *old)
{
	sigaction(SIGPIPE, old, NULL);
}

/* ---- what is in it ---- */

const struct known_key *keyring_find(const struct keyring *keyring, const char *id)
{
	size_t length = strlen(id);
	for (size_t i = 0; i < keyring->key_count; i++) {
		const char *own = keyring->keys[i].fingerprint;
		if (length >= 16 && strlen(own) >= length &&
		    !strcasecmp(own + strlen(own) - length, id))
			return &keyring->keys[i];
	}
	return NULL;
}

const struct signature_waiver *keyring_waiver(const struct keyring *keyring, const char *primary)
{
	for (size_t i = 0; i < keyring->waiver_count; i++)
		if (!strcasecmp(keyring->waivers[i].fingerprint, primary))
			return &keyring->waivers[i];
	return NULL;
}

static void add_key(struct keyring *keyring, gpgme_key_t key)
{
	for (gpgme_subkey_t sub = key->subkeys; sub; sub = sub->next) {
		if (!sub->fpr)
			continue;
		keyring->keys = xgrow(keyring->keys, keyring->key_count, &keyring->key_capacity,
				      sizeof(*keyring->keys));
		keyring->keys[keyring->key_count++] = (struct known_key){
			.fingerprint = xstrdup(sub->fpr),
			.primary = xstrdup(key->subkeys->fpr),
			.user = xstrdup(key->uids && key->uids->uid ? key->uids->uid : "no name"),
			.bits = sub->length,
			.expires = sub->expires,
		};
	}
}

static void forget_keys(struct keyring *keyring)
{
	for (size_t i = 0; i < keyring->key_count; i++) {
		free(keyring->keys[i].fingerprint);
		free(keyring->keys[i].primary);
		free(keyring->keys[i].user);
	}
	keyring->key_count = 0;
}

static int list_keys(struct keyring *keyring, struct error *err)
{
	gpgme_key_t key;
	forget_keys(keyring);
	gpgme_error_t code = gpgme_op_keylist_start(keyring->context, NULL, 0);
	while (!code && !(code = gpgme_op_keylist_next(keyring->context, &key))) {
		add_key(keyring, key);
		gpgme_key_unref(key);
	}
	if (gpgme_err_code(code) != GPG_ERR_EOF)
		return error_set(err, ERROR_SYSTEM, "listing keys: %s", gpgme_strerror(code));
	return 0;
}

static int check_waivers(const struct keyring *keyring, struct error *err)
{
	for (size_t i = 0; i < keyring->waiver_count; i++) {
		const struct signature_waiver *waiver = &keyring->waivers[i];
		const struct known_key *key = keyring_find(keyring, waiver->fingerprint);
		if (key && !strcasecmp(key->primary, waiver->fingerprint))
			continue;
		error_set(err, ERROR_BAD_TEMPLATE, "%s:%u: there is no key %s in the key files",
			  waiver->file, waiver->line, waiver->fingerprint);
		error_subject(err, "%s", waiver->file);
		return error_hint(err, "put the key into gpgkeys/ or remove the line");
	}
	return 0;
}

/* ---- the home ---- */

static int use_home(struct keyring *keyring, int homes, const char *name, struct error *err)
{
	autofree char *parent = fd_path(homes);
	autofree char *path = xasprintf("%s/%s", parent, name);
	gpgme_error_t code =
		gpgme_ctx_set_engine_info(keyring->context, GPGME_PROTOCOL_OpenPGP, NULL, path);
	if (code)
		return error_set(err, ERROR_SYSTEM, "using %s: %s", path, gpgme_strerror(code));
	return 0;
}

static void release_data(gpgme_data_t *data)
{
	if (*data)
		gpgme_data_release(*data);
}

static gpgme_error_t start_import(struct keyring *keyring, gpgme_data_t *data,
				  const struct strbuf *text)
{
	gpgme_error_t code = gpgme_data_new_from_mem(data, text->text, text->length, 0);
	return code ? code : gpgme_op_import_start(keyring->context, *data);
}

/* How many keys it took; *ret_code is what gpg said. -1: interrupted. */
static int import_text(struct keyring *keyring, const struct strbuf *text, gpgme_error_t *ret_code,
		       struct error *err)
{
	AUTO(release_data) gpgme_data_t data = NULL;
	AUTO(gpg_loop_freep) struct gpg_loop *loop = gpg_loop_new(keyring->context);
	*ret_code = start_import(keyring, &data, text);
	if (!*ret_code && gpg_loop_wait(loop, ret_code, err) < 0)
		return -1;
	gpgme_import_result_t result = *ret_code ? NULL : gpgme_op_import_result(keyring->context);
	return result ? result->imported + result->unchanged : 0;
}

static int import(struct keyring *keyring, const struct key_file *file, struct error *err)
{
	gpgme_error_t code;
	int keys = import_text(keyring, &file->text, &code, err);
	if (keys < 0)
		return error_wrap(err, "importing %s", file->path);
	if (keys)
		return 0;
	error_set(err, ERROR_BAD_TEMPLATE, "%s holds no usable OpenPGP key%s%s", file->path,
		  code ? ": " : "", code ? gpgme_strerror(code) : "");
	error_subject(err, "%s", file->path);
	return error_hint(err, "put a public key there, as `gpg --export --armor` writes it");
}

/* gpg takes longer to start than to import: files of one armored key each go to it together. 1: done; 0: they have to
 * be looked at one by one. */
static int import_together(struct keyring *keyring, const struct key_file *files, size_t count,
			   struct error *err)
{
	static const char begin[] = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
	AUTO(strbuf_release) struct strbuf all = STRBUF_INIT;
	gpgme_error_t code;

	for (size_t i = 0; i < count; i++) {
		const char *block = strstr(files[i].text.text, begin);
		if (!block || strstr(block + 1, begin))
			return 0;
		strbuf_addf(&all, "%s\n", files[i].text.text);
	}
	int keys = import_text(keyring, &all, &code, err);
	return keys < 0 ? error_wrap(err, "importing keys") : (size_t)keys == count;
}

static int import_all(struct keyring *keyring, const struct key_file *files, size_t count,
		      struct error *err)
{
	int done = count > 1 ? import_together(keyring, files, count, err) : 0;

	for (size_t i = 0; done == 0 && i < count; i++)
		if (import(keyring, &files[i], err) < 0)
			return -1;
	return done < 0 ? -1 : 0;
}

/* Under its real name it is complete. One that was there is replaced. */
static int give_name(int homes, const char *temporary, const char *name, struct error *err)
{
	if (renameat2(homes, temporary, homes, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EEXIST || renameat2(homes, temporary, homes, name, RENAME_EXCHANGE) < 0)
		return error_errno(err, errno, "renaming %s to %s", temporary, name);
	return tree_remove(homes, temporary, err);
}

static int build_home(struct keyring *keyring, int homes, const char *name, const char *conf,
		      const struct key_file *files, size_t count, struct error *err)
{
	autofree char *temporary = xasprintf("%s.new", name);
	if (tree_remove(homes, temporary, err) < 0)
		return -1;
	autoclose int home = dir_open(homes, temporary, true, 0700, err);
	if (home < 0)
		return -1;
	if (file_write_atomic(home, "gpg.conf", 0600, conf, strlen(conf), err) < 0 ||
	    use_home(keyring, homes, temporary, err) < 0 ||
	    import_all(keyring, files, count, err) < 0) {
		tree_remove(homes, temporary, NULL);
		return -1;
	}
	return give_name(homes, temporary, name, err);
}

static bool has_all(struct keyring *keyring)
{
	return list_keys(keyring, NULL) == 0 && check_waivers(keyring, NULL) == 0;
}

static int build_locked(struct keyring *keyring, int homes, const char *name, const char *conf,
			const struct key_file *files, size_t count, struct error *err)
{
	struct lock lock = LOCK_INIT;
	autofree char *lock_name = xasprintf("%s.lock", name);
	if (lock_take(&lock, homes, lock_name, LOCK_EXCLUSIVE, LOCK_TIMEOUT_S, NULL, NULL, err) < 0)
		return -1;
	int status = 0;
	/* Somebody else may have made it while we waited. */
	if (faccessat(homes, name, F_OK, 0) < 0 || use_home(keyring, homes, name, err) < 0 ||
	    !has_all(keyring))
		status = build_home(keyring, homes, name, conf, files, count, err);
	lock_remove(&lock, homes, lock_name);
	return status;
}

/* One home per set of keys: named by the digest of everything that went into it. */
static char *home_name(const char *conf, const struct key_file *files, size_t count)
{
	AUTO(hasher_freep) struct hasher *hasher = hasher_new(DIGEST_SHA256);
	hasher_update(hasher, conf, strlen(conf) + 1);
	for (size_t i = 0; i < count; i++) {
		uint64_t length = files[i].text.length;
		hasher_update(hasher, &length, sizeof(length));
		hasher_update(hasher, files[i].text.text, length);
	}
	struct digest digest;
	char hex[DIGEST_MAX * 2 + 1];
	hasher_finish(hasher, &digest);
	return xasprintf("keys-%.32s", digest_hex(&digest, hex));
}

static int fill(struct keyring *keyring, int homes, const char *conf, const struct key_file *files,
		size_t count, struct error *err)
{
	autofree char *name = home_name(conf, files, count);
	if (faccessat(homes, name, F_OK, 0) == 0) {
		if (use_home(keyring, homes, name, err) < 0)
			return -1;
		if (has_all(keyring))
			return 0;
		/* A key is missing in the metadata, or a crash has emptied the home: make it anew. */
	}
	if (build_locked(keyring, homes, name, conf, files, count, err) < 0 ||
	    use_home(keyring, homes, name, err) < 0 || list_keys(keyring, err) < 0)
		return -1;
	return check_waivers(keyring, err);
}

/* ---- opening ---- */

static bool any_weak(const struct signature_waiver *waivers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (waivers[i].weak_ok)
			return true;
	return false;
}

static int read_key_files(const struct strvec *paths, struct key_file *files, struct error *err)
{
	for (size_t i = 0; i < paths->count; i++) {
		files[i].path = paths->items[i];
		if (file_read(AT_FDCWD, files[i].path, KEY_FILE_LIMIT, &files[i].text, err) < 0)
			return -1;
	}
	return 0;
}

static int load(struct keyring *keyring, int homes, const struct strvec *paths, struct error *err)
{
	bool weak = any_weak(keyring->waivers, keyring->waiver_count);
	struct key_file *files = xcalloc(paths->count + 1, sizeof(*files));
	for (size_t i = 0; i < paths->count; i++)
		files[i].text = STRBUF_INIT;
	int status = read_key_files(paths, files, err);
	if (status == 0)
		status = fill(keyring, homes, weak ? CONF CONF_WEAK : CONF, files, paths->count,
			      err);
	for (size_t i = 0; i < paths->count; i++)
		strbuf_release(&files[i].text);
	free(files);
	return status;
}

static int make_context(struct keyring *keyring, struct error *err)
{
	/* gpg is found without it, in the PATH. */
	gpgme_set_global_flag("disable-gpgconf", "1");
	gpgme_check_version(NULL);
	gpgme_error_t code = gpgme_engine_check_version(GPGME_PROTOCOL_OpenPGP);
	if (code) {
		error_set(err, ERROR_EXEC, "gpg cannot be started: %s", gpgme_strerror(code));
		return error_hint(err, "install the package gnupg");
	}
	code = gpgme_new(&keyring->context);
	if (code)
		return error_set(err, ERROR_SYSTEM, "starting gpgme: %s", gpgme_strerror(code));
	gpgme_set_protocol(keyring->context, GPGME_PROTOCOL_OpenPGP);
	gpgme_set_offline(keyring->context, 1);
	return 0;
}

static void copy_waivers(struct keyring *keyring, const struct signature_waiver *waivers,
			 size_t count)
{
	keyring->waivers = xcalloc(count + 1, sizeof(*waivers));
	keyring->waiver_count = count;
	for (size_t i = 0; i < count; i++) {
		keyring->waivers[i] = waivers[i];
		keyring->waivers[i].fingerprint = xstrdup(waivers[i].fingerprint);
		keyring->waivers[i].file = xstrdup(waivers[i].file ? waivers[i].file : "trust");
	}
}

int keyring_open(int homes, const struct strvec *key_files, const struct signature_waiver *waivers,
		 size_t waiver_count, struct keyring **ret, struct error *err)
{
	/* gpgme changes the handling of SIGPIPE when it is started. */
	AUTO(sigpipe_restore) struct sigaction old;
	sigpipe_ignore(&old);
	AUTO(keyring_freep) struct keyring *keyring = xcalloc(1, sizeof(*keyring));
	copy_waivers(keyring, waivers, waiver_count);
	if (make_context(keyring, err) < 0 || load(keyring, homes, key_files, err) < 0)
		return -1;
	*ret = steal_ptr(keyring);
	return 0;
}

void keyring_free(struct keyring *keyring)
{
	if (!keyring)
		return;
	if (keyring->context)
		gpgme_release(keyring->context);
	forget_keys(keyring);
	free(keyring->keys);
	for (size_t i = 0; i < keyring->waiver_count; i++) {
		free((char *)keyring->waivers[i].fingerprint);
		free((char *)keyring->waivers[i].file);
	}
	free(keyring->waivers);
	free(keyring);
}

void keyring_freep(struct keyring **keyring)
{
	keyring_free(*keyring);
	*keyring = NULL;
}
